// Generated from tidings.wire by `make wire`. Do not edit.
/** The bodies of HTTP requests and answers. */

import { base64, bool, int, list, nullable, object, oneOf, record, str, type Shape } from "./shape";
import { type AccountId, type DeviceId, type Handle, type Millis, type Version } from "./frames";


/** How long an invite is good, and for how many people. */
export interface NewInvite {
  readonly days: number;
  readonly uses: number;
}
export const NewInviteShape: Shape<NewInvite> = /* @__PURE__ */ object(null, [
  ["days", int(1, 30), 7],
  ["uses", int(1, 100), 1],
]);

/** An invite. Its link is the server's address and `/#/join/<code>`: a fragment, so that no log holds it. */
export interface Invite {
  readonly code: string;
  readonly expires: Millis;
  readonly uses: number;
}
export const InviteShape: Shape<Invite> = /* @__PURE__ */ object(null, [
  ["code", str(1, 64, /^[A-Za-z0-9_-]+$/)],
  ["expires", int(0)],
  ["uses", int()],
]);

/** Who invites (nobody: the server itself), and until when. */
export interface InviteInfo {
  readonly inviter: Handle | null;
  readonly expires: Millis;
  readonly admin: boolean;
}
export const InviteInfoShape: Shape<InviteInfo> = /* @__PURE__ */ object(null, [
  ["inviter", nullable(str(3, 32))],
  ["expires", int(0)],
  ["admin", bool],
]);

/** Register by invite. */
export interface NewAccount {
  readonly invite: string;
  readonly name: string;
  readonly password: string;
}
export const NewAccountShape: Shape<NewAccount> = /* @__PURE__ */ object(null, [
  ["invite", str(1, 64, /^[A-Za-z0-9_-]+$/)],
  ["name", str(3, 32, /^[A-Za-z0-9._-]+$/)],
  ["password", str(8, 256)],
]);

/** Sign in on a device that has no keys yet. */
export interface SignIn {
  readonly name: string;
  readonly password: string;
}
export const SignInShape: Shape<SignIn> = /* @__PURE__ */ object(null, [
  ["name", str(undefined, 64)],
  ["password", str(undefined, 256)],
]);

/** Leave to enrol one device within 15 minutes. `devices` counts those that the account has now; `version` is that of their list: the new one bears the next. */
export interface Enrolment {
  readonly account: AccountId;
  readonly name: Handle;
  readonly server_id: string;
  readonly enrolment: string;
  readonly devices: number;
  readonly version: Version;
}
export const EnrolmentShape: Shape<Enrolment> = /* @__PURE__ */ object(null, [
  ["account", str(40, 80)],
  ["name", str(3, 32)],
  ["server_id", str()],
  ["enrolment", str()],
  ["devices", int()],
  ["version", int(0)],
]);

/** A new cross-signing identity, in the Matrix specification's shape. */
export interface Identity {
  readonly master: string;
  readonly self_signing: string;
  readonly user_signing: string;
}
export const IdentityShape: Shape<Identity> = /* @__PURE__ */ object(null, [
  ["master", str(2, 8192)],
  ["self_signing", str(2, 8192)],
  ["user_signing", str(2, 8192)],
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

/** A device list: the JSON text `{"account", "devices": {id: ed25519}, "master", "version"}` and its signature. The account's master key signs the bytes of `text` as they stand. A device that knows a list never accepts one with a lower version, nor another text of the same version (rollback and fork). */
export interface SignedList {
  readonly text: string;
  readonly signature: Uint8Array;
}
export const SignedListShape: Shape<SignedList> = /* @__PURE__ */ record(null, [
  ["text", str(2, 8192)],
  ["signature", base64(64, 64)],
], true);

/** A device with its keys, signed by the identity's self-signing key, and the device list that names it. `identity` is given by an account's first device, or to start again: all other devices are then removed and contacts are warned. `cookie` asks for a browser's sign-in. */
export interface NewDevice {
  readonly device: DeviceId;
  readonly label: string;
  readonly keys: string;
  readonly one_time: readonly NamedKey[];
  readonly fallback: NamedKey;
  readonly device_list: SignedList;
  readonly identity: Identity | null;
  readonly cookie: boolean;
}
export const NewDeviceShape: Shape<NewDevice> = /* @__PURE__ */ object(null, [
  ["device", str(8, 24)],
  ["label", str(undefined, 64)],
  ["keys", str(2, 8192)],
  ["one_time", list(NamedKeyShape, undefined, 100)],
  ["fallback", NamedKeyShape],
  ["device_list", SignedListShape],
  ["identity", nullable(IdentityShape), null],
  ["cookie", bool, false],
]);

/** A browser's sign-in is renewed by its device's key, which signs (label, server, account, device, time, nonce). */
export interface Renewal {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly time: Millis;
  readonly nonce: Uint8Array;
  readonly signature: Uint8Array;
}
export const RenewalShape: Shape<Renewal> = /* @__PURE__ */ object(null, [
  ["account", str(40, 80)],
  ["device", str(8, 24)],
  ["time", int(0)],
  ["nonce", base64(16, 16)],
  ["signature", base64(64, 64)],
]);

/** A device of one's own. */
export interface Device {
  readonly device: DeviceId;
  readonly label: string;
  readonly created: Millis;
  readonly seen: Millis;
  readonly current: boolean;
}
export const DeviceShape: Shape<Device> = /* @__PURE__ */ object(null, [
  ["device", str(8, 24)],
  ["label", str(undefined, 64)],
  ["created", int(0)],
  ["seen", int(0)],
  ["current", bool],
]);

/** All devices of one's own. */
export interface Devices {
  readonly devices: readonly Device[];
}
export const DevicesShape: Shape<Devices> = /* @__PURE__ */ object(null, [
  ["devices", list(DeviceShape)],
]);

/** The signed device list without the device that is to go; none if the identity's keys are not at hand. */
export interface Removal {
  readonly device_list: SignedList | null;
}
export const RemovalShape: Shape<Removal> = /* @__PURE__ */ object(null, [
  ["device_list", nullable(SignedListShape), null],
]);

/** An account that was found by its exact name. */
export interface AccountInfo {
  readonly account: AccountId;
  readonly name: Handle;
}
export const AccountInfoShape: Shape<AccountInfo> = /* @__PURE__ */ object(null, [
  ["account", str(40, 80)],
  ["name", str(3, 32)],
]);

/** Who sees when one is online, and when one was. */
export interface Privacy {
  readonly last_seen: "contacts" | "everyone" | "nobody";
}
export const PrivacyShape: Shape<Privacy> = /* @__PURE__ */ object(null, [
  ["last_seen", oneOf("contacts", "everyone", "nobody"), "contacts"],
]);

/** An account as its server's admin sees it. */
export interface Account {
  readonly account: AccountId;
  readonly name: Handle;
  readonly admin: boolean;
  readonly created: Millis;
  readonly devices: number;
}
export const AccountShape: Shape<Account> = /* @__PURE__ */ object(null, [
  ["account", str(40, 80)],
  ["name", str(3, 32)],
  ["admin", bool],
  ["created", int(0)],
  ["devices", int()],
]);

/** A page of accounts in the order of their names; `more` if others follow. */
export interface Accounts {
  readonly accounts: readonly Account[];
  readonly more: boolean;
}
export const AccountsShape: Shape<Accounts> = /* @__PURE__ */ object(null, [
  ["accounts", list(AccountShape)],
  ["more", bool],
]);

/** Why a request was refused; `code` is one of the protocol's error codes or of those listed for the route. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly retry_after: number | null;
  readonly time: Millis | null;
}
export const ProblemShape: Shape<Problem> = /* @__PURE__ */ object(null, [
  ["code", str()],
  ["detail", str()],
  ["retry_after", nullable(int()), null],
  ["time", nullable(int(0)), null],
]);
