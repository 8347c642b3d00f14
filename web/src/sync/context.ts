/** What the parts of the engine share. */

import type { Machine } from "../crypto/machine";
import type { Database } from "../store/database";
import { Disconnected, type Link, type Notice, type Question, type Reply } from "./link";

/** What other tabs, and the page, are told of. Everything else they read from the database. */
export type Happening =
  | { readonly kind: "changed"; readonly conversation: string }
  | { readonly kind: "account"; readonly account: string }
  | { readonly kind: "clock"; readonly serverTime: number }
  | { readonly kind: "connection"; readonly online: boolean; readonly caughtUp: boolean; readonly held: Held | null }
  | { readonly kind: "typing"; readonly conversation: string; readonly account: string; readonly active: boolean }
  | { readonly kind: "presence"; readonly account: string; readonly online: boolean; readonly lastSeen: number }
  | { readonly kind: "signed-out" };

/** Why the engine does not come back by itself: the device is in use elsewhere, or client and server disagree. */
export type Held = "elsewhere" | "outdated";

export class Context {
  private current: Link | null = null;
  private ahead = 0;

  constructor(
    readonly db: Database,
    readonly machine: Machine,
    readonly emit: (happening: Happening) => void,
    /** Something went wrong that no part of the engine expects: it must be opened anew. */
    readonly broken: (error: unknown) => void,
  ) {}

  get account(): string {
    return this.machine.account;
  }

  get device(): string {
    return this.machine.device;
  }

  get isConnected(): boolean {
    return this.current !== null;
  }

  use(link: Link | null): void {
    this.current = link;
  }

  /** Milliseconds since 1970 by the server's clock, as far as it is known. */
  now(): number {
    return Date.now() + this.ahead;
  }

  adjust(serverTime: number): void {
    this.ahead = serverTime - Date.now();
    this.emit({ kind: "clock", serverTime });
  }

  tell(notice: Notice): void {
    this.link.tell(notice);
  }

  /** Sends a command and returns its reply, which is of the kind named. Throws Refusal, Disconnected. */
  async ask<K extends Reply["t"]>(kind: K, question: Question): Promise<Extract<Reply, { t: K }>> {
    const reply = await this.link.ask(question);
    if (reply.t !== kind) throw new Disconnected();
    return reply as Extract<Reply, { t: K }>;
  }

  private get link(): Link {
    if (!this.current) throw new Disconnected();
    return this.current;
  }
}

/** Lets one piece of work begin when the one before has ended. The encryption library wants no two at once. */
export class Turnstile {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work);
    this.last = next.catch(() => undefined);
    return next;
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
