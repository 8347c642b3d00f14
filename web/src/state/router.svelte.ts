/** Where the person is, kept in the address, so that "back" does what it does everywhere. */

export type Route =
  | { readonly page: "list" }
  | { readonly page: "talk"; readonly conversation: string }
  | { readonly page: "join"; readonly code: string }
  | { readonly page: "sign-in" };

function parse(hash: string): Route {
  const [page, part = ""] = hash.replace(/^#\/?/, "").split("/");
  const conversation = page === "c" ? decoded(part) : "";
  if (conversation !== "") return { page: "talk", conversation };
  if (page === "join" && part !== "") return { page: "join", code: part };
  if (page === "sign-in") return { page: "sign-in" };
  return { page: "list" };
}

/** Returns the text of a part of an address; none if that is broken, as a hand-made one may be. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

function format(to: Route): string {
  switch (to.page) {
    case "talk":
      return `#/c/${encodeURIComponent(to.conversation)}`;
    case "join":
      return `#/join/${to.code}`;
    case "sign-in":
      return "#/sign-in";
    default:
      return "#/";
  }
}

const current = $state<{ route: Route }>({ route: parse(location.hash) });
addEventListener("hashchange", () => (current.route = parse(location.hash)));

export function route(): Route {
  return current.route;
}

/** Goes somewhere; with `replace` the place before is not gone back to. */
export function go(next: Route, replace = false): void {
  if (replace) history.replaceState(null, "", format(next));
  else if (format(next) !== location.hash) history.pushState(null, "", format(next));
  current.route = next;
}

/** Leaves a conversation for the list. */
export function leave(): void {
  go({ page: "list" }, true);
}
