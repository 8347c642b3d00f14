/** Light or dark: as the device has it, or as the person chose. */

export type Theme = "system" | "light" | "dark";

const KEY = "tidings-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = $state<{ theme: Theme }>({ theme: read() });

function read(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

function apply(): void {
  const isDark = chosen.theme === "dark" || (chosen.theme === "system" && dark.matches);
  document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
}

dark.addEventListener("change", apply);
apply();

export function theme(): Theme {
  return chosen.theme;
}

export function setTheme(next: Theme): void {
  chosen.theme = next;
  if (next === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  apply();
}
