/**
 * The worker of a tab. Of all workers of a browser profile one holds the lock and runs the engine, so that no two
 * ever share a ratchet; when its tab is closed the next one takes over.
 */

import { CHANNEL, LOCK, plain, type Envelope } from "./channel";
import { Service } from "./service";

const channel = new BroadcastChannel(CHANNEL);
const say = (envelope: Envelope) => channel.postMessage(envelope);

/** The calls of the last minutes, so that one which is repeated is carried out once. */
const seen = new Set<string>();
const MOST_SEEN = 10_000;

/** Runs the engine; does not end, so that the lock goes with this worker and not before. */
async function own(): Promise<never> {
  await start().catch(fail);
  return new Promise(() => {});
}

async function start(): Promise<void> {
  const emit = (happening: Extract<Envelope, { type: "happening" }>["happening"]) => {
    say({ type: "happening", happening });
  };
  const service = await Service.open(emit, fail);
  channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
    if (data.type === "call") void carryOut(service, data);
  };
  say({ type: "owner" });
}

/**
 * Ends an engine that broke (a library that panicked, a database that was closed) with its worker; the tab starts
 * another one, which opens everything anew. Nobody else may run an engine while this one still might.
 */
function fail(error: unknown): void {
  console.error("the engine stopped:", error);
  postMessage("broken");
  self.close();
}

async function carryOut(service: Service, { id, method, args }: Extract<Envelope, { type: "call" }>): Promise<void> {
  say({ type: "taken", id });
  if (seen.has(id)) return;
  if (seen.size > MOST_SEEN) seen.clear();
  seen.add(id);
  try {
    const call = service[method] as (...args: unknown[]) => unknown;
    say({ type: "result", id, value: await call.apply(service, [...args]) });
  } catch (error) {
    say({ type: "error", id, error: plain(error) });
  }
}

navigator.locks.request(LOCK, own).catch(fail);
