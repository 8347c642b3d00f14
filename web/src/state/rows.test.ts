import { expect, test } from "vitest";
import type { MarkRow, MessageRow } from "../store/schema";
import { itemsOf, tickOf, type Item, type MessageItem } from "./rows";

const OWN = "@me";
const OTHER = "@other";
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const dayOf = (time: number) => Math.floor(time / DAY);

function message(seq: number | null, about: Partial<MessageRow> = {}): MessageRow {
  return {
    key: `key ${seq ?? "pending"}`,
    conversation: "!talk",
    order: seq ?? 2 ** 40,
    seq,
    account: OTHER,
    time: 1_000 + (seq ?? 0),
    text: `text ${seq ?? "pending"}`,
    state: "sent",
    missing: false,
    trusted: true,
    ...about,
  };
}

function mark(delivered: number, read: number, expired: MarkRow["expired"] = []): MarkRow {
  return { conversation: "!talk", account: OTHER, since: 0, delivered, read, expired };
}

function items(messages: MessageRow[], unread: readonly [number, number] | null = null, marks: MarkRow[] = []): Item[] {
  return itemsOf(messages, marks, OWN, unread, dayOf);
}

const kinds = (all: Item[]) => all.map(({ kind }) => kind);
const messagesOf = (all: Item[]) => all.filter((item): item is MessageItem => item.kind === "message");

test("a message of one's own is pending, sent, delivered, read, each only when it is", () => {
  expect(tickOf("pending", null, [mark(0, 0)])).toBe("pending");
  expect(tickOf("sent", 5, [mark(4, 4)])).toBe("sent");
  expect(tickOf("sent", 5, [mark(5, 4)])).toBe("delivered");
  expect(tickOf("sent", 5, [mark(5, 5)])).toBe("read");
});

test("without anyone's receipts a message is sent, and no more", () => {
  expect(tickOf("sent", 5, [])).toBe("sent");
});

test("in a group the slowest member counts", () => {
  expect(tickOf("sent", 5, [mark(9, 9), mark(5, 0)])).toBe("delivered");
  expect(tickOf("sent", 5, [mark(9, 9), mark(4, 0)])).toBe("sent");
});

test("what expired for everyone never arrived, and who it expired for is not waited for", () => {
  const gone = mark(9, 9, [[5, 6]]);
  expect(tickOf("sent", 5, [gone])).toBe("expired");
  expect(tickOf("sent", 4, [gone])).toBe("read");
  expect(tickOf("sent", 7, [gone])).toBe("read");
  expect(tickOf("sent", 5, [gone, mark(5, 0)])).toBe("delivered");
});

test("a message that failed stays failed, whatever the receipts say", () => {
  expect(tickOf("failed", null, [mark(9, 9)])).toBe("failed");
});

test("an empty conversation has no rows", () => {
  expect(items([])).toEqual([]);
});

test("each day begins with its name", () => {
  const all = items([message(1), message(2), message(3, { time: DAY }), message(4, { time: 2 * DAY })]);
  expect(kinds(all)).toEqual(["day", "message", "message", "day", "message", "day", "message"]);
});

test("messages of one author stand together, until another writes, a while passes, or a day begins", () => {
  const all = items([
    message(1, { time: 0 }),
    message(2, { time: MINUTE }),
    message(3, { time: 2 * MINUTE, account: OWN }),
    message(4, { time: 3 * MINUTE, account: OWN }),
    message(5, { time: 14 * MINUTE, account: OWN }),
    message(6, { time: DAY - 1, account: OWN }),
    message(7, { time: DAY, account: OWN }),
  ]);
  expect(messagesOf(all).map(({ first }) => first)).toEqual([true, false, true, false, true, true, true]);
});

test("the line of unread messages stands before the first, counts those of others, and breaks a group", () => {
  const all = items([message(1), message(2), message(3, { account: OWN }), message(4)], [1, 4]);
  expect(kinds(all)).toEqual(["day", "message", "unread", "message", "message", "message"]);
  expect(all[2]).toEqual({ kind: "unread", key: "unread", count: 2 });
  expect(messagesOf(all)[1]?.first).toBe(true);
});

test("what arrives after the conversation was opened does not change the line", () => {
  const all = items([message(1), message(2), message(3)], [1, 2]);
  expect(all.find(({ kind }) => kind === "unread")).toEqual({ kind: "unread", key: "unread", count: 1 });
});

test("there is no line when nothing of others was unread", () => {
  expect(kinds(items([message(1), message(2, { account: OWN })], [1, 2]))).not.toContain("unread");
  expect(kinds(items([message(1), message(2)]))).not.toContain("unread");
});

test("where messages are missing a line says so, and a group begins anew", () => {
  const all = items([message(1), message(3, { missing: true })]);
  expect(kinds(all)).toEqual(["day", "message", "missing", "message"]);
  expect(messagesOf(all)[1]?.first).toBe(true);
});

test("a row of nobody is only the line about what is missing, and never unread", () => {
  const all = items([message(1), message(2, { account: "", missing: true, text: null })], [1, 2]);
  expect(kinds(all)).toEqual(["day", "message", "missing"]);
});

test("only messages of one's own have ticks", () => {
  const all = messagesOf(items([message(1), message(2, { account: OWN })], null, [mark(2, 1)]));
  expect(all.map(({ own, tick }) => [own, tick])).toEqual([
    [false, null],
    [true, "delivered"],
  ]);
});

test("keys are unique, also when days alternate because a clock was wrong", () => {
  const all = items([message(1, { time: DAY }), message(2, { time: 0 }), message(3, { time: DAY })]);
  expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
});
