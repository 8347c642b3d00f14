// Generated from tidings.wire by `make wire`. Do not edit.
/** The plaintext inside the ciphertext. */

import { base64, dictionary, int, nullable, object, oneOf, str, union, type Shape } from "./shape";
import { type ConversationId, type Epoch, type Millis } from "./frames";


/** What ties a message to the one before from the same device in the same conversation. `count` is 1 for a device's first message there; `prev` is the SHA-256 of the previous ciphertext. A server that drops, repeats or reorders messages is found out by the next one. */
export interface Chain {
  readonly count: number;
  readonly prev: Uint8Array | null;
}
export const ChainShape: Shape<Chain> = /* @__PURE__ */ object(null, [
  ["count", int(1)],
  ["prev", nullable(base64(32, 32))],
]);

/** What a person wrote. */
export interface Text {
  readonly t: "text";
  readonly text: string;
}
export const TextShape: Shape<Text> = /* @__PURE__ */ object("kind", "text", [
  ["text", str(1, 65536)],
]);

/** Nothing but the sender's name, which stands in `Content.name`: sent when a conversation opens. */
export interface Profile {
  readonly t: "profile";
}
export const ProfileShape: Shape<Profile> = /* @__PURE__ */ object("kind", "profile", [
]);

/** Who is in a group from `epoch` on, by the word of the member who changed it; `digest` is by `members_digest`. `changed` has the roles of those who came or have another one, and null for those who went. It is empty where these are many: a thousand names need not be sent to a thousand members, who get them from the server. */
export interface Members {
  readonly t: "members";
  readonly epoch: Epoch;
  readonly digest: Uint8Array;
  readonly changed: Readonly<Record<string, "admin" | "member" | "owner" | null>>;
}
export const MembersShape: Shape<Members> = /* @__PURE__ */ object("kind", "members", [
  ["epoch", int(0)],
  ["digest", base64(32, 32)],
  ["changed", dictionary(nullable(oneOf("admin", "member", "owner")))],
]);

/** A message as its sender's device wrote it. `time` is the sender's clock; `name` if it may be new. */
export interface Content {
  readonly chain: Chain;
  readonly time: Millis;
  readonly body: Text | Profile | Members;
  readonly name: string | null;
}
export const ContentShape: Shape<Content> = /* @__PURE__ */ object(null, [
  ["chain", ChainShape],
  ["time", int(0)],
  ["body", union(TextShape, ProfileShape, MembersShape)],
  ["name", nullable(str(1, 64)), null],
]);

/** Ask the sending device for the key of a session, encrypted by Olm: an envelope could not be opened. */
export interface KeyRequest {
  readonly conversation: ConversationId;
  readonly session: string;
}
export const KeyRequestShape: Shape<KeyRequest> = /* @__PURE__ */ object(null, [
  ["conversation", str(40, 80)],
  ["session", str(undefined, 64)],
]);

/** The key of a session in Megolm's export format, encrypted by Olm for a device that was addressed. */
export interface KeyAnswer {
  readonly conversation: ConversationId;
  readonly session: string;
  readonly key: string;
}
export const KeyAnswerShape: Shape<KeyAnswer> = /* @__PURE__ */ object(null, [
  ["conversation", str(40, 80)],
  ["session", str(undefined, 64)],
  ["key", str(undefined, 1024)],
]);

/** The text of a signed device list: every device of an account and its Ed25519 key. */
export interface SignedDevices {
  readonly account: string;
  readonly devices: Readonly<Record<string, string>>;
  readonly master: string;
  readonly version: number;
}
export const SignedDevicesShape: Shape<SignedDevices> = /* @__PURE__ */ object(null, [
  ["account", str()],
  ["devices", dictionary(str())],
  ["master", str()],
  ["version", int(1)],
]);
