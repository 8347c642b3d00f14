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

async function own(): Promise<never> {
  let fail: (error: unknown) => void;
  const broken = new Promise<never>((_, reject) => (fail = reject));
  const emit = (happening: Extract<Envelope, { type: "happening" }>["happening"]) => {
    say({ type: "happening", happening });
  };
  const service = await Service.open(emit, (error) => fail(error));
  channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
    if (data.type === "call") void carryOut(service, data);
  };
  say({ type: "owner" });
  return broken;
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

// An engine that broke (a library that panicked, a database that was closed) ends with its worker; the tab
// starts another one, which opens everything anew.
navigator.locks
  .request(LOCK, own)
  .catch((error: unknown) => {
    console.error("the engine stopped:", error);
    postMessage("broken");
  });
