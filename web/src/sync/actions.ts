/**
 * What a person does, as it is written down. Any tab may do it, whether or not it runs the engine: the owner of
 * the engine finds it in the database. What is written here survives a closed tab.
 */

import { addOwn } from "./timeline";
import { messageKey, PENDING, set, write, type Database, type Transaction } from "../store/database";
import type { OutboxRow } from "../store/schema";
import { newMsgId, toHex } from "../wire/ids";

export const MAX_TEXT_BYTES = 65_536;

/** Puts what was written into the outbox, and empties the draft with it. */
export function sendDraft(db: Database, conversation: string, text: string): Promise<void> {
  return write(db, ["settings", "outbox", "messages", "conversations"], async (tx) => {
    await queue(tx, conversation, { t: "text", text }, await serverTime(tx));
    await changeDraft(tx, conversation, "");
  });
}

/** Puts one's name into the outbox of a conversation that has opened, once. */
export function queueProfile(db: Database, conversation: string, now: number): Promise<boolean> {
  return write(db, ["settings", "outbox", "messages", "conversations"], async (tx) => {
    const store = tx.objectStore("conversations");
    const row = await store.get(conversation);
    if (!row || row.greeted) return false;
    await store.put({ ...row, greeted: true });
    await queue(tx, conversation, { t: "profile" }, now);
    return true;
  });
}

/** Notes what the server's clock shows just now: it refuses what seems to come from the future or from long ago. */
export function noteServerTime(db: Database, time: number): Promise<void> {
  return write(db, ["settings"], (tx) => set(tx, { ahead: time - Date.now() }));
}

/** Returns the milliseconds since 1970 by the server's clock, as far as it is known. Over `settings`. */
async function serverTime(tx: Transaction): Promise<number> {
  const ahead: unknown = await tx.objectStore("settings").get("ahead");
  return Date.now() + (typeof ahead === "number" ? ahead : 0);
}

/** Over `settings`, `outbox`, `messages` and `conversations`. */
async function queue(tx: Transaction, conversation: string, body: OutboxRow["body"], now: number): Promise<void> {
  const settings = tx.objectStore("settings");
  const [account, device] = await Promise.all([settings.get("account"), settings.get("device")]);
  if (typeof account !== "string" || typeof device !== "string") throw new Error("not signed in");
  const msgId = newMsgId(now);
  const key = messageKey(account, device, toHex(msgId));
  const row: OutboxRow = { key, msgId, conversation, body, time: now, sealed: null };
  const number = await tx.objectStore("outbox").add(row);
  await addOwn(tx, {
    key,
    conversation,
    ...(body.t === "text" ? { order: PENDING + number } : {}),
    seq: null,
    account,
    time: now,
    text: body.t === "text" ? body.text : null,
    state: "pending",
    missing: false,
    trusted: true,
  });
}

/** Takes a failed message out of the conversation and puts its text into the outbox anew. */
export function retry(db: Database, key: string): Promise<boolean> {
  return write(db, ["settings", "outbox", "messages", "conversations"], async (tx) => {
    const row = await tx.objectStore("messages").get(key);
    if (!row || row.state !== "failed" || row.text === null) return false;
    await tx.objectStore("messages").delete(key);
    await queue(tx, row.conversation, { t: "text", text: row.text }, await serverTime(tx));
    return true;
  });
}

/** Takes a failed message out of the conversation. */
export async function discard(db: Database, key: string): Promise<void> {
  await write(db, ["messages"], (tx) => tx.objectStore("messages").delete(key));
}

/** Keeps a draft. It is written at every key, and so without waiting for the disk. */
export async function saveDraft(db: Database, conversation: string, draft: string): Promise<void> {
  await write(db, ["conversations"], (tx) => changeDraft(tx, conversation, draft), "relaxed");
}

async function changeDraft(tx: Transaction, conversation: string, draft: string): Promise<void> {
  const store = tx.objectStore("conversations");
  const row = await store.get(conversation);
  if (row && row.draft !== draft) await store.put({ ...row, draft });
}
