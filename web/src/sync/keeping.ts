/** Writing down what came out of the mailbox: each message once, where it belongs, with what is strange about it. */

import { isTrusted } from "../crypto/directory";
import { set, type Store, type Transaction } from "../store/database";
import type { ChainRow, Settings } from "../store/schema";
import { encodeServerFrame } from "../wire/codec";
import type { Content } from "../wire/content";
import type { Gap, KeyShare, Message } from "../wire/frames";
import { addMessage, follows, keyOf } from "./timeline";

export type Stored = Message | KeyShare | Gap;

export interface Opened {
  readonly message: Message;
  /** null if it could not be opened. */
  readonly content: Content | null;
  /** Whether it waited for its key before. */
  readonly wasSealed: boolean;
  readonly session: string;
  readonly index: number;
}

export interface Hashed extends Opened {
  /** Of the ciphertext: the next message of the device names it. */
  readonly hash: Uint8Array;
}

export class Keeping {
  static readonly stores = [
    "inbox",
    "messages",
    "conversations",
    "accounts",
    "chains",
    "sealed",
    "used",
    "settings",
  ] as const satisfies Store[];

  /** What has become different: conversations, accounts whose name did; and positions that could not be opened. */
  readonly news = { changed: new Set<string>(), named: new Set<string>(), failed: [] as number[] };

  /** Over `stores`. */
  constructor(
    private readonly tx: Transaction,
    private readonly own: string,
    private readonly now: number,
  ) {}

  async message(one: Hashed): Promise<void> {
    const { message, content } = one;
    if (one.wasSealed) await this.tx.objectStore("sealed").delete(message.pos);
    if ((await this.tx.objectStore("messages").getKey(keyOf(message))) !== undefined) return;
    if (!content) return this.keepSealed(one);
    if (!(await this.useIndex(one))) {
      return this.noteMissing(keyOf(message), message.conversation, message.seq, message.time);
    }
    const missing = await this.continueChain(one, content);
    const known = await this.tx.objectStore("accounts").get(message.sender);
    const trusted = isTrusted(known, message.device);
    // Nobody takes another's name before being accepted.
    if (trusted || known?.name === null) await this.learnName(message.sender, content.name);
    const about = { own: message.sender === this.own, missing, trusted };
    await addMessage(this.tx, message, content, about);
    this.news.changed.add(message.conversation);
  }

  /** An entry needs no more work, however often the engine is stopped. */
  async done(entry: Stored): Promise<void> {
    if (entry.t === "gap") {
      const { conversation, first_seq } = entry;
      await this.noteMissing(`gap ${conversation} ${first_seq}`, conversation, first_seq, this.now);
    }
    await this.tx.objectStore("inbox").delete(entry.pos);
  }

  /** Notes that everything up to `pos` is kept; returns up to where it is in all. */
  async upTo(pos: number): Promise<number> {
    const before = ((await this.tx.objectStore("settings").get("lastPos")) as number | undefined) ?? 0;
    const lastPos = Math.max(pos, before);
    await set(this.tx, { lastPos });
    return lastPos;
  }

  /** Notes what was sealed and is opened: `told` is what the ack that names it says is kept. */
  async recovered(positions: readonly number[], told: number): Promise<void> {
    if (positions.length === 0) return;
    const before = (await this.tx.objectStore("settings").get("recovered")) as Settings["recovered"] | undefined;
    await set(this.tx, { recovered: [...(before ?? []), ...positions.map((pos) => ({ pos, told }))] });
  }

  /** Keeps what could not be opened as it came, until its key does. */
  private async keepSealed({ message, session, hash }: Hashed): Promise<void> {
    const { pos, conversation } = message;
    this.news.failed.push(pos);
    await this.tx.objectStore("sealed").put({ pos, conversation, session, frame: encodeServerFrame(message) });
    // The next message of this sender will tell if this one belonged here.
    const chain = await this.chainOf(message);
    if (chain) await this.putChain(message, chain.count + 1, hash);
  }

  /** Notes which index of its session a message used. Returns false if another message used it before. */
  private async useIndex({ message, session, index }: Hashed): Promise<boolean> {
    const store = this.tx.objectStore("used");
    const used = await store.get([session, index]);
    if (used) return used.key === keyOf(message);
    await store.put({ session, index, key: keyOf(message) });
    return true;
  }

  /** Ties a message to the one before. Returns whether something is missing between them. */
  private async continueChain({ message, wasSealed, hash }: Hashed, content: Content): Promise<boolean> {
    if (wasSealed) return false; // its place in the chain was taken when it came
    const before = await this.chainOf(message);
    await this.putChain(message, content.chain.count, hash);
    return !follows(before, content.chain);
  }

  private chainOf({ conversation, sender, device }: Message): Promise<ChainRow | undefined> {
    return this.tx.objectStore("chains").get([conversation, sender, device]);
  }

  private async putChain(message: Message, count: number, hash: Uint8Array): Promise<void> {
    const { conversation, sender: account, device, msg_id: msgId } = message;
    await this.tx.objectStore("chains").put({ conversation, account, device, count, hash, msgId });
  }

  private async learnName(account: string, name: string | null): Promise<void> {
    const store = this.tx.objectStore("accounts");
    const known = await store.get(account);
    if (!known || name === null || known.name === name) return;
    await store.put({ ...known, name });
    this.news.named.add(account);
  }

  /** A line that says so stands where messages are missing: a mailbox was full, or the server repeated one. */
  private async noteMissing(key: string, conversation: string, seq: number, time: number): Promise<void> {
    await this.tx.objectStore("messages").put({
      key,
      conversation,
      order: seq,
      seq,
      account: "",
      time,
      text: null,
      state: "sent",
      missing: true,
      trusted: true,
    });
    this.news.changed.add(conversation);
  }
}
