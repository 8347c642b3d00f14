import { beforeAll, describe, expect, test } from "vitest";
import type { AccountRow } from "../store/schema";
import type { AccountKeys } from "../wire/frames";
import { toBase64 } from "../wire/shape";
import { checkTrust, Distrusted, IdentityChanged, isTrusted, learn } from "./directory";

const ME = "@00000000-0000-0000-0000-000000000001:there";
const BOB = "@00000000-0000-0000-0000-000000000002:there";

/** An account whose owner signs lists of devices. */
class Account {
  private constructor(
    readonly id: string,
    private readonly key: CryptoKey,
    readonly master: string,
  ) {}

  static async make(id: string): Promise<Account> {
    const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return new Account(id, pair.privateKey, toBase64(raw).replace(/=+$/, ""));
  }

  async list(version: number, devices: readonly string[]): Promise<NonNullable<AccountKeys["device_list"]>> {
    const listed = Object.fromEntries(devices.map((device) => [device, `ed ${device}`]));
    const text = JSON.stringify({ account: this.id, devices: listed, master: this.master, version });
    const signature = await crypto.subtle.sign("Ed25519", this.key, new TextEncoder().encode(text));
    return { text, signature: new Uint8Array(signature) };
  }

  /** What an honest server says when the account has these devices. */
  async keys(version: number, devices: readonly string[]): Promise<AccountKeys> {
    return {
      account: this.id,
      name: "bob",
      version,
      master: JSON.stringify({ keys: { [`ed25519:${this.master}`]: this.master } }),
      self_signing: "{}",
      user_signing: null,
      device_list: await this.list(version, devices),
      devices: devices.map((device) => ({ device, keys: deviceKeys(this.id, device) })),
    };
  }
}

function deviceKeys(account: string, device: string, ed25519 = `ed ${device}`): string {
  const keys = { [`ed25519:${device}`]: ed25519, [`curve25519:${device}`]: `curve ${device}` };
  return JSON.stringify({ user_id: account, device_id: device, keys });
}

function check(row: AccountRow | undefined): void {
  checkTrust(BOB, row);
}

describe("what the server says of an account", () => {
  let bob: Account;
  let known: AccountRow;

  beforeAll(async () => {
    bob = await Account.make(BOB);
    known = await learn(undefined, await bob.keys(2, ["PHONE", "LAPTOP"]), ME);
  });

  test("is believed when its owner signed it", async () => {
    check(known);
    expect(Object.keys(known.devices)).toEqual(["PHONE", "LAPTOP"]);
    const later = await learn(known, await bob.keys(3, ["PHONE"]), ME);
    check(later);
    expect(later.devices).toEqual({ PHONE: { ed25519: "ed PHONE", curve25519: "curve PHONE" } });
    expect(() => check(undefined)).toThrow("not known");
  });

  test("may leave out a device that the server itself removed", async () => {
    const left = { ...(await bob.keys(3, ["PHONE"])), device_list: await bob.list(2, ["PHONE", "LAPTOP"]) };
    const row = await learn(known, left, ME);
    check(row);
    expect(Object.keys(row.devices)).toEqual(["PHONE"]);
  });

  const lies: [string, string, (bob: Account) => Promise<Partial<AccountKeys>>][] = [
    ["has no identity", "no identity", async () => ({ master: null })],
    ["has no list", "no identity", async () => ({ device_list: null })],
    ["has an identity that is none", "not an identity", async () => ({ master: "{}" })],
    ["has an identity that is no JSON", "not an identity", async () => ({ master: "{" })],
    [
      "has a list that nobody signed",
      "not signed",
      async (one) => ({ device_list: { ...(await one.list(3, ["PHONE"])), signature: new Uint8Array(64) } }),
    ],
    ["has a list of the future", "of the future", async (one) => ({ device_list: await one.list(4, ["PHONE"]) })],
    ["shows a device that is not listed", "did not sign", async (one) => ({ device_list: await one.list(3, []) })],
    [
      "hides a device that is listed",
      "hides a device",
      async (one) => ({ device_list: await one.list(3, ["PHONE", "LAPTOP"]) }),
    ],
    [
      "shows a listed device with another key",
      "hides a device",
      async () => ({ devices: [{ device: "PHONE", keys: deviceKeys(BOB, "PHONE", "ed GHOST") }] }),
    ],
    [
      "shows the keys of another account's device",
      "hides a device",
      async () => ({ devices: [{ device: "PHONE", keys: deviceKeys(ME, "PHONE") }] }),
    ],
    ["has an older list", "old device list", async (one) => ({ device_list: await one.list(1, ["PHONE"]) })],
    [
      "has another list of the same number",
      "two different device lists",
      async (one) => ({ device_list: await one.list(2, ["PHONE"]) }),
    ],
  ];
  test.each(lies)("fault 21: is refused when it %s, and what was known stays", async (_, reason, lie) => {
    const row = await learn(known, { ...(await bob.keys(3, ["PHONE"])), ...(await lie(bob)) }, ME);
    expect(() => check(row)).toThrow(Distrusted);
    expect(row.problem).toContain(reason);
    expect(row.devices).toEqual(known.devices);
    const honest = await learn(row, await bob.keys(3, ["PHONE"]), ME);
    check(honest);
  });

  test("fault 21: holds back everything when the identity is new, and again when it is another one", async () => {
    let row = known;
    for (const version of [3, 4]) {
      const again = await Account.make(BOB);
      row = await learn(row, await again.keys(version, ["NEW"]), ME);
      expect(() => check(row)).toThrow(IdentityChanged);
      expect(isTrusted(row, "NEW")).toBe(false);
      row = { ...row, master: row.now };
      check(row);
      expect(isTrusted(row, "NEW")).toBe(true);
    }
  });

  test("keeps the keys of a device that was removed, to open what it sent before", async () => {
    const row = await learn(known, await bob.keys(3, ["NEW"]), ME);
    check(row);
    expect(Object.keys(row.devices)).toEqual(["NEW"]);
    expect(row.former).toMatchObject(known.devices);
    expect([isTrusted(row, "NEW"), isTrusted(row, "PHONE")]).toEqual([true, false]);
  });

  test("fault 21: is never believed when it shows another identity for oneself", async () => {
    const [mine, other] = [await Account.make(ME), await Account.make(ME)];
    const row = await learn(await learn(undefined, await mine.keys(1, ["HERE"]), ME), await other.keys(2, ["THERE"]), ME);
    expect(row.problem).toContain("another identity for this account");
  });

  test("fault 21: does not take the name that a contact was met by from it", async () => {
    const row = await learn(known, { ...(await bob.keys(3, ["PHONE"])), name: "eve" }, ME);
    expect(row.handle).toBe("bob");
  });
});
