// Generated from tidings.wire by `make wire`. Do not edit.
/** Every frame and every error. */

import { bool, bytes, int, list, nullable, oneOf, record, str, tuple, union, type Shape } from "./shape";

export type AccountId = string & { readonly __brand?: "AccountId" };
export type ConversationId = string & { readonly __brand?: "ConversationId" };
export type DeviceId = string & { readonly __brand?: "DeviceId" };
export type Epoch = number & { readonly __brand?: "Epoch" };
export type Handle = string & { readonly __brand?: "Handle" };
export type MailboxId = Uint8Array & { readonly __brand?: "MailboxId" };
export type Millis = number & { readonly __brand?: "Millis" };
export type MsgId = Uint8Array & { readonly __brand?: "MsgId" };
export type Pos = number & { readonly __brand?: "Pos" };
export type RequestId = number & { readonly __brand?: "RequestId" };
export type Seq = number & { readonly __brand?: "Seq" };
export type ShareId = Uint8Array & { readonly __brand?: "ShareId" };
export type Version = number & { readonly __brand?: "Version" };

/** A member of a conversation and the version of its device list. */
export interface MemberVersion {
  readonly account: AccountId;
  readonly version: Version;
}
export const MemberVersionShape: Shape<MemberVersion> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["version", int(0)],
], true);

/** Members or devices changed. Query those whose version rose, share the key with who came, rotate it if someone left, then send again. */
export interface StaleEpoch {
  readonly t: "STALE_EPOCH";
  readonly epoch: Epoch;
  readonly devices: Version;
  readonly members: readonly MemberVersion[];
}
export const StaleEpochShape: Shape<StaleEpoch> = /* @__PURE__ */ record("STALE_EPOCH", [
  ["epoch", int(0)],
  ["devices", int(0)],
  ["members", list(MemberVersionShape)],
]);

/** `prev` is not this device's last accepted message here. Send again from the one after `last`. */
export interface OutOfOrder {
  readonly t: "OUT_OF_ORDER";
  readonly last: MsgId | null;
}
export const OutOfOrderShape: Shape<OutOfOrder> = /* @__PURE__ */ record("OUT_OF_ORDER", [
  ["last", nullable(bytes(16, 16))],
]);

/** Another message was accepted under this `msg_id`. Never send it again. */
export interface KeyReused {
  readonly t: "KEY_REUSED";
}
export const KeyReusedShape: Shape<KeyReused> = /* @__PURE__ */ record("KEY_REUSED", [
]);

/** The `msg_id` is older than the server remembers. Show the message as failed. */
export interface TooOld {
  readonly t: "TOO_OLD";
}
export const TooOldShape: Shape<TooOld> = /* @__PURE__ */ record("TOO_OLD", [
]);

/** Something is larger than allowed. Do not repeat. */
export interface TooLarge {
  readonly t: "TOO_LARGE";
  readonly limit: number;
}
export const TooLargeShape: Shape<TooLarge> = /* @__PURE__ */ record("TOO_LARGE", [
  ["limit", int()],
]);

/** Not yours, not there, blocked, declined or deleted: all answer alike. Do not repeat. */
export interface NotAllowed {
  readonly t: "NOT_ALLOWED";
}
export const NotAllowedShape: Shape<NotAllowed> = /* @__PURE__ */ record("NOT_ALLOWED", [
]);

/** All devices of the recipient are full. Repeat when the recipient has been back. */
export interface MailboxFull {
  readonly t: "MAILBOX_FULL";
}
export const MailboxFullShape: Shape<MailboxFull> = /* @__PURE__ */ record("MAILBOX_FULL", [
]);

/** Too many. Repeat after `retry_after` milliseconds. */
export interface RateLimited {
  readonly t: "RATE_LIMITED";
  readonly retry_after: number;
}
export const RateLimitedShape: Shape<RateLimited> = /* @__PURE__ */ record("RATE_LIMITED", [
  ["retry_after", int(0)],
]);

/** The server cannot do it now and did nothing. Repeat after `retry_after` milliseconds. */
export interface Unavailable {
  readonly t: "UNAVAILABLE";
  readonly retry_after: number;
}
export const UnavailableShape: Shape<Unavailable> = /* @__PURE__ */ record("UNAVAILABLE", [
  ["retry_after", int(0)],
]);

/** The server cannot tell whether it was done. Repeat the same bytes: it is done once. */
export interface UnknownOutcome {
  readonly t: "UNKNOWN_OUTCOME";
}
export const UnknownOutcomeShape: Shape<UnknownOutcome> = /* @__PURE__ */ record("UNKNOWN_OUTCOME", [
]);

/** The frame is not valid. Do not repeat it. */
export interface BadFrame {
  readonly t: "BAD_FRAME";
  readonly reason: string;
}
export const BadFrameShape: Shape<BadFrame> = /* @__PURE__ */ record("BAD_FRAME", [
  ["reason", str(undefined, 200)],
]);

/** This server does not know the command. Do not repeat it. */
export interface Unsupported {
  readonly t: "UNSUPPORTED";
}
export const UnsupportedShape: Shape<Unsupported> = /* @__PURE__ */ record("UNSUPPORTED", [
]);

export type WireError = StaleEpoch | OutOfOrder | KeyReused | TooOld | TooLarge | NotAllowed | MailboxFull | RateLimited | Unavailable | UnknownOutcome | BadFrame | Unsupported;
export const WireErrorShape: Shape<WireError> = /* @__PURE__ */ union(StaleEpochShape, OutOfOrderShape, KeyReusedShape, TooOldShape, TooLargeShape, NotAllowedShape, MailboxFullShape, RateLimitedShape, UnavailableShape, UnknownOutcomeShape, BadFrameShape, UnsupportedShape);

/** Sign in. The device's Ed25519 key signs the challenge (see "Connection"). Answer: `Ready`. */
export interface Hello {
  readonly t: "hello";
  readonly id: RequestId;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly mailbox_id: MailboxId;
  readonly last_pos: Pos;
  readonly marks_since: Millis;
  readonly signature: Uint8Array;
}
export const HelloShape: Shape<Hello> = /* @__PURE__ */ record("hello", [
  ["id", int(0)],
  ["account", str(40, 80)],
  ["device", str(8, 24)],
  ["mailbox_id", bytes(undefined, 16)],
  ["last_pos", int(0)],
  ["marks_since", int(0)],
  ["signature", bytes(64, 64)],
]);

/** A Megolm session's key, encrypted by Olm for one device. */
export interface Share {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly ciphertext: Uint8Array;
}
export const ShareShape: Shape<Share> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["device", str(8, 24)],
  ["ciphertext", bytes(1, 16384)],
], true);

/** Send an envelope to every device of a conversation. Answer: `Sent`, the one tick. */
export interface Send {
  readonly t: "send";
  readonly id: RequestId;
  readonly msg_id: MsgId;
  readonly conversation: ConversationId;
  readonly epoch: Epoch;
  readonly devices: Version;
  readonly prev: MsgId | null;
  readonly ciphertext: Uint8Array;
  readonly shares: readonly Share[];
}
export const SendShape: Shape<Send> = /* @__PURE__ */ record("send", [
  ["id", int(0)],
  ["msg_id", bytes(16, 16)],
  ["conversation", str(40, 80)],
  ["epoch", int(0)],
  ["devices", int(0)],
  ["prev", nullable(bytes(16, 16))],
  ["ciphertext", bytes(1, 262144)],
  ["shares", list(ShareShape, undefined, 20), []],
]);

/** Put key shares into mailboxes; repeatable under the same `share_id`. Answer: `Done`. */
export interface ShareKeys {
  readonly t: "share_keys";
  readonly id: RequestId;
  readonly share_id: ShareId;
  readonly conversation: ConversationId;
  readonly shares: readonly Share[];
}
export const ShareKeysShape: Shape<ShareKeys> = /* @__PURE__ */ record("share_keys", [
  ["id", int(0)],
  ["share_id", bytes(16, 16)],
  ["conversation", str(40, 80)],
  ["shares", list(ShareShape, 1, 200)],
]);

/** Everything up to `pos` is stored on the device; the server deletes it. What stands in `failed` could not be decrypted and does not count as delivered; when its key has come, the device names it in `recovered`. */
export interface Ack {
  readonly t: "ack";
  readonly pos: Pos;
  readonly failed: readonly Pos[];
  readonly recovered: readonly Pos[];
}
export const AckShape: Shape<Ack> = /* @__PURE__ */ record("ack", [
  ["pos", int(0)],
  ["failed", list(int(0), undefined, 1000), []],
  ["recovered", list(int(0), undefined, 1000), []],
]);

/** The person has read everything up to `seq`. */
export interface MarkRead {
  readonly t: "mark_read";
  readonly conversation: ConversationId;
  readonly seq: Seq;
}
export const MarkReadShape: Shape<MarkRead> = /* @__PURE__ */ record("mark_read", [
  ["conversation", str(40, 80)],
  ["seq", int(0)],
]);

/** Let an account have a role in a group, and be a member by that; or, without one, be no member any more. */
export interface Operation {
  readonly account: AccountId;
  readonly role: "admin" | "member" | "owner" | null;
}
export const OperationShape: Shape<Operation> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["role", nullable(oneOf("admin", "member", "owner"))],
], true);

/** Change who is in a group, with the envelope that tells the members so. Answer: `Sent`. `epoch` is the one before the change; 0 makes a group of oneself, under a name that the device chose. `devices` is the sum of the versions of all who are members before or after it: the envelope goes to them. */
export interface ChangeMembers {
  readonly t: "change_members";
  readonly id: RequestId;
  readonly change_id: MsgId;
  readonly conversation: ConversationId;
  readonly epoch: Epoch;
  readonly devices: Version;
  readonly prev: MsgId | null;
  readonly operations: readonly Operation[];
  readonly ciphertext: Uint8Array;
}
export const ChangeMembersShape: Shape<ChangeMembers> = /* @__PURE__ */ record("change_members", [
  ["id", int(0)],
  ["change_id", bytes(16, 16)],
  ["conversation", str(40, 80)],
  ["epoch", int(0)],
  ["devices", int(0)],
  ["prev", nullable(bytes(16, 16))],
  ["operations", list(OperationShape, 1, 1000)],
  ["ciphertext", bytes(1, 262144)],
]);

/** The person types, or has stopped. */
export interface SetTyping {
  readonly t: "set_typing";
  readonly conversation: ConversationId;
  readonly active: boolean;
}
export const SetTypingShape: Shape<SetTyping> = /* @__PURE__ */ record("set_typing", [
  ["conversation", str(40, 80)],
  ["active", bool],
]);

/** The person looks at Tidings on this device, or has turned away. */
export interface SetPresence {
  readonly t: "set_presence";
  readonly online: boolean;
}
export const SetPresenceShape: Shape<SetPresence> = /* @__PURE__ */ record("set_presence", [
  ["online", bool],
]);

/** Send `Presence` events of these accounts, as far as they allow it; replaces the list before. */
export interface Watch {
  readonly t: "watch";
  readonly accounts: readonly AccountId[];
}
export const WatchShape: Shape<Watch> = /* @__PURE__ */ record("watch", [
  ["accounts", list(str(40, 80), undefined, 100)],
]);

/** Ask for the identities and devices of accounts. Answer: `Keys`. */
export interface QueryKeys {
  readonly t: "query_keys";
  readonly id: RequestId;
  readonly accounts: readonly AccountId[];
}
export const QueryKeysShape: Shape<QueryKeys> = /* @__PURE__ */ record("query_keys", [
  ["id", int(0)],
  ["accounts", list(str(40, 80), 1, 100)],
]);

/** One device of one account. */
export interface Address {
  readonly account: AccountId;
  readonly device: DeviceId;
}
export const AddressShape: Shape<Address> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["device", str(8, 24)],
], true);

/** Take a one-time key of each device. Answer: `Claimed`, without those that have none. */
export interface ClaimKeys {
  readonly t: "claim_keys";
  readonly id: RequestId;
  readonly devices: readonly Address[];
}
export const ClaimKeysShape: Shape<ClaimKeys> = /* @__PURE__ */ record("claim_keys", [
  ["id", int(0)],
  ["devices", list(AddressShape, 1, 200)],
]);

/** A one-time or fallback key and its name, such as `signed_curve25519:AAAAAQ`. */
export interface NamedKey {
  readonly name: string;
  readonly key: string;
}
export const NamedKeyShape: Shape<NamedKey> = /* @__PURE__ */ record(null, [
  ["name", str(1, 80)],
  ["key", str(2, 8192)],
], true);

/** Store one-time and fallback keys of this device; `replace` drops those before. Answer: `KeyCount`. */
export interface UploadKeys {
  readonly t: "upload_keys";
  readonly id: RequestId;
  readonly one_time: readonly NamedKey[];
  readonly fallback: NamedKey | null;
  readonly replace: boolean;
}
export const UploadKeysShape: Shape<UploadKeys> = /* @__PURE__ */ record("upload_keys", [
  ["id", int(0)],
  ["one_time", list(NamedKeyShape, undefined, 100)],
  ["fallback", nullable(NamedKeyShape)],
  ["replace", bool],
]);

/** A key object with new signatures on it: a device's (`key` is its id) or a master key (`key` is the key). */
export interface SignedObject {
  readonly account: AccountId;
  readonly key: string;
  readonly object: string;
}
export const SignedObjectShape: Shape<SignedObject> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["key", str(1, 80)],
  ["object", str(2, 8192)],
], true);

/** Add signatures by one's own keys to key objects. Answer: `Done`. */
export interface UploadSignatures {
  readonly t: "upload_signatures";
  readonly id: RequestId;
  readonly objects: readonly SignedObject[];
}
export const UploadSignaturesShape: Shape<UploadSignatures> = /* @__PURE__ */ record("upload_signatures", [
  ["id", int(0)],
  ["objects", list(SignedObjectShape, 1, 100)],
]);

/** Open, or find, the direct conversation with an account. Answer: `Conversations` with one. */
export interface OpenDirect {
  readonly t: "open_direct";
  readonly id: RequestId;
  readonly account: AccountId;
}
export const OpenDirectShape: Shape<OpenDirect> = /* @__PURE__ */ record("open_direct", [
  ["id", int(0)],
  ["account", str(40, 80)],
]);

/** Answer a stranger, block or unblock. Answer: `Conversations` with one. */
export interface Respond {
  readonly t: "respond";
  readonly id: RequestId;
  readonly conversation: ConversationId;
  readonly answer: "accept" | "block" | "decline" | "unblock";
}
export const RespondShape: Shape<Respond> = /* @__PURE__ */ record("respond", [
  ["id", int(0)],
  ["conversation", str(40, 80)],
  ["answer", oneOf("accept", "block", "decline", "unblock")],
]);

/** Ask for conversations: those named, or a page of all, behind `after`. Answer: `Conversations`. Those that are named come in the order in which they are named; with `more`, ask for those behind the last. */
export interface ListConversations {
  readonly t: "list_conversations";
  readonly id: RequestId;
  readonly conversations: readonly ConversationId[];
  readonly after: ConversationId | null;
}
export const ListConversationsShape: Shape<ListConversations> = /* @__PURE__ */ record("list_conversations", [
  ["id", int(0)],
  ["conversations", list(str(40, 80), undefined, 200)],
  ["after", nullable(str(40, 80))],
]);

export type Command = Hello | Send | ShareKeys | Ack | MarkRead | ChangeMembers | SetTyping | SetPresence | Watch | QueryKeys | ClaimKeys | UploadKeys | UploadSignatures | OpenDirect | Respond | ListConversations;
export const CommandShape: Shape<Command> = /* @__PURE__ */ union(HelloShape, SendShape, ShareKeysShape, AckShape, MarkReadShape, ChangeMembersShape, SetTypingShape, SetPresenceShape, WatchShape, QueryKeysShape, ClaimKeysShape, UploadKeysShape, UploadSignaturesShape, OpenDirectShape, RespondShape, ListConversationsShape);

/** What this server allows. */
export interface Limits {
  readonly ciphertext: number;
  readonly retention: number;
  readonly stranger_messages: number;
}
export const LimitsShape: Shape<Limits> = /* @__PURE__ */ record(null, [
  ["ciphertext", int()],
  ["retention", int()],
  ["stranger_messages", int()],
], true);

/** The device is signed in. `pos` is the highest position that it has ever acknowledged. A device whose own `last_pos` is lower was restored from an old copy: it drops its outbound sessions. */
export interface Ready {
  readonly t: "ready";
  readonly id: RequestId;
  readonly mailbox_id: MailboxId;
  readonly pos: Pos;
  readonly limits: Limits;
  readonly time: Millis;
}
export const ReadyShape: Shape<Ready> = /* @__PURE__ */ record("ready", [
  ["id", int(0)],
  ["mailbox_id", bytes(undefined, 16)],
  ["pos", int(0)],
  ["limits", LimitsShape],
  ["time", int(0)],
]);

/** It is done, and durable. */
export interface Done {
  readonly t: "done";
  readonly id: RequestId;
}
export const DoneShape: Shape<Done> = /* @__PURE__ */ record("done", [
  ["id", int(0)],
]);

/** The message is stored for every addressed device: one tick. */
export interface Sent {
  readonly t: "sent";
  readonly id: RequestId;
  readonly seq: Seq;
  readonly time: Millis;
}
export const SentShape: Shape<Sent> = /* @__PURE__ */ record("sent", [
  ["id", int(0)],
  ["seq", int(0)],
  ["time", int(0)],
]);

/** A device list: the JSON text `{"account", "devices": {id: ed25519}, "master", "version"}` and its signature. The account's master key signs the bytes of `text` as they stand. A device that knows a list never accepts one with a lower version, nor another text of the same version (rollback and fork). */
export interface SignedList {
  readonly text: string;
  readonly signature: Uint8Array;
}
export const SignedListShape: Shape<SignedList> = /* @__PURE__ */ record(null, [
  ["text", str(2, 8192)],
  ["signature", bytes(64, 64)],
], true);

/** The signed keys of one device. */
export interface DeviceKeys {
  readonly device: DeviceId;
  readonly keys: string;
}
export const DeviceKeysShape: Shape<DeviceKeys> = /* @__PURE__ */ record(null, [
  ["device", str(8, 24)],
  ["keys", str(2, 8192)],
], true);

/** What the key directory holds of one account; `user_signing` only for oneself. `version` counts every change of the devices; the next signed list bears the number behind it. It is above that of `device_list` where the server removed a device for which nobody could sign. */
export interface AccountKeys {
  readonly account: AccountId;
  readonly name: Handle;
  readonly version: Version;
  readonly master: string | null;
  readonly self_signing: string | null;
  readonly user_signing: string | null;
  readonly device_list: SignedList | null;
  readonly devices: readonly DeviceKeys[];
}
export const AccountKeysShape: Shape<AccountKeys> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["name", str(3, 32)],
  ["version", int(0)],
  ["master", nullable(str(2, 8192))],
  ["self_signing", nullable(str(2, 8192))],
  ["user_signing", nullable(str(2, 8192))],
  ["device_list", nullable(SignedListShape)],
  ["devices", list(DeviceKeysShape)],
], true);

/** What the key directory holds. Accounts that are not there are left out. */
export interface Keys {
  readonly t: "keys";
  readonly id: RequestId;
  readonly accounts: readonly AccountKeys[];
}
export const KeysShape: Shape<Keys> = /* @__PURE__ */ record("keys", [
  ["id", int(0)],
  ["accounts", list(AccountKeysShape)],
]);

/** A one-time (or fallback) key that nobody else was given. */
export interface ClaimedKey {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly key: NamedKey;
}
export const ClaimedKeyShape: Shape<ClaimedKey> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["device", str(8, 24)],
  ["key", NamedKeyShape],
], true);

/** One key for each device that had one. */
export interface Claimed {
  readonly t: "claimed";
  readonly id: RequestId;
  readonly keys: readonly ClaimedKey[];
}
export const ClaimedShape: Shape<Claimed> = /* @__PURE__ */ record("claimed", [
  ["id", int(0)],
  ["keys", list(ClaimedKeyShape)],
]);

/** How many one-time keys of this device are left, and whether its fallback key is unused. */
export interface KeyCount {
  readonly t: "key_count";
  readonly id: RequestId;
  readonly one_time: number;
  readonly fallback: boolean;
}
export const KeyCountShape: Shape<KeyCount> = /* @__PURE__ */ record("key_count", [
  ["id", int(0)],
  ["one_time", int()],
  ["fallback", bool],
]);

/** A member of a conversation. Messages up to `since` were sent before it came. */
export interface Member {
  readonly account: AccountId;
  readonly version: Version;
  readonly since: Seq;
  readonly role: "admin" | "member" | "owner";
}
export const MemberShape: Shape<Member> = /* @__PURE__ */ record(null, [
  ["account", str(40, 80)],
  ["version", int(0)],
  ["since", int(0)],
  ["role", oneOf("admin", "member", "owner")],
], true);

/** A conversation as one of its members sees it. `devices` is the sum of the members' versions. */
export interface Conversation {
  readonly conversation: ConversationId;
  readonly kind: "direct" | "group";
  readonly standing: "asked" | "blocked" | "declined" | "open" | "waiting";
  readonly epoch: Epoch;
  readonly devices: Version;
  readonly seq: Seq;
  readonly members: readonly Member[];
}
export const ConversationShape: Shape<Conversation> = /* @__PURE__ */ record(null, [
  ["conversation", str(40, 80)],
  ["kind", oneOf("direct", "group")],
  ["standing", oneOf("asked", "blocked", "declined", "open", "waiting")],
  ["epoch", int(0)],
  ["devices", int(0)],
  ["seq", int(0)],
  ["members", list(MemberShape)],
], true);

/** Conversations of this account; `more` if there are further ones behind the last. */
export interface Conversations {
  readonly t: "conversations";
  readonly id: RequestId;
  readonly conversations: readonly Conversation[];
  readonly more: boolean;
}
export const ConversationsShape: Shape<Conversations> = /* @__PURE__ */ record("conversations", [
  ["id", int(0)],
  ["conversations", list(ConversationShape)],
  ["more", bool],
]);

/** The command was refused, and nothing was done (but see `UNKNOWN_OUTCOME`). No id: it was unreadable. */
export interface Refused {
  readonly t: "refused";
  readonly id: RequestId | null;
  readonly error: WireError;
}
export const RefusedShape: Shape<Refused> = /* @__PURE__ */ record("refused", [
  ["id", nullable(int(0))],
  ["error", WireErrorShape],
]);

/** The first frame of every connection: sign `nonce` in `Hello`. */
export interface Challenge {
  readonly t: "challenge";
  readonly nonce: Uint8Array;
  readonly server_id: string;
}
export const ChallengeShape: Shape<Challenge> = /* @__PURE__ */ record("challenge", [
  ["nonce", bytes(32, 32)],
  ["server_id", str()],
]);

/** An envelope in this device's mailbox. */
export interface Message {
  readonly t: "message";
  readonly pos: Pos;
  readonly seq: Seq;
  readonly conversation: ConversationId;
  readonly sender: AccountId;
  readonly device: DeviceId;
  readonly msg_id: MsgId;
  readonly time: Millis;
  readonly ciphertext: Uint8Array;
}
export const MessageShape: Shape<Message> = /* @__PURE__ */ record("message", [
  ["pos", int(0)],
  ["seq", int(0)],
  ["conversation", str(40, 80)],
  ["sender", str(40, 80)],
  ["device", str(8, 24)],
  ["msg_id", bytes(16, 16)],
  ["time", int(0)],
  ["ciphertext", bytes(1, 262144)],
]);

/** A key share in this device's mailbox. */
export interface KeyShare {
  readonly t: "key_share";
  readonly pos: Pos;
  readonly sender: AccountId;
  readonly device: DeviceId;
  readonly ciphertext: Uint8Array;
}
export const KeyShareShape: Shape<KeyShare> = /* @__PURE__ */ record("key_share", [
  ["pos", int(0)],
  ["sender", str(40, 80)],
  ["device", str(8, 24)],
  ["ciphertext", bytes(1, 16384)],
]);

/** The mailbox was full: messages of this conversation from `first_seq` on are missing here. */
export interface Gap {
  readonly t: "gap";
  readonly pos: Pos;
  readonly conversation: ConversationId;
  readonly first_seq: Seq;
}
export const GapShape: Shape<Gap> = /* @__PURE__ */ record("gap", [
  ["pos", int(0)],
  ["conversation", str(40, 80)],
  ["first_seq", int(0)],
]);

/** Everything that waited has been sent; from here on it is live. */
export interface CaughtUp {
  readonly t: "caught_up";
  readonly pos: Pos;
}
export const CaughtUpShape: Shape<CaughtUp> = /* @__PURE__ */ record("caught_up", [
  ["pos", int(0)],
]);

/** How far an account got in a conversation. Numbers only rise. Messages of others with `since < seq <= delivered` are delivered, except those in `expired` (pairs of first and last), which no device of the account ever got. Pass the highest `time` in `Hello`. */
export interface Marks {
  readonly t: "marks";
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly since: Seq;
  readonly delivered: Seq;
  readonly read: Seq;
  readonly expired: readonly (readonly [Seq, Seq])[];
  readonly time: Millis;
}
export const MarksShape: Shape<Marks> = /* @__PURE__ */ record("marks", [
  ["conversation", str(40, 80)],
  ["account", str(40, 80)],
  ["since", int(0)],
  ["delivered", int(0)],
  ["read", int(0)],
  ["expired", list(tuple(int(0), int(0)))],
  ["time", int(0)],
]);

/** The device list of someone with whom a conversation is shared changed: query it before the next send. */
export interface DeviceList {
  readonly t: "device_list";
  readonly account: AccountId;
  readonly version: Version;
}
export const DeviceListShape: Shape<DeviceList> = /* @__PURE__ */ record("device_list", [
  ["account", str(40, 80)],
  ["version", int(0)],
]);

/** A conversation is new, or its members or its standing changed. */
export interface ConversationChanged {
  readonly t: "conversation_changed";
  readonly conversation: Conversation;
}
export const ConversationChangedShape: Shape<ConversationChanged> = /* @__PURE__ */ record("conversation_changed", [
  ["conversation", ConversationShape],
]);

/** Members of a group came or have another role (`members`), or went (`gone`), which may be oneself. */
export interface MembersChanged {
  readonly t: "members_changed";
  readonly conversation: ConversationId;
  readonly epoch: Epoch;
  readonly devices: Version;
  readonly members: readonly Member[];
  readonly gone: readonly AccountId[];
}
export const MembersChangedShape: Shape<MembersChanged> = /* @__PURE__ */ record("members_changed", [
  ["conversation", str(40, 80)],
  ["epoch", int(0)],
  ["devices", int(0)],
  ["members", list(MemberShape)],
  ["gone", list(str(40, 80))],
]);

/** Few one-time keys of this device are left: upload more. */
export interface KeysLow {
  readonly t: "keys_low";
  readonly count: number;
}
export const KeysLowShape: Shape<KeysLow> = /* @__PURE__ */ record("keys_low", [
  ["count", int()],
]);

/** Someone types, or has stopped. Never stored. */
export interface Typing {
  readonly t: "typing";
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly active: boolean;
}
export const TypingShape: Shape<Typing> = /* @__PURE__ */ record("typing", [
  ["conversation", str(40, 80)],
  ["account", str(40, 80)],
  ["active", bool],
]);

/** Whether a watched account is online, and else when it was last (0: not told). */
export interface Presence {
  readonly t: "presence";
  readonly account: AccountId;
  readonly online: boolean;
  readonly last_seen: Millis;
}
export const PresenceShape: Shape<Presence> = /* @__PURE__ */ record("presence", [
  ["account", str(40, 80)],
  ["online", bool],
  ["last_seen", int(0)],
]);

/** The server is going down: come back after `after` plus a random part of `jitter` milliseconds. */
export interface Reconnect {
  readonly t: "reconnect";
  readonly after: number;
  readonly jitter: number;
}
export const ReconnectShape: Shape<Reconnect> = /* @__PURE__ */ record("reconnect", [
  ["after", int()],
  ["jitter", int()],
]);

export type ServerFrame = Ready | Done | Sent | Keys | Claimed | KeyCount | Conversations | Refused | Challenge | Message | KeyShare | Gap | CaughtUp | Marks | DeviceList | ConversationChanged | MembersChanged | KeysLow | Typing | Presence | Reconnect;
export const ServerFrameShape: Shape<ServerFrame> = /* @__PURE__ */ union(ReadyShape, DoneShape, SentShape, KeysShape, ClaimedShape, KeyCountShape, ConversationsShape, RefusedShape, ChallengeShape, MessageShape, KeyShareShape, GapShape, CaughtUpShape, MarksShape, DeviceListShape, ConversationChangedShape, MembersChangedShape, KeysLowShape, TypingShape, PresenceShape, ReconnectShape);
