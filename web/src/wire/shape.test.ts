import { describe, expect, test } from "vitest";
import * as shape from "./shape";
import { Malformed } from "./shape";

const refuses = <T>(one: shape.Shape<T>, ...values: unknown[]) => {
  for (const value of values) expect(() => one.decode(value), JSON.stringify(value)).toThrow(Malformed);
};

test("true and false are nothing else", () => {
  expect(shape.bool.decode(true)).toBe(true);
  refuses(shape.bool, 1, 0, "true", null, undefined);
});

test("an integer is whole, safe and within its bounds", () => {
  const small = shape.int(0, 10);
  expect([0, 10].map((value) => small.decode(value))).toEqual([0, 10]);
  refuses(small, -1, 11, 1.5, NaN, Infinity, "1", null, 2 ** 53, [1]);
  expect(shape.int().decode(-(2 ** 53) + 1)).toBe(-(2 ** 53) + 1);
});

test("a text is counted in characters, as the server does, and matched against its form", () => {
  expect(shape.str(1, 2).decode("🌷🌷")).toBe("🌷🌷");
  refuses(shape.str(1, 2), "", "🌷🌷🌷", "abc", 12, null);
  expect(shape.str(1, 9, /^[a-z]+$/).decode("abc")).toBe("abc");
  refuses(shape.str(1, 9, /^[a-z]+$/), "ABC");
});

test("bytes are bytes, of a size that fits", () => {
  expect(shape.bytes(1, 2).decode(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  refuses(shape.bytes(1, 2), new Uint8Array(), new Uint8Array(3), "AQ==", [1], new ArrayBuffer(1));
});

test("base64 is bytes in JSON, with or without padding", () => {
  const one = shape.base64(1, 2);
  expect(one.decode("AQ==")).toEqual(Uint8Array.of(1));
  expect(one.decode("AQ")).toEqual(Uint8Array.of(1));
  expect(one.encode(Uint8Array.of(1, 2))).toBe("AQI=");
  refuses(one, "", "AQID", "not base64!", 1, null);
});

test("large bytes survive base64", () => {
  const data = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
  expect(shape.fromBase64(shape.toBase64(data))).toEqual(data);
});

test("a word is one of those that fit", () => {
  const one = shape.oneOf("yes", "no");
  expect(one.decode("yes")).toBe("yes");
  refuses(one, "maybe", "", 1, null, ["yes"]);
});

test("null passes only where it may", () => {
  expect(shape.nullable(shape.int()).decode(null)).toBeNull();
  expect(shape.nullable(shape.int()).encode(null)).toBeNull();
  refuses(shape.nullable(shape.int()), undefined, "1");
  refuses(shape.int(), null);
});

test("a list has items of its shape, so many as fit", () => {
  const one = shape.list(shape.int(), 1, 2);
  expect(one.decode([1, 2])).toEqual([1, 2]);
  refuses(one, [], [1, 2, 3], ["1"], { 0: 1, length: 1 }, "1");
});

test("a tuple has exactly its items", () => {
  const one = shape.tuple<readonly [number, string]>(shape.int(), shape.str());
  expect(one.decode([1, "a"])).toEqual([1, "a"]);
  expect(one.encode([1, "a"])).toEqual([1, "a"]);
  refuses(one, [1], [1, "a", 2], ["a", 1], null);
});

test("a dictionary keeps strange names as names", () => {
  const one = shape.dictionary(shape.int());
  const made = one.decode(JSON.parse('{"__proto__": 1, "constructor": 2}'));
  expect(Object.keys(made).toSorted()).toEqual(["__proto__", "constructor"]);
  expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
  refuses(one, { a: "1" }, [1], null);
});

describe("a frame", () => {
  const frame = shape.record<{ t: "hi"; a: number; b: string }>("hi", [
    ["a", shape.int()],
    ["b", shape.str(), "none"],
  ]);

  test("begins with its tag, and fills in what an older version left out", () => {
    expect(frame.decode(["hi", 1, "x"])).toEqual({ t: "hi", a: 1, b: "x" });
    expect(frame.decode(["hi", 1])).toEqual({ t: "hi", a: 1, b: "none" });
    expect(frame.encode({ t: "hi", a: 1, b: "x" })).toEqual(["hi", 1, "x"]);
    refuses(frame, ["hi"], {}, null, "hi");
  });

  test("may have fields of a newer version, but no maps in them", () => {
    expect(frame.decode(["hi", 1, "x", [1, [2]], null, Uint8Array.of(1)])).toEqual({ t: "hi", a: 1, b: "x" });
    refuses(frame, ["hi", 1, "x", { a: 1 }], ["hi", 1, "x", [[new Date()]]]);
  });

  test("a record inside one is exact", () => {
    const inner = shape.record<{ a: number }>(null, [["a", shape.int()]], true);
    expect(inner.decode([1])).toEqual({ a: 1 });
    expect(inner.encode({ a: 1 })).toEqual([1]);
    refuses(inner, [], [1, 2]);
  });
});

describe("an object", () => {
  const one = shape.object<{ a: number; b: string }>(null, [
    ["a", shape.int()],
    ["b", shape.str(), "none"],
  ]);

  test("ignores what a newer version added, and fills in what an older one left out", () => {
    expect(one.decode({ a: 1, c: {} })).toEqual({ a: 1, b: "none" });
    expect(one.encode({ a: 1, b: "x" })).toEqual({ a: 1, b: "x" });
    refuses(one, {}, { a: "1" }, [1], null, "a");
  });
});

describe("one of several", () => {
  const a = shape.object<{ t: "a"; n: number }>("kind", "a", [["n", shape.int()]]);
  const b = shape.object<{ t: "b" }>("kind", "b", []);
  const either = shape.union<{ t: "a"; n: number } | { t: "b" }>(a, b);

  test("is told by its tag", () => {
    expect(either.decode({ kind: "a", n: 1 })).toEqual({ t: "a", n: 1 });
    expect(either.encode({ t: "b" })).toEqual({ kind: "b" });
    refuses(either, { kind: "c" }, { kind: 1 }, {}, null, ["a"]);
    expect(() => either.encode({ t: "c" } as never)).toThrow(Malformed);
  });

  test("frames are told by their first element", () => {
    const frames = shape.union<{ t: "x" } | { t: "y" }>(shape.record("x", []), shape.record("y", []));
    expect(frames.decode(["y"])).toEqual({ t: "y" });
    refuses(frames, [], ["z"], [null], [["x"]], "x", {});
  });
});
