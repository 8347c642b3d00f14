import { mount } from "svelte";
import App from "./app/App.svelte";
import { scriptUrl } from "./app/trusted";
import { Application } from "./state/app.svelte";
import { setLocale } from "./state/i18n.svelte";
import "./state/theme.svelte";
import "./ui/tokens.css";
import "./ui/base.css";

const app = new Application(scriptUrl);

async function start(): Promise<void> {
  await setLocale(navigator.language);
  const target = document.getElementById("app");
  if (target) mount(App, { target, props: { app } });
  await app.start();
  if ("serviceWorker" in navigator && import.meta.env.PROD) {
    // Without it the page works, but does not open while the server is away: so under a certificate of one's own.
    navigator.serviceWorker.register(scriptUrl("/sw.js")).catch((error: unknown) => console.warn(String(error)));
  }
}

start().catch((error: unknown) => {
  console.error(error);
  app.phase = "broken";
});
