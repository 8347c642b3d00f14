/** The inbox: what waits in the mailbox becomes messages, each once, and is acknowledged when it is kept. */

import { CannotOpen } from "../crypto/bodies";
import { KEY_ANSWER, KEY_REQUEST, type Said } from "../crypto/machine";
import { set, setting, write } from "../store/database";
import { decodeServerFrame, encodeServerFrame } from "../wire/codec";
import { ContentShape, KeyRequestShape } from "../wire/content";
import { megolmIndex, unpackMegolm } from "../wire/envelope";
import type { Ack, KeyShare, Message } from "../wire/frames";
import { Malformed, toBase64 } from "../wire/shape";
import type { Contacts } from "./contacts";
import type { Context, Turnstile } from "./context";
import { Keeping, type Hashed, type Opened, type Stored } from "./keeping";
import { Disconnected } from "./link";
import type { KeyRequests } from "./requests";
import { digest } from "./timeline";

const BATCH = 50;
/** The most positions that an ack names. */
const MOST_NAMED = 1_000;

export class Inbox {
  private hasTried = false;

  constructor(
    private readonly context: Context,
    private readonly contacts: Contacts,
    private readonly requests: KeyRequests,
    private readonly turnstile: Turnstile,
  ) {}

  /** Keeps entries as they came, opens them, keeps what they say, and acknowledges them. */
  async take(entries: readonly Stored[]): Promise<void> {
    for (let at = 0; at < entries.length; at += BATCH) {
      const part = entries.slice(at, at + BATCH);
      await write(this.context.db, ["inbox"], async (tx) => {
        for (const entry of part) {
          await tx.objectStore("inbox").put({ pos: entry.pos, frame: encodeServerFrame(entry) });
        }
      });
      await this.process(part);
    }
  }

  /** Opens what was kept but not opened when the engine was stopped, and what its key may have come for just then. */
  async resume(): Promise<void> {
    const { db, machine } = this.context;
    if (!this.hasTried) machine.arrived.push(...(await this.missed()));
    this.hasTried = true;
    const kept = await db.getAll("inbox");
    if (kept.length + machine.arrived.length > 0) await this.process(kept.map(({ frame }) => decodeServerFrame(frame) as Stored));
  }

  /**
   * Returns what was acknowledged above `heard`, the highest position whose ack came through, once more.
   *
   * What was recovered is forgotten when an ack of a higher position came through: the line keeps them in order, and
   * each line is told of it before that.
   */
  async unheard(heard: number): Promise<Ack[]> {
    const { db } = this.context;
    const known = (await setting(db, "recovered")) ?? [];
    const recovered = known.filter(({ told }) => told >= heard);
    if (recovered.length < known.length) await write(db, ["settings"], (tx) => set(tx, { recovered }));
    const acks = recoveredAcks(
      heard,
      recovered.map(({ pos }) => pos),
    );
    const last = (await setting(db, "lastPos")) ?? 0;
    if (heard >= last) return acks;
    const sealed = await db.getAllKeys("sealed", IDBKeyRange.lowerBound(heard, true));
    for (const failed of parts(sealed)) acks.push({ t: "ack", pos: failed.at(-1)!, failed, recovered: [] });
    return [...acks, { t: "ack", pos: last, failed: [], recovered: [] }];
  }

  /** Returns the sessions that sealed messages wait for. */
  private async missed(): Promise<[string, string][]> {
    const missed: [string, string][] = [];
    const index = this.context.db.transaction("sealed").store.index("session");
    for (let at = await index.openKeyCursor(null, "nextunique"); at; at = await at.continue()) missed.push(at.key);
    return missed.filter(([, session]) => session !== "");
  }

  private async process(entries: readonly Stored[]): Promise<void> {
    await this.meet(entries);
    const shares = entries.filter((entry) => entry.t === "key_share");
    const said = shares.length > 0 ? await this.receive(shares) : [];
    const { arrived } = this.context.machine;
    const count = arrived.length;
    const recovered = await this.openSealed(arrived);
    const opened: Opened[] = [];
    for (const entry of entries) if (entry.t === "message") opened.push(await this.open(entry, false));
    await this.keep(entries, opened, recovered);
    arrived.splice(0, count);
    for (const one of said) this.answer(one);
  }

  /** Learns of the devices and conversations that entries are from, as far as they are not known. */
  private async meet(entries: readonly Stored[]): Promise<void> {
    const unknown = new Set<string>();
    const missing = new Set<string>();
    for (const entry of entries) {
      if (entry.t !== "gap" && !(await this.contacts.sender(entry.sender, entry.device))) unknown.add(entry.sender);
      if (entry.t !== "key_share" && !(await this.contacts.isKnown(entry.conversation))) {
        missing.add(entry.conversation);
      }
    }
    if (unknown.size > 0) await this.contacts.learn(unknown);
    if (missing.size > 0) await this.contacts.fetch(missing);
  }

  private async receive(shares: readonly KeyShare[]): Promise<Said[]> {
    const sound = shares.filter(({ ciphertext }) => ciphertext[0] === 2 && ciphertext.length > 34);
    const events = sound.map(({ sender, ciphertext }) => ({ account: sender, ciphertext }));
    const said = await this.turnstile.run(() => this.context.machine.receive(events));
    for (const one of said.filter(({ kind }) => kind === KEY_ANSWER)) await this.requests.take(one);
    return said.filter(({ kind }) => kind === KEY_REQUEST);
  }

  private answer(said: Said): void {
    try {
      this.requests.answer(said, KeyRequestShape.decode(said.content));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }

  private async open(message: Message, wasSealed: boolean): Promise<Opened> {
    const device = await this.contacts.sender(message.sender, message.device);
    const sender = { account: message.sender, device: message.device, curve25519: device?.curve25519 };
    try {
      if (!(await this.contacts.isMember(message.conversation, message.sender))) {
        throw new CannotOpen("from somebody who is not in the conversation");
      }
      const envelope = unpackMegolm(message.ciphertext);
      const session = withoutPadding(toBase64(envelope.session));
      const index = megolmIndex(envelope.message);
      const decrypt = () => this.context.machine.decrypt(message.conversation, sender, message.ciphertext);
      const content = ContentShape.decode(await this.turnstile.run(decrypt));
      return { message, content, wasSealed, session, index };
    } catch (error) {
      if (!(error instanceof CannotOpen) && !(error instanceof Malformed)) throw error;
      return { message, content: null, wasSealed, session: sessionOf(message), index: 0 };
    }
  }

  /** Opens what waited for keys that have come: for sessions, each as [conversation, session]. */
  private async openSealed(sessions: readonly [string, string][]): Promise<Opened[]> {
    const opened = new Map<number, Opened>();
    for (const session of sessions) {
      for (const { pos, frame } of await this.context.db.getAllFromIndex("sealed", "session", session)) {
        if (!opened.has(pos)) opened.set(pos, await this.open(decodeServerFrame(frame) as Message, true));
      }
    }
    return [...opened.values()].filter(({ content }) => content !== null);
  }

  /** Writes down what entries say, in one transaction, and acknowledges them. */
  private async keep(entries: readonly Stored[], opened: Opened[], recovered: Opened[]): Promise<void> {
    const { db, account } = this.context;
    const last = entries.at(-1)?.pos ?? 0;
    const all = await Promise.all([...recovered, ...opened].map(withHash));
    const found = recovered.map(({ message }) => message.pos);
    const { news, upTo } = await write(db, [...Keeping.stores], async (tx) => {
      const keeping = new Keeping(tx, account, this.context.now());
      for (const one of all) await keeping.message(one);
      for (const entry of entries) await keeping.done(entry);
      const kept = await keeping.upTo(last);
      await keeping.recovered(found, kept);
      return { news: keeping.news, upTo: kept };
    });
    this.acknowledge({ t: "ack", pos: upTo, failed: news.failed, recovered: [] });
    for (const ack of recoveredAcks(upTo, found)) this.acknowledge(ack);
    for (const conversation of news.changed) this.context.emit({ kind: "changed", conversation });
    for (const one of news.named) this.context.emit({ kind: "account", account: one });
    if (news.failed.length > 0) this.requests.wake();
  }

  /** What is kept is told of, whether or not the line still is there; `unheard` repeats the acks. */
  private acknowledge(ack: Ack): void {
    try {
      this.context.tell(ack);
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    }
  }
}

/** Returns acks that name what was recovered, and say that everything up to `kept` is kept. */
function recoveredAcks(kept: number, positions: readonly number[]): Ack[] {
  return parts(positions).map((recovered) => ({ t: "ack", pos: kept, failed: [], recovered }));
}

/** Returns positions in parts that an ack may name. */
function parts(positions: readonly number[]): number[][] {
  const count = Math.ceil(positions.length / MOST_NAMED);
  return Array.from({ length: count }, (_, part) => positions.slice(part * MOST_NAMED, (part + 1) * MOST_NAMED));
}

async function withHash(opened: Opened): Promise<Hashed> {
  return { ...opened, hash: await digest(opened.message.ciphertext) };
}

function sessionOf(message: Message): string {
  try {
    return withoutPadding(toBase64(unpackMegolm(message.ciphertext).session));
  } catch {
    return "";
  }
}

function withoutPadding(text: string): string {
  return text.replace(/=+$/, "");
}
