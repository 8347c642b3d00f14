/**
 * How tabs and the owner of the engine speak. All workers of one browser profile hear everything; calls are carried
 * out by the one that holds the lock, wherever it runs. A call that nobody has taken is repeated, and one
 * that a former owner took is given to the next: the owner may just be changing. The owner carries out each call once.
 */

import type { Service } from "./service";
import type { Happening } from "./context";

export const CHANNEL = "tidings";
export const LOCK = "tidings-engine";

export type Calls = { [K in keyof Service]: Service[K] extends (...args: never[]) => unknown ? K : never }[keyof Service];

export type Envelope =
  | { readonly type: "owner" }
  | { readonly type: "call"; readonly id: string; readonly method: Calls; readonly args: readonly unknown[] }
  | { readonly type: "taken"; readonly id: string }
  | { readonly type: "result"; readonly id: string; readonly value: unknown }
  | { readonly type: "error"; readonly id: string; readonly error: PlainError }
  | { readonly type: "happening"; readonly happening: Happening };

/** An error that has crossed from the owner to a tab. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  /** The server's code, or the protocol's, if it was a refusal. */
  readonly code: string | null;
}

/** A call failed. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  readonly code: string | null;
  readonly kind: string;
  constructor(error: PlainError) {
    super(error.message);
    this.code = error.code;
    this.kind = error.name;
  }
}

export function plain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), code: null };
  const refusal = "error" in error ? (error.error as { t?: string }).t : undefined;
  const code = "code" in error && typeof error.code === "string" ? error.code : (refusal ?? null);
  return { name: error.name, message: error.message, code };
}
