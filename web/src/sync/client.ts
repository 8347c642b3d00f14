/** A tab's side of the channel: calls to the owner of the engine, and what it tells. */

import { CallFailed, CHANNEL, type Calls, type Envelope } from "./channel";
import type { Happening } from "./context";
import type { Service } from "./service";
import workerUrl from "./worker?worker&url";

type Result<K extends Calls> = Service[K] extends (...args: never[]) => infer R ? Awaited<R> : never;
type Args<K extends Calls> = Service[K] extends (...args: infer A) => unknown ? A : never;

const REPEAT_MS = 1_000;
const RESTART_MS = 1_000;

interface Call {
  readonly post: () => void;
  readonly settle: (envelope: Envelope) => void;
  readonly taken: () => void;
}

export class EngineClient {
  private readonly channel = new BroadcastChannel(CHANNEL);
  private readonly calls = new Map<string, Call>();
  private readonly listeners = new Set<(happening: Happening) => void>();
  private isStarted = false;
  readonly tab = crypto.randomUUID();

  constructor(private readonly scriptUrl: (url: string) => string) {
    this.channel.onmessage = ({ data }: MessageEvent<Envelope>) => this.hear(data);
  }

  /** Calls the owner of the engine. Throws CallFailed. */
  call<K extends Calls>(method: K, ...args: Args<K>): Promise<Result<K>> {
    this.start();
    const id = crypto.randomUUID();
    const envelope: Envelope = { type: "call", id, method, args };
    return new Promise((resolve, reject) => {
      const post = () => this.channel.postMessage(envelope);
      const repeat = setInterval(post, REPEAT_MS);
      this.calls.set(id, {
        post,
        taken: () => clearInterval(repeat),
        settle: (answer) => {
          clearInterval(repeat);
          this.calls.delete(id);
          if (answer.type === "result") resolve(answer.value as Result<K>);
          else if (answer.type === "error") reject(new CallFailed(answer.error));
        },
      });
      post();
    });
  }

  /** Hears what happens; returns how to stop it. */
  listen(listener: (happening: Happening) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Tells other tabs that something was written down. */
  changed(conversation: string): void {
    const happening: Happening = { kind: "changed", conversation };
    this.channel.postMessage({ type: "happening", happening } satisfies Envelope);
    this.tell(happening);
  }

  private hear(envelope: Envelope): void {
    if (envelope.type === "happening") this.tell(envelope.happening);
    else if (envelope.type === "taken") this.calls.get(envelope.id)?.taken();
    else if (envelope.type === "owner") for (const call of this.calls.values()) call.post();
    else if (envelope.type !== "call") this.calls.get(envelope.id)?.settle(envelope);
  }

  private tell(happening: Happening): void {
    for (const listener of this.listeners) listener(happening);
  }

  /** Starts an engine in this tab, at the latest with the first call: who only looks at the first page needs none. */
  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.startWorker();
  }

  private startWorker(): void {
    const worker = new Worker(this.scriptUrl(workerUrl), { type: "module" });
    worker.onmessage = worker.onerror = () => {
      worker.terminate();
      setTimeout(() => this.startWorker(), RESTART_MS);
    };
  }
}
