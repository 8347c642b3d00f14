/** The database of one browser profile. Every tab reads it; only the owner of the engine changes what is not an intent. */

import { openDB, type IDBPDatabase, type IDBPTransaction, type StoreNames } from "idb";
import type { MessageRow, Schema, Settings } from "./schema";

export type Store = StoreNames<Schema>;
export type Database = IDBPDatabase<Schema>;
export type Transaction = IDBPTransaction<Schema, Store[], "readwrite">;

const NAME = "tidings";

/** The place of a message that has no seq yet: behind all that have one. */
export const PENDING = 2 ** 40;

export async function openDatabase(): Promise<Database> {
  const database = await openDB<Schema>(NAME, 1, {
    upgrade(db) {
      db.createObjectStore("settings");
      db.createObjectStore("inbox", { keyPath: "pos" });
      db.createObjectStore("messages", { keyPath: "key" }).createIndex("place", ["conversation", "order"]);
      const outbox = db.createObjectStore("outbox", { keyPath: "number", autoIncrement: true });
      outbox.createIndex("conversation", "conversation");
      db.createObjectStore("conversations", { keyPath: "id" });
      db.createObjectStore("accounts", { keyPath: "id" }).createIndex("handle", "handle");
      db.createObjectStore("marks", { keyPath: ["conversation", "account"] });
      db.createObjectStore("chains", { keyPath: ["conversation", "account", "device"] });
      const sealed = db.createObjectStore("sealed", { keyPath: "pos" });
      sealed.createIndex("session", ["conversation", "session"]);
      db.createObjectStore("shares", { keyPath: "number", autoIncrement: true });
      db.createObjectStore("entitled", { keyPath: ["session", "account", "device"] });
      db.createObjectStore("used", { keyPath: ["session", "index"] });
    },
    blocking: () => database.close(),
  });
  return database;
}

/** Deletes everything that this profile keeps. */
export async function forgetEverything(): Promise<void> {
  const all = await indexedDB.databases();
  await Promise.all(
    all.map(
      ({ name }) =>
        new Promise<void>((done) => {
          if (!name?.startsWith(NAME)) return done();
          const request = indexedDB.deleteDatabase(name);
          request.onsuccess = request.onerror = request.onblocked = () => done();
        }),
    ),
  );
}

/** Makes what `work` writes durable together, before anything that follows from it leaves the device. */
export async function write<T>(
  db: Database,
  stores: Store[],
  work: (tx: Transaction) => Promise<T>,
  durability: IDBTransactionDurability = "strict",
): Promise<T> {
  const tx = db.transaction(stores, "readwrite", { durability });
  try {
    const result = await work(tx);
    await tx.done;
    return result;
  } catch (error) {
    try {
      tx.abort();
    } catch {
      // It was over already.
    }
    await tx.done.catch(() => undefined);
    throw error;
  }
}

export async function setting<K extends keyof Settings>(db: Database, name: K): Promise<Settings[K] | undefined> {
  return (await db.get("settings", name)) as Settings[K] | undefined;
}

/** Changes settings within a transaction over `settings`. */
export async function set(tx: Transaction, settings: Partial<Settings>): Promise<void> {
  await Promise.all(
    Object.entries(settings).map(([name, value]) => tx.objectStore("settings").put(value, name)),
  );
}

export function messageKey(account: string, device: string, msgIdHex: string): string {
  return `${account} ${device} ${msgIdHex}`;
}

/** Returns up to `count` messages of a conversation before the place `before`, the newest last. */
export async function messagesBefore(
  db: Database,
  conversation: string,
  before: number,
  count: number,
): Promise<MessageRow[]> {
  const range = IDBKeyRange.bound([conversation, -Infinity], [conversation, before], false, true);
  const found: MessageRow[] = [];
  let cursor = await db.transaction("messages").store.index("place").openCursor(range, "prev");
  while (cursor && found.length < count) {
    found.push(cursor.value);
    cursor = await cursor.continue();
  }
  return found.toReversed();
}
