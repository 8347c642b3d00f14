/** The envelope around a ciphertext: byte 1 and a session for a conversation, byte 2 and a key for one device. */

import { Malformed } from "./shape";

export interface Megolm {
  readonly session: Uint8Array;
  readonly message: Uint8Array;
}

export interface Olm {
  /** 0 with a pre-key, 1 without. */
  readonly kind: number;
  readonly senderKey: Uint8Array;
  readonly message: Uint8Array;
}

export function packMegolm({ session, message }: Megolm): Uint8Array {
  return concat(Uint8Array.of(1), session, message);
}

export function packOlm({ kind, senderKey, message }: Olm): Uint8Array {
  return concat(Uint8Array.of(2, kind), senderKey, message);
}

/** Throws Malformed if these bytes are no envelope for a conversation. */
export function unpackMegolm(data: Uint8Array): Megolm {
  if (data[0] !== 1 || data.length <= 33) throw new Malformed("not an envelope for a conversation");
  return { session: data.subarray(1, 33), message: data.subarray(33) };
}

/** Throws Malformed if these bytes are no envelope for a device. */
export function unpackOlm(data: Uint8Array): Olm {
  const kind = data[1];
  if (data[0] !== 2 || data.length <= 34 || (kind !== 0 && kind !== 1)) {
    throw new Malformed("not an envelope for a device");
  }
  return { kind, senderKey: data.subarray(2, 34), message: data.subarray(34) };
}

/**
 * Returns the index of a Megolm message in its session: the version byte, then protobuf field 1
 * (https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/megolm.md, "Message format").
 */
export function megolmIndex(message: Uint8Array): number {
  let index = 0;
  let shift = 0;
  for (let at = 2; at < Math.min(message.length, 8); at += 1) {
    const byte = message[at]!;
    index += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return index;
    shift += 7;
  }
  throw new Malformed("not a Megolm message");
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
