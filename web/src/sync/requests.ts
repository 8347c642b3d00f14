/** Keys that are missing: asked for from the device that sent with them, and given to devices that may have them. */

import { CannotOpen } from "../crypto/bodies";
import { Distrusted } from "../crypto/directory";
import { KEY_ANSWER, KEY_REQUEST, type Said } from "../crypto/machine";
import { write } from "../store/database";
import { KeyAnswerShape, type KeyRequest } from "../wire/content";
import { decodeServerFrame } from "../wire/codec";
import type { Message } from "../wire/frames";
import { Malformed } from "../wire/shape";
import type { Contacts } from "./contacts";
import { sleep, type Context, type Turnstile } from "./context";
import type { Shares } from "./shares";

/** Milliseconds before each attempt to ask for a key. */
const WAITS = [0, 5_000, 30_000, 300_000, 1_800_000] as const;
const ANSWERS_A_MINUTE = 30;

/** A device, and what it proved to have the key of. */
type Holder = Pick<Said, "account" | "device" | "curve25519">;

interface Asked {
  readonly attempts: number;
  readonly due: number;
}

export class KeyRequests {
  private readonly asked = new Map<string, Asked>();
  private readonly answers = new Map<string, number[]>();
  private readonly toAnswer: { asker: Holder; request: KeyRequest }[] = [];
  private wakeUp: (() => void) | null = null;
  private woken = false;

  constructor(
    private readonly context: Context,
    private readonly contacts: Contacts,
    private readonly shares: Shares,
    private readonly turnstile: Turnstile,
  ) {}

  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  /** Answers a device, unless it asks too often. */
  answer(asker: Holder, request: KeyRequest): void {
    const { account, device } = asker;
    const now = Date.now();
    const recent = (this.answers.get(`${account} ${device}`) ?? []).filter((time) => time > now - 60_000);
    if (recent.length >= ANSWERS_A_MINUTE) return;
    this.answers.set(`${account} ${device}`, [...recent, now]);
    this.toAnswer.push({ asker, request });
    this.wake();
  }

  /** Takes a key that is missing for what a device sent, from that device: anybody can make up an answer. */
  async take(said: Said): Promise<void> {
    try {
      const answer = KeyAnswerShape.decode(said.content);
      const device = await this.contacts.device(said.account, said.device);
      if (device?.curve25519 !== said.curve25519 || !(await this.misses(said, answer))) return;
      await this.turnstile.run(() => this.context.machine.importSession(answer, said.curve25519, device.ed25519));
      this.context.machine.arrived.push([answer.conversation, answer.session]);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }

  private async misses(from: Holder, { conversation, session }: KeyRequest): Promise<boolean> {
    const sealed = await this.context.db.getAllFromIndex("sealed", "session", [conversation, session]);
    const messages = sealed.map(({ frame }) => decodeServerFrame(frame) as Message);
    return messages.some(({ sender, device }) => sender === from.account && device === from.device);
  }

  /** Asks and answers until `isOver`. Throws Disconnected. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      this.woken = false;
      await this.answerAll();
      const wait = await this.askDue();
      if (this.woken) continue;
      const woken = new Promise<void>((resolve) => (this.wakeUp = resolve));
      await (wait === null ? woken : Promise.race([woken, sleep(wait)]));
    }
  }

  private async answerAll(): Promise<void> {
    for (let one = this.toAnswer.shift(); one; one = this.toAnswer.shift()) {
      const { asker, request } = one;
      const key = await this.keyFor(asker, request);
      if (key !== null) await this.tell(asker, request.conversation, KEY_ANSWER, { ...request, key });
    }
  }

  /**
   * Returns a session's key for a device that was given it before, from the session's start on. It is asked now
   * whether its owner still signs it, and is who they were: the server may have put another in its place.
   */
  private async keyFor({ account, device, curve25519 }: Holder, request: KeyRequest): Promise<string | null> {
    const entitled = await this.context.db.get("entitled", [request.session, account, device]);
    // The library exports a session from its start alone, so that who came later cannot be answered.
    if (!entitled || entitled.index > 0 || entitled.curve25519 !== curve25519) return null;
    try {
      await this.contacts.check(account);
    } catch (error) {
      if (error instanceof Distrusted) return null;
      throw error;
    }
    if ((await this.contacts.device(account, device))?.curve25519 !== curve25519) return null;
    return this.turnstile.run(() => this.context.machine.exportSession(request.conversation, request.session));
  }

  /** Asks for what is due. Returns in how many milliseconds to look again; null if nothing is missing. */
  private async askDue(): Promise<number | null> {
    const now = Date.now();
    let soonest: number | null = null;
    const seen = new Set<string>();
    for (const row of await this.context.db.getAll("sealed")) {
      if (row.session === "") continue;
      const { sender, device } = decodeServerFrame(row.frame) as Message;
      const name = `${row.conversation} ${row.session} ${sender} ${device}`;
      if (seen.has(name)) continue;
      seen.add(name);
      let { attempts, due } = this.asked.get(name) ?? { attempts: 0, due: now };
      if (attempts >= WAITS.length || !(await this.contacts.conversation(row.conversation))) continue;
      if (due <= now) {
        attempts += 1;
        due = now + (WAITS[attempts] ?? 0);
        this.asked.set(name, { attempts, due });
        await this.askFor(sender, device, { conversation: row.conversation, session: row.session });
      }
      if (attempts < WAITS.length) soonest = Math.min(soonest ?? due, due);
    }
    return soonest === null ? null : Math.max(soonest - now, 100);
  }

  private async askFor(account: string, device: string, request: KeyRequest): Promise<void> {
    const known = await this.contacts.device(account, device);
    if (!known) return;
    const claim = this.shares.claim.bind(this.shares);
    await this.turnstile.run(async () => {
      const mended = await this.context.machine.mend(claim);
      await this.context.machine.startSessions([account], claim);
      if (mended.shares.length === 0) return;
      await write(this.context.db, ["shares"], (tx) => this.shares.put(tx, request.conversation, mended.shares));
      await this.shares.flush();
      await mended.done();
    });
    await this.tell({ account, device, ...known }, request.conversation, KEY_REQUEST, request);
  }

  /** Tells a device something, unless the library knows another one by its name by now. */
  private async tell(
    { account, device, curve25519 }: Holder,
    conversation: string,
    kind: string,
    content: KeyRequest & { key?: string },
  ): Promise<void> {
    try {
      const tell = () => this.context.machine.tell(account, device, kind, content);
      const share = await this.turnstile.run(tell);
      if (share.curve25519 !== curve25519) return;
      await write(this.context.db, ["shares"], (tx) => this.shares.put(tx, conversation, [share]));
      await this.shares.flush();
    } catch (error) {
      if (!(error instanceof CannotOpen)) throw error;
    }
  }
}
