/// <reference lib="webworker" />
/** Keeps the client's own files, so that it opens without a network. Nothing else is ever kept. */

export {};

declare const FILES: readonly string[];
declare const VERSION: string;

const worker = self as unknown as ServiceWorkerGlobalScope;
const name = `tidings-${VERSION}`;

async function keep(): Promise<void> {
  const cache = await caches.open(name);
  await cache.addAll(FILES.map((file) => (file === "index.html" ? "/" : `/${file}`)));
}

async function forgetOthers(): Promise<void> {
  const all = await caches.keys();
  await Promise.all(all.filter((one) => one !== name).map((one) => caches.delete(one)));
  await worker.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  const kept = await caches.match(request.mode === "navigate" ? "/" : request, { ignoreSearch: true });
  return kept ?? fetch(request);
}

worker.addEventListener("install", (event) => event.waitUntil(keep()));
worker.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
worker.addEventListener("message", ({ data }) => {
  if (data === "take over") void worker.skipWaiting();
});
worker.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const isOurs = origin === worker.location.origin && event.request.method === "GET";
  if (isOurs && !pathname.startsWith("/v1/") && !pathname.startsWith("/schema")) event.respondWith(answer(event.request));
});
