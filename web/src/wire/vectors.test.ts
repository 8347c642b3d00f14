import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeCommand, decodeServerFrame, encodeCommand, encodeServerFrame } from "./codec";
import * as content from "./content";
import { megolmIndex, packMegolm, packOlm, unpackMegolm, unpackOlm } from "./envelope";
import * as http from "./http";
import { fromHex, newMsgId, toHex } from "./ids";
import { fromBase64, Malformed, toBase64, type Shape } from "./shape";

interface Vectors {
  frames: { name: string; msgpack: string }[];
  bad: { why: string; msgpack: string; by?: "server" }[];
  newer: { msgpack: string; same_as: string }[];
  objects: { name: string; json: unknown }[];
  envelopes: {
    packed: string;
    bad?: true;
    megolm?: { session: string; message: string };
    olm?: { kind: number; sender_key: string; message: string };
  }[];
}

const vectors = JSON.parse(readFileSync("../tests/vectors/wire.json", "utf8")) as Vectors;

/** Decodes a frame of either direction, and encodes it again. */
function through(data: Uint8Array): Uint8Array {
  try {
    return encodeServerFrame(decodeServerFrame(data));
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return encodeCommand(decodeCommand(data));
  }
}

test.each(vectors.frames)("$name is read and written byte for byte", ({ msgpack }) => {
  expect(toHex(through(fromHex(msgpack)))).toBe(msgpack);
});

test.each(vectors.bad.filter((vector) => vector.by === undefined))("refused: $why", ({ msgpack }) => {
  expect(() => decodeCommand(fromHex(msgpack))).toThrow(Malformed);
  expect(() => decodeServerFrame(fromHex(msgpack))).toThrow(Malformed);
});

test.each(vectors.newer)("fields of a newer version are ignored: $msgpack", ({ msgpack, same_as }) => {
  expect(decodeCommand(fromHex(msgpack))).toEqual(decodeCommand(fromHex(same_as)));
});

test.each(vectors.objects)("$name is read and written as JSON", ({ name, json }) => {
  const shapes = { ...content, ...http } as Record<string, Shape<unknown>>;
  const shape = shapes[`${name}Shape`];
  expect(shape, name).toBeDefined();
  // A default may be left out by the other side; nothing else may differ.
  expect(shape!.encode(shape!.decode(json))).toMatchObject(json as object);
});

test.each(vectors.envelopes)("envelope $packed", ({ packed, bad, megolm, olm }) => {
  const data = fromBase64(packed);
  if (bad) {
    expect(() => unpackMegolm(data)).toThrow(Malformed);
    expect(() => unpackOlm(data)).toThrow(Malformed);
  }
  if (megolm) {
    const parts = { session: fromBase64(megolm.session), message: fromBase64(megolm.message) };
    expect(unpackMegolm(data)).toEqual(parts);
    expect(toBase64(packMegolm(parts))).toBe(packed);
  }
  if (olm) {
    const parts = { kind: olm.kind, senderKey: fromBase64(olm.sender_key), message: fromBase64(olm.message) };
    expect(unpackOlm(data)).toEqual(parts);
    expect(toBase64(packOlm(parts))).toBe(packed);
  }
});

test("a Megolm message tells its index", () => {
  expect(megolmIndex(Uint8Array.of(3, 8, 0, 18))).toBe(0);
  expect(megolmIndex(Uint8Array.of(3, 8, 0xac, 0x02, 18))).toBe(300);
  expect(() => megolmIndex(Uint8Array.of(3, 8, 0xff))).toThrow(Malformed);
});

test("msg_ids are UUIDs of version 7 that sort by time", () => {
  const early = newMsgId(1_790_000_000_000);
  const late = newMsgId(1_790_000_000_001);
  expect(early[6]! >> 4).toBe(7);
  expect(early[8]! >> 6).toBe(2);
  expect(toHex(early) < toHex(late)).toBe(true);
  expect(parseInt(toHex(early.subarray(0, 6)), 16)).toBe(1_790_000_000_000);
});
