/** Messages as they are kept: in the order of their conversation, each once, with what ties it to the one before. */

import { messageKey, PENDING, type Transaction } from "../store/database";
import type { ChainRow, ConversationRow, MessageRow, Preview } from "../store/schema";
import type { Chain, Content } from "../wire/content";
import type { Marks, Message } from "../wire/frames";
import { toHex } from "../wire/ids";

export function keyOf(message: Message): string {
  return messageKey(message.sender, message.device, toHex(message.msg_id));
}

export async function digest(data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>));
}

/** Keeps a message of someone else, or of another device of one's own. Over `messages` and `conversations`. */
export async function addMessage(
  tx: Transaction,
  message: Message,
  content: Content,
  about: { own: boolean; missing: boolean; trusted: boolean },
): Promise<void> {
  const shown = content.body.t === "text";
  const row: MessageRow = {
    key: keyOf(message),
    conversation: message.conversation,
    ...(shown ? { order: message.seq } : {}),
    seq: message.seq,
    account: message.sender,
    time: Math.min(content.time, message.time),
    text: content.body.t === "text" ? content.body.text : null,
    state: "sent",
    missing: about.missing,
    trusted: about.trusted,
  };
  await tx.objectStore("messages").put(row);
  if (shown) await touch(tx, row, about.own);
}

/** Keeps a message that is about to be sent. */
export async function addOwn(tx: Transaction, row: MessageRow): Promise<void> {
  await tx.objectStore("messages").put(row);
  if (row.order !== undefined) await touch(tx, row, true);
}

export async function markSent(tx: Transaction, key: string, seq: number): Promise<void> {
  const store = tx.objectStore("messages");
  const row = await store.get(key);
  if (!row) return;
  await store.put({ ...row, seq, state: "sent", ...(row.order === undefined ? {} : { order: seq }) });
  const conversations = tx.objectStore("conversations");
  const conversation = await conversations.get(row.conversation);
  if (conversation?.preview?.key === key) {
    await conversations.put({ ...conversation, preview: { ...conversation.preview, seq } });
  }
}

/**
 * Notes that a message will never be sent as it is; it stands where it would have stood now. Over `messages` and
 * `conversations`.
 */
export async function markFailed(tx: Transaction, key: string, reason: string): Promise<void> {
  const store = tx.objectStore("messages");
  const row = await store.get(key);
  if (!row) return;
  const range = IDBKeyRange.bound([row.conversation, 0], [row.conversation, PENDING], false, true);
  const last = await store.index("place").openKeyCursor(range, "prev");
  const order = (last?.key[1] ?? 0) + 0.001;
  await store.put({ ...row, state: "failed", reason, ...(row.order === undefined ? {} : { order }) });
  const conversations = tx.objectStore("conversations");
  const conversation = await conversations.get(row.conversation);
  if (conversation?.preview?.key === key) {
    await conversations.put({ ...conversation, preview: { ...conversation.preview, failed: true } });
  }
}

/** Brings a conversation's entry in the list up to date with its newest message. */
async function touch(tx: Transaction, row: MessageRow, own: boolean): Promise<void> {
  const store = tx.objectStore("conversations");
  const conversation = await store.get(row.conversation);
  if (!conversation) return;
  const preview: Preview = { key: row.key, text: row.text, time: row.time, own, seq: row.seq };
  const newer = conversation.preview === null || (row.order ?? 0) >= place(conversation.preview);
  const unread = !own && (row.seq ?? 0) > conversation.read;
  await store.put({
    ...conversation,
    ...(newer ? { preview, activity: Math.max(conversation.activity, row.time) } : {}),
    unread: conversation.unread + (unread ? 1 : 0),
  });
}

function place(preview: Preview): number {
  // What failed stands in nobody's way.
  return preview.failed ? 0 : (preview.seq ?? PENDING);
}

// The chain of each sender

/** Returns whether a message follows on the last one of its sender here. The first one always does. */
export function follows(last: ChainRow | undefined, chain: Chain): boolean {
  if (!last) return true;
  return chain.count === last.count + 1 && chain.prev !== null && toHex(chain.prev) === toHex(last.hash);
}

// Receipts

/** Takes in how far an account got; numbers only rise. Over `marks` and `conversations`. */
export async function raiseMark(tx: Transaction, marks: Marks, own: string): Promise<void> {
  const store = tx.objectStore("marks");
  const before = await store.get([marks.conversation, marks.account]);
  await store.put({
    conversation: marks.conversation,
    account: marks.account,
    since: marks.since,
    delivered: Math.max(before?.delivered ?? 0, marks.delivered),
    read: Math.max(before?.read ?? 0, marks.read),
    expired: marks.expired,
  });
  if (marks.account !== own) return;
  const conversations = tx.objectStore("conversations");
  const conversation = await conversations.get(marks.conversation);
  if (conversation) await conversations.put(await readUpTo(tx, conversation, marks.read, own));
}

/** Returns a conversation as it is when the person has read up to `seq`. */
export async function readUpTo(
  tx: Transaction,
  conversation: ConversationRow,
  seq: number,
  own: string,
): Promise<ConversationRow> {
  if (seq <= conversation.read) return conversation;
  const range = IDBKeyRange.bound([conversation.id, seq], [conversation.id, PENDING], true, true);
  let unread = 0;
  let cursor = await tx.objectStore("messages").index("place").openCursor(range);
  while (cursor) {
    if (cursor.value.account !== own && cursor.value.seq !== null) unread += 1;
    cursor = await cursor.continue();
  }
  return { ...conversation, read: seq, unread };
}
