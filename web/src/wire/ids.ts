/** Ids that a device makes, and how they are written as keys. */

/** Returns a UUIDv7 (RFC 9562, section 5.7) for a time in milliseconds. */
export function newMsgId(now: number): Uint8Array {
  const id = crypto.getRandomValues(new Uint8Array(16));
  for (let at = 0; at < 6; at += 1) id[at] = Math.floor(now / 2 ** (8 * (5 - at))) % 256;
  id[6] = (id[6]! & 0x0f) | 0x70;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}

/** Returns a random device id: ten letters. */
export function newDeviceId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => String.fromCharCode(65 + (byte % 26))).join("");
}

export function toHex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
