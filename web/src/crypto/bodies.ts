/** The bodies of the encryption library's requests and answers, and what they become in frames. Pure. */

import type { KeyAnswer } from "../wire/content";
import { packOlm } from "../wire/envelope";
import type { AccountKeys, ClaimedKey, NamedKey, Share } from "../wire/frames";
import { fromBase64 } from "../wire/shape";

export const ENCRYPTED = "m.room.encrypted";
export const MEGOLM = "m.megolm.v1.aes-sha2";

/** A key share, and the key of the device that it was encrypted for: the device's id alone is the server's word. */
export interface Addressed extends Share {
  readonly curve25519: string;
}

/** An envelope cannot be opened (yet). */
export class CannotOpen extends Error {
  override readonly name = "CannotOpen";
}

/** A signed object of the Matrix specification. */
export interface Signed {
  user_id: string;
  keys: Record<string, string>;
  signatures?: Record<string, Record<string, string>>;
}

/** Returns an object with the signatures of both copies on it. */
export function withSignatures(one: Signed, other: Signed | undefined): Signed {
  const signatures = { ...one.signatures };
  for (const [signer, more] of Object.entries(other?.signatures ?? {})) {
    signatures[signer] = { ...signatures[signer], ...more };
  }
  return { ...one, signatures };
}

/** Returns keys as they stand in frames. */
export function named(keys: Record<string, unknown>): NamedKey[] {
  return Object.entries(keys).map(([name, key]) => ({ name, key: JSON.stringify(key) }));
}

/** Returns the answer to a query for keys; of the devices, those that are listed. */
export function answerToQuery(
  accounts: readonly AccountKeys[],
  listed: (account: string, device: string) => boolean,
): string {
  return JSON.stringify({
    failures: {},
    device_keys: Object.fromEntries(
      accounts.map(({ account, devices }) => [
        account,
        Object.fromEntries(
          devices.filter(({ device }) => listed(account, device)).map(({ device, keys }) => [device, parse(keys)]),
        ),
      ]),
    ),
    master_keys: byAccount(accounts, "master"),
    self_signing_keys: byAccount(accounts, "self_signing"),
    user_signing_keys: byAccount(accounts, "user_signing"),
  });
}

/** Returns the devices of which the body of a claim wants keys. */
export function devicesToClaim(body: string): { account: string; device: string }[] {
  const { one_time_keys: wanted } = JSON.parse(body) as { one_time_keys: Record<string, Record<string, string>> };
  return Object.entries(wanted).flatMap(([account, ids]) => Object.keys(ids).map((device) => ({ account, device })));
}

/** Returns the answer to a claim. */
export function answerToClaim(claimed: readonly ClaimedKey[]): string {
  const answer: Record<string, Record<string, Record<string, unknown>>> = {};
  for (const { account, device, key } of claimed) {
    (answer[account] ??= {})[device] = { [key.name]: parse(key.key) };
  }
  return JSON.stringify({ one_time_keys: answer, failures: {} });
}

/** Returns the key shares in the body of encrypted messages to devices. */
export function sharesIn(body: string): Addressed[] {
  const { messages } = JSON.parse(body) as { messages: Record<string, Record<string, unknown>> };
  return Object.entries(messages).flatMap(([account, devices]) =>
    Object.entries(devices).map(([device, content]) => shareOf(account, device, content)),
  );
}

/** Returns the encrypted content of a message to a device as a key share. */
export function shareOf(account: string, device: string, content: unknown): Addressed {
  const { sender_key, ciphertext } = content as {
    sender_key: string;
    ciphertext: Record<string, { type: number; body: string }>;
  };
  const [[curve25519, message] = []] = Object.entries(ciphertext);
  if (curve25519 === undefined || !message) throw new CannotOpen("the library encrypted for nobody");
  const packed = packOlm({
    kind: message.type,
    senderKey: fromBase64(sender_key),
    message: fromBase64(message.body),
  });
  return { account, device, curve25519, ciphertext: packed };
}

/** Returns a session that its own device gave, as if it had been exported to a file. */
export function exportOf(answer: KeyAnswer, curve25519: string, ed25519: string): string {
  const session = {
    algorithm: MEGOLM,
    room_id: answer.conversation,
    sender_key: curve25519,
    session_id: answer.session,
    session_key: answer.key,
    sender_claimed_keys: { ed25519 },
    forwarding_curve25519_key_chain: [],
  };
  return JSON.stringify([session]);
}

/** Returns base64 as the specification writes it. */
export function withoutPadding(text: string): string {
  return text.replace(/=+$/, "");
}

/** Returns what an error of the library says. */
export function describe(error: unknown): string {
  if (error !== null && typeof error === "object" && "description" in error) return String(error.description);
  return error instanceof Error ? error.message : String(error);
}

function byAccount(accounts: readonly AccountKeys[], part: "master" | "self_signing" | "user_signing"): object {
  return Object.fromEntries(
    accounts.flatMap((keys) => (keys[part] === null ? [] : [[keys.account, parse(keys[part])]])),
  );
}

function parse(text: string): unknown {
  return JSON.parse(text);
}
