/**
 * Shapes check what comes in, and turn it into typed objects and back.
 *
 * A frame is an array that begins with its tag; a record inside it is an array of exactly its fields; an object
 * is JSON. Fields behind those that are known belong to a newer version and are ignored in frames and objects.
 */

/** These bytes, or this JSON, are not what they should be. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

/** Checks, decodes and encodes one type. */
export interface Shape<T> {
  decode(value: unknown): T;
  encode(value: T): unknown;
  /** What tells this member of a union from the others. */
  readonly tag?: Tag;
}

interface Tag {
  readonly name: string;
  /** The member of an object that holds the tag; undefined in frames, where it is the first element. */
  readonly field?: string;
}

// A field's own type is lost in a list of fields of many types; the shape of the whole checks it again.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyShape = Shape<any>;
type Field = readonly [name: string, shape: AnyShape] | readonly [name: string, shape: AnyShape, fallback: unknown];

const plain = <T>(decode: (value: unknown) => T): Shape<T> => ({ decode, encode: (value) => value });

function within(size: number, low = 0, high = Infinity): boolean {
  return size >= low && size <= high;
}

export const bool = plain((value) => {
  if (typeof value !== "boolean") throw new Malformed("not true or false");
  return value;
});

export function int(low?: number, high: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return plain((value) => {
    if (!Number.isSafeInteger(value) || !within(value as number, low ?? Number.MIN_SAFE_INTEGER, high)) {
      throw new Malformed("not an integer that fits");
    }
    return value as number;
  });
}

export function str(low?: number, high?: number, pattern?: RegExp): Shape<string> {
  return plain((value) => {
    if (typeof value !== "string") throw new Malformed("not a text");
    // Sizes count characters as the server does, not UTF-16 units.
    if (!within(value.length, low) || !within(countCharacters(value, high), 0, high)) {
      throw new Malformed("a text of another length");
    }
    if (pattern && !pattern.test(value)) throw new Malformed("a text of another form");
    return value;
  });
}

function countCharacters(value: string, high?: number): number {
  if (high === undefined || value.length <= high) return value.length;
  let count = 0;
  for (const _ of value) count += 1;
  return count;
}

export function bytes(low?: number, high?: number): Shape<Uint8Array> {
  return plain((value) => {
    if (!(value instanceof Uint8Array) || !within(value.length, low, high)) {
      throw new Malformed("not bytes that fit");
    }
    return value;
  });
}

export function base64(low?: number, high?: number): Shape<Uint8Array> {
  return {
    decode(value) {
      if (typeof value !== "string") throw new Malformed("not base64");
      const data = fromBase64(value);
      if (!within(data.length, low, high)) throw new Malformed("bytes of another length");
      return data;
    },
    encode: toBase64,
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Shape<T> {
  return plain((value) => {
    if (!values.includes(value as T)) throw new Malformed("none of the words that fit");
    return value as T;
  });
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    decode: (value) => (value === null ? null : shape.decode(value)),
    encode: (value) => (value === null ? null : shape.encode(value)),
  };
}

export function list<T>(shape: Shape<T>, low?: number, high?: number): Shape<readonly T[]> {
  return {
    decode(value) {
      if (!Array.isArray(value) || !within(value.length, low, high)) throw new Malformed("not a list that fits");
      return value.map((item) => shape.decode(item));
    },
    encode: (value) => value.map((item) => shape.encode(item)),
  };
}

export function tuple<T extends readonly unknown[]>(...shapes: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const each = shapes as readonly AnyShape[];
  return {
    decode(value) {
      if (!Array.isArray(value) || value.length !== each.length) throw new Malformed("not a group that fits");
      return each.map((shape, at) => shape.decode(value[at])) as unknown as T;
    },
    encode: (value) => each.map((shape, at) => shape.encode(value[at])),
  };
}

export function dictionary<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    decode(value) {
      if (!isObject(value)) throw new Malformed("not an object");
      return mapValues(value, (item) => shape.decode(item));
    },
    encode: (value) => mapValues(value, (item) => shape.encode(item)),
  };
}

/** A frame (with a tag) or a record inside one (without), which is `exact`. */
export function record<T>(tag: string | null, fields: readonly Field[], exact = false): Shape<T> {
  const start = tag === null ? 0 : 1;
  const needed = start + fields.filter((field) => field.length === 2).length;
  return {
    ...(tag === null ? {} : { tag: { name: tag } }),
    decode(value) {
      if (!Array.isArray(value) || value.length < needed) throw new Malformed("too few fields");
      if (exact && value.length > start + fields.length) throw new Malformed("too many fields");
      value.slice(start + fields.length).forEach(checkPlain);
      const made: Record<string, unknown> = tag === null ? {} : { t: tag };
      fields.forEach(([name, shape, fallback], at) => {
        made[name] = at + start < value.length ? shape.decode(value[at + start]) : fallback;
      });
      return made as T;
    },
    encode(value) {
      const parts = fields.map(([name, shape]) => shape.encode((value as Record<string, unknown>)[name]));
      return tag === null ? parts : [tag, ...parts];
    },
  };
}

/** A JSON object; `tagField` holds its tag where it is a member of a union. */
export function object<T>(
  ...[tagField, tag, fields]: readonly [string, string, readonly Field[]] | readonly [null, readonly Field[]]
): Shape<T>;
export function object<T>(...args: readonly unknown[]): Shape<T> {
  const fields = args.at(-1) as readonly Field[];
  const tag = args.length === 3 ? { field: args[0] as string, name: args[1] as string } : undefined;
  return {
    ...(tag ? { tag } : {}),
    decode(value) {
      if (!isObject(value)) throw new Malformed("not an object");
      const made: Record<string, unknown> = tag ? { t: tag.name } : {};
      for (const [name, shape, ...fallback] of fields) {
        const item = value[name];
        if (item === undefined && fallback.length === 0) throw new Malformed(`without ${name}`);
        made[name] = item === undefined ? fallback[0] : shape.decode(item);
      }
      return made as T;
    },
    encode(value) {
      const made: Record<string, unknown> = tag ? { [tag.field]: tag.name } : {};
      for (const [name, shape] of fields) made[name] = shape.encode((value as Record<string, unknown>)[name]);
      return made;
    },
  };
}

/** One of several shapes that have tags. */
export function union<T>(...shapes: readonly AnyShape[]): Shape<T> {
  const byTag = new Map(shapes.map((shape) => [shape.tag?.name, shape]));
  const field = shapes[0]?.tag?.field;
  return {
    decode(value) {
      const tag = field === undefined ? Array.isArray(value) && value[0] : isObject(value) && value[field];
      const shape = byTag.get(tag as string);
      if (typeof tag !== "string" || !shape) throw new Malformed(`unknown: ${String(tag).slice(0, 40)}`);
      return shape.decode(value) as T;
    },
    encode(value) {
      const shape = byTag.get((value as { t: string }).t);
      if (!shape) throw new Malformed("a member of no union");
      return shape.encode(value);
    },
  };
}

/** What a newer version added may be anything but maps (which could repeat a key) and extensions. */
function checkPlain(value: unknown): void {
  if (Array.isArray(value)) value.forEach(checkPlain);
  else if (value !== null && typeof value === "object" && !(value instanceof Uint8Array)) {
    throw new Malformed("a map or an extension");
  }
}

function mapValues<A, B>(value: Readonly<Record<string, A>>, change: (item: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, change(item)]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function toBase64(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 32_768) text += String.fromCharCode(...data.subarray(at, at + 32_768));
  return btoa(text);
}

/** Decodes base64 with or without padding. */
export function fromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new Malformed("not base64");
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
