/** The exact texts that a device's key signs; see docs/protocol.md. */

import { toBase64 } from "./shape";

export function helloText(
  nonce: Uint8Array,
  serverId: string,
  account: string,
  device: string,
  mailboxId: Uint8Array,
): string {
  return ["tidings hello v1", toBase64(nonce), serverId, account, device, toBase64(mailboxId)].join("\n");
}

export function renewalText(
  serverId: string,
  account: string,
  device: string,
  time: number,
  nonce: Uint8Array,
): string {
  return ["tidings renewal v1", serverId, account, device, String(time), toBase64(nonce)].join("\n");
}
