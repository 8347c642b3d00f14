/** Coming in: registering or signing in, and making the keys of this device. */

import { Machine } from "../crypto/machine";
import { set, setting, write, type Database } from "../store/database";
import type { Settings } from "../store/schema";
import {
  DeviceShape,
  EnrolmentShape,
  NewAccountShape,
  NewDeviceShape,
  SignInShape,
  type Enrolment,
} from "../wire/http";
import { newDeviceId } from "../wire/ids";
import { request, ServerRefused } from "./http";

/** Registers by invite and enrols this browser. Throws ServerRefused, Unreachable. */
export async function register(
  db: Database,
  wanted: { invite: string; name: string; password: string; displayName: string },
): Promise<void> {
  const { invite, name, password } = wanted;
  const body = NewAccountShape.encode({ invite, name, password });
  const leave = await request("POST", "/v1/accounts", EnrolmentShape, { body });
  await enrol(db, leave, wanted.displayName);
}

/**
 * Signs in and enrols this browser. Where there are other devices it stops with OTHER_DEVICES, unless the person
 * wants to start again: then they are removed, and the identity is new.
 */
export async function signIn(
  db: Database,
  wanted: { name: string; password: string; startAgain: boolean },
): Promise<void> {
  const { name, password } = wanted;
  const body = SignInShape.encode({ name, password });
  const leave = await request("POST", "/v1/sign-in", EnrolmentShape, { body });
  if (leave.devices > 0 && !wanted.startAgain) {
    throw new ServerRefused(409, "OTHER_DEVICES", "Another device is signed in.");
  }
  await enrol(db, leave, leave.name);
}

async function enrol(db: Database, leave: Enrolment, displayName: string): Promise<void> {
  const device = newDeviceId();
  const { key, storeKey } = await newStoreKey();
  const machine = await Machine.open(leave.account, device, key);
  try {
    const made = await machine.bootstrap();
    const version = leave.version + 1;
    const listed = { account: leave.account, devices: { [device]: made.ed25519 }, master: made.masterKey, version };
    const text = JSON.stringify(listed);
    const signature = await machine.signByMaster(text, made.masterKey);
    const body = NewDeviceShape.encode({
      device,
      label: describeBrowser(),
      keys: made.keys,
      one_time: made.oneTime,
      fallback: made.fallback,
      device_list: { text, signature },
      identity: made.identity,
      cookie: true,
    });
    await write(db, ["settings"], (tx) =>
      set(tx, {
        account: leave.account,
        device,
        serverId: leave.server_id,
        handle: leave.name,
        name: displayName,
        storeKey,
        enrolled: false,
      }),
    );
    await request("POST", "/v1/devices", DeviceShape, { body, token: leave.enrolment });
    await made.done();
    await write(db, ["settings"], (tx) => set(tx, { enrolled: true }));
  } finally {
    machine.close();
  }
}

/** Opens the keys of the device that is enrolled here; null if there is none. */
export async function openMachine(db: Database): Promise<Machine | null> {
  const account = await setting(db, "account");
  const device = await setting(db, "device");
  const storeKey = await setting(db, "storeKey");
  if (!(await setting(db, "enrolled")) || !account || !device || !storeKey) return null;
  const { wrapped, iv, key } = storeKey;
  const raw = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, wrapped);
  return Machine.open(account, device, new Uint8Array(raw));
}

/** The library's store is encrypted by a key that is kept wrapped by one which no script can read. */
async function newStoreKey(): Promise<{ key: Uint8Array; storeKey: Settings["storeKey"] }> {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const wrapping = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const wrapped = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, wrapping, key);
  return { key, storeKey: { wrapped, iv, key: wrapping } };
}

function describeBrowser(): string {
  const agent = navigator.userAgent;
  const browser = ["Firefox", "Edg", "Chrome", "Safari"].find((name) => agent.includes(name)) ?? "Browser";
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => agent.includes(name));
  const name = browser === "Edg" ? "Edge" : browser;
  return system ? `${name}, ${system}` : name;
}
