/** The rows of a conversation: messages, with days and the line of unread ones between them. Pure. */

import type { MarkRow, MessageRow, OwnState } from "../store/schema";

export type Tick = "pending" | "sent" | "delivered" | "read" | "failed" | "expired";

export interface MessageItem {
  readonly kind: "message";
  readonly key: string;
  readonly text: string | null;
  readonly time: number;
  readonly own: boolean;
  /** Whether it opens a group of messages of one author. */
  readonly first: boolean;
  readonly tick: Tick | null;
  readonly reason: string | null;
  readonly trusted: boolean;
  readonly seq: number | null;
  /** Its place in the conversation. */
  readonly order: number;
}

export type Item =
  | MessageItem
  | { readonly kind: "day"; readonly key: string; readonly time: number }
  | { readonly kind: "unread"; readonly key: string; readonly count: number }
  | { readonly kind: "missing"; readonly key: string };

/** A pause after which a message of the same author begins a group of its own. */
const GROUP_MS = 10 * 60_000;

/** Returns how far a message of one's own got: its own state, or what the marks of the others say. */
export function tickOf(state: OwnState, seq: number | null, marks: readonly MarkRow[]): Tick {
  if (state !== "sent") return state;
  if (seq === null) return "pending";
  const reached = marks.filter(({ expired }) => !expired.some(([low, high]) => low <= seq && seq <= high));
  if (marks.length > 0 && reached.length === 0) return "expired";
  if (reached.length === 0) return "sent";
  // One that was looked at but could not be opened is not delivered.
  if (!reached.every(({ delivered }) => delivered >= seq)) return "sent";
  return reached.every(({ read }) => read >= seq) ? "read" : "delivered";
}

/**
 * Returns the rows of messages in the order of their places. `unreadThen` is between which places the messages
 * stood that were unread when the conversation was opened, or null for no line.
 */
export function itemsOf(
  messages: readonly MessageRow[],
  marks: readonly MarkRow[],
  own: string,
  unreadThen: readonly [after: number, upTo: number] | null,
  dayOf: (time: number) => number,
): Item[] {
  const items: Item[] = [];
  const [after, upTo] = unreadThen ?? [Infinity, 0];
  const isUnread = ({ seq, account }: MessageRow) =>
    seq !== null && seq > after && seq <= upTo && account !== own && account !== "";
  const unread = messages.filter(isUnread).length;
  let before: MessageRow | null = null;
  let lined = unread === 0;
  for (const row of messages) {
    if (before === null || dayOf(before.time) !== dayOf(row.time)) {
      items.push({ kind: "day", key: `day ${dayOf(row.time)} ${row.key}`, time: row.time });
      before = null;
    }
    if (!lined && isUnread(row)) {
      items.push({ kind: "unread", key: "unread", count: unread });
      lined = true;
      before = null;
    }
    if (row.missing) items.push({ kind: "missing", key: `missing ${row.key}` });
    if (row.account === "") continue;
    const follows = before !== null && before.account === row.account && row.time - before.time < GROUP_MS;
    items.push({
      kind: "message",
      key: row.key,
      text: row.text,
      time: row.time,
      own: row.account === own,
      first: !follows || row.missing,
      tick: row.account === own ? tickOf(row.state, row.seq, marks) : null,
      reason: row.reason ?? null,
      trusted: row.trusted,
      seq: row.seq,
      order: row.order ?? 0,
    });
    before = row;
  }
  return items;
}
