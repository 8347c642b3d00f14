/**
 * Who is who: identities as they were first met, device lists as their owners signed them.
 *
 * What the server says is checked here before the encryption library hears of it: a list that is older than a
 * known one, another of the same version, and a device that stands in no list are refused. An identity that was
 * replaced stops sending until a person accepts it.
 */

import type { AccountRow, DeviceRow } from "../store/schema";
import { SignedDevicesShape, type SignedDevices } from "../wire/content";
import type { AccountKeys } from "../wire/frames";
import { fromBase64, Malformed } from "../wire/shape";

/** What the server says of `account` was not signed by its owner, or is older than what is known. */
export class Distrusted extends Error {
  override readonly name: string = "Distrusted";
  constructor(
    readonly account: string,
    readonly reason: string,
  ) {
    super(`${account}: ${reason}`);
  }
}

/** The account has another identity than the one that was met first. */
export class IdentityChanged extends Distrusted {
  override readonly name = "IdentityChanged";
  constructor(account: string) {
    super(account, "the identity changed");
  }
}

/** Returns what is known of an account when the server has said `keys`. What is wrong becomes its problem. */
export async function learn(before: AccountRow | undefined, keys: AccountKeys, own: string): Promise<AccountRow> {
  try {
    const checked = await check(keys);
    compare(before, keys, checked, own);
    return {
      id: keys.account,
      handle: before?.handle ?? keys.name,
      name: before?.name ?? null,
      master: before?.master ?? checked.master,
      now: checked.master,
      version: keys.version,
      listVersion: checked.listed.version,
      listText: keys.device_list?.text ?? null,
      devices: checked.devices,
      former: { ...before?.former, ...before?.devices },
      problem: null,
    };
  } catch (error) {
    if (!(error instanceof Distrusted)) throw error;
    return doubted(before, keys, error.reason);
  }
}

/** Returns what is known of an account of which the server said something wrong: what was known before. */
export function doubted(before: AccountRow | undefined, keys: AccountKeys, problem: string): AccountRow {
  const nothing = { master: null, now: null, version: 0, listVersion: 0, listText: null, devices: {}, former: {} };
  return { ...(before ?? { id: keys.account, handle: keys.name, name: null, ...nothing }), problem };
}

/** Throws Distrusted or IdentityChanged if nothing may be sent to an account. */
export function checkTrust(account: string, known: AccountRow | undefined): asserts known is AccountRow {
  if (!known) throw new Distrusted(account, "the account is not known");
  if (known.problem !== null) throw new Distrusted(account, known.problem);
  if (known.master !== known.now) throw new IdentityChanged(account);
}

/**
 * Whether messages of a device are of the identity that was met first, or accepted since. Those of a device that
 * was removed are not: it may have been removed for being in wrong hands.
 */
export function isTrusted(known: AccountRow | undefined, device: string): boolean {
  return known !== undefined && known.master === known.now && device in known.devices;
}

interface Checked {
  readonly master: string;
  readonly listed: SignedDevices;
  readonly devices: Readonly<Record<string, DeviceRow>>;
}

async function check(keys: AccountKeys): Promise<Checked> {
  const fail = (reason: string): never => {
    throw new Distrusted(keys.account, reason);
  };
  if (keys.master === null || keys.device_list === null) return fail("the account has no identity");
  const master = publicKey(keys.master) ?? fail("not an identity");
  const { text, signature } = keys.device_list;
  if (!(await isSigned(master, text, signature))) return fail("the device list is not signed");
  const listed = readList(text) ?? fail("not a device list");
  if (listed.account !== keys.account || listed.master !== master || listed.version > keys.version) {
    return fail("the device list of another account or of the future");
  }
  const devices: Record<string, DeviceRow> = {};
  for (const entry of keys.devices) {
    if (!(entry.device in listed.devices)) return fail("the server shows a device that its owner did not sign");
    const device = readDevice(entry.keys, keys.account, entry.device);
    if (device && listed.devices[entry.device] === device.ed25519) devices[entry.device] = device;
  }
  const hidden = Object.keys(listed.devices).some((device) => !(device in devices));
  if (hidden && keys.version === listed.version) return fail("the server hides a device");
  return { master, listed, devices };
}

function compare(before: AccountRow | undefined, keys: AccountKeys, now: Checked, own: string): void {
  if (!before) return;
  const fail = (reason: string): never => {
    throw new Distrusted(keys.account, reason);
  };
  if (keys.account === own && before.master !== null && before.master !== now.master) {
    fail("the server shows another identity for this account");
  }
  if (now.listed.version < before.listVersion || keys.version < before.version) {
    fail("an old device list was shown again");
  }
  const sameVersion = now.listed.version === before.listVersion && before.listText !== null;
  if (sameVersion && before.listText !== keys.device_list?.text) {
    fail("two different device lists bear the same number");
  }
}

async function isSigned(key: string, text: string, signature: Uint8Array): Promise<boolean> {
  try {
    const verifier = await crypto.subtle.importKey("raw", buffer(fromBase64(key)), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", verifier, buffer(signature), buffer(new TextEncoder().encode(text)));
  } catch {
    return false;
  }
}

function readList(text: string): SignedDevices | null {
  try {
    return SignedDevicesShape.decode(JSON.parse(text));
  } catch (error) {
    if (error instanceof Malformed || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Returns the one key of a cross-signing object. */
function publicKey(text: string): string | null {
  const keys = readKeys(text);
  const key = Object.values(keys ?? {})[0];
  return key !== undefined && keys?.[`ed25519:${key}`] === key ? key : null;
}

/** Returns the keys of a device. The encryption library checks the signatures on them (`Machine.vouches`). */
function readDevice(text: string, account: string, device: string): DeviceRow | null {
  const keys = readKeys(text);
  const value = keys && (JSON.parse(text) as { user_id?: unknown; device_id?: unknown });
  const ed25519 = keys?.[`ed25519:${device}`];
  const curve25519 = keys?.[`curve25519:${device}`];
  if (value?.user_id !== account || value.device_id !== device || !ed25519 || !curve25519) return null;
  return { ed25519, curve25519 };
}

function readKeys(text: string): Record<string, string> | null {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return keys !== null && typeof keys === "object" ? (keys as Record<string, string>) : null;
  } catch {
    return null;
  }
}

function buffer(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data as Uint8Array<ArrayBuffer>;
}
