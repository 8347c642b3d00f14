/** The version of the client that the service worker keeps. */

const PATIENCE_MS = 5_000;

/** Has the newest version replace the one that is kept; returns when it has, or when there is none. */
export async function takeNewest(): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration();
  const found = await registration?.update().catch(() => undefined);
  const next = found?.installing ?? found?.waiting;
  if (!next) return;
  await new Promise<void>((resolve) => {
    const takeOver = () => {
      if (next.state === "installed") next.postMessage("take over");
      if (next.state === "activated" || next.state === "redundant") resolve();
    };
    next.addEventListener("statechange", takeOver);
    setTimeout(resolve, PATIENCE_MS);
    takeOver();
  });
}
