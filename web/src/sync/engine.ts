/** The engine: it connects, signs in, catches up, and comes back whenever the connection is lost. */

import type { Machine } from "../crypto/machine";
import { set, setting, write, type Database } from "../store/database";
import { Close } from "../wire/closes";
import type { Challenge, Ready } from "../wire/frames";
import { RenewalShape } from "../wire/http";
import { helloText, renewalText } from "../wire/signing";
import { queueProfile } from "./actions";
import { Contacts } from "./contacts";
import { Context, sleep, Turnstile, type Happening, type Held } from "./context";
import { nothing, request, ServerRefused } from "./http";
import { Inbox } from "./inbox";
import type { Stored } from "./keeping";
import { Disconnected, Link, Refusal, type Event } from "./link";
import { Outbox } from "./outbox";
import { Readings } from "./readings";
import { KeyRequests } from "./requests";
import { Shares } from "./shares";
import { raiseMark } from "./timeline";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const LATER_WAIT_MS = 2_000;
/** A connection on which nothing was heard for so long is asked if it is still there, and given so long to answer. */
const QUIET_MS = 25_000;
const PROBE_MS = 5_000;
const RENEW_EVERY_MS = 6 * 3_600_000;
/** How often a hole in the mailbox has been there when it is believed. */
const BELIEVED = 2;

/** This device was signed out. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
}

export class Engine {
  readonly context: Context;
  readonly contacts: Contacts;
  private readonly turnstile = new Turnstile();
  private readonly shares: Shares;
  private readonly requests: KeyRequests;
  private readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly readings: Readings;
  private link: Link | null = null;
  private stopped = false;
  private wakeUp: (() => void) | null = null;
  private renewed = 0;
  private caughtUp = false;
  private watched: readonly string[] = [];
  private online = false;
  private held: Held | null = null;
  private hole: string | null = null;
  /** How often that hole was there. */
  private seen = 0;

  constructor(
    db: Database,
    machine: Machine,
    emit: (happening: Happening) => void,
    broken: (error: unknown) => void,
  ) {
    this.context = new Context(db, machine, emit, broken);
    this.contacts = new Contacts(this.context);
    this.shares = new Shares(this.context);
    this.requests = new KeyRequests(this.context, this.contacts, this.shares, this.turnstile);
    this.inbox = new Inbox(this.context, this.contacts, this.requests, this.turnstile);
    this.outbox = new Outbox(this.context, this.contacts, this.shares, this.turnstile);
    this.readings = new Readings(this.context);
  }

  /** Runs until the device is signed out (throws SignedOut) or `stop` is called. */
  async run(): Promise<void> {
    let wait = 0;
    while (!this.stopped) {
      try {
        await this.live(() => (wait = 0));
      } catch (error) {
        wait = this.waitAfter(error, wait);
      } finally {
        this.context.use(null);
        this.link?.cut();
        this.requests.wake();
        await this.outbox.stopped();
        this.setCaughtUp(false);
      }
      await this.pause(wait);
    }
  }

  stop(): void {
    this.stopped = true;
    this.link?.cut();
    this.wakeUp?.();
  }

  /** Comes back at once: the network is there again, or the person is. */
  hurry(): void {
    if (this.held === null) this.wakeUp?.();
    if (this.link?.isOpen && this.context.isConnected) this.probe(this.link);
  }

  /** Connects although the device is in use elsewhere, which ends that. */
  useHere(): void {
    this.held = null;
    this.wakeUp?.();
  }

  /** Finds out whether a connection is still there: it may have gone without a word. */
  private probe(link: Link): void {
    const question = { t: "upload_keys", one_time: [], fallback: null, replace: false } as const;
    link.ask(question, PROBE_MS).catch((error: unknown) => {
      if (!(error instanceof Refusal)) link.cut();
    });
  }

  private watch(link: Link): void {
    const watching = setInterval(() => {
      if (!link.isOpen) clearInterval(watching);
      else if (link.silence > QUIET_MS) this.probe(link);
    }, PROBE_MS);
  }

  private async pause(milliseconds: number): Promise<void> {
    if (this.stopped) return;
    const woken = new Promise<void>((resolve) => (this.wakeUp = resolve));
    await (this.held === null ? Promise.race([sleep(milliseconds), woken]) : woken);
  }

  /** Tells who is looked at, and whether the person looks. Said again after every connection. */
  attend(watched: readonly string[], online: boolean): void {
    const changed = online !== this.online || watched.join() !== this.watched.join();
    this.watched = watched;
    this.online = online;
    if (changed) this.sayAttention();
  }

  /** Tells the server something that is worth nothing later. */
  signal(notice: Parameters<Context["tell"]>[0]): void {
    if (!this.context.isConnected) return;
    try {
      this.context.tell(notice);
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
    }
  }

  /** Says where things stand, for a tab that has just come. */
  report(): void {
    const { isConnected: online } = this.context;
    this.context.emit({ kind: "connection", online, caughtUp: this.caughtUp, held: this.held });
  }

  /** Gives the browser's cookie a new term, by this device's key. */
  async renew(): Promise<void> {
    // The first try may only tell what time it is.
    if (!(await this.askRenewal()) && !(await this.askRenewal())) throw new Disconnected();
  }

  /** Returns whether it was renewed; if not, this device's clock was wrong, and now follows the server's. */
  private async askRenewal(): Promise<boolean> {
    const { db, machine, account, device } = this.context;
    const serverId = (await setting(db, "serverId")) ?? "";
    const nonce = crypto.getRandomValues(new Uint8Array(16));
    const time = this.context.now();
    const signature = await this.turnstile.run(() =>
      machine.sign(renewalText(serverId, account, device, time, nonce)),
    );
    const body = RenewalShape.encode({ account, device, time, nonce, signature });
    try {
      await request("POST", "/v1/renewal", nothing, { body });
      this.renewed = Date.now();
      return true;
    } catch (error) {
      if (error instanceof ServerRefused && error.code === "NOT_SIGNED_IN") throw new SignedOut();
      if (!(error instanceof ServerRefused) || error.time === null) throw new Disconnected();
      this.context.adjust(error.time);
      return false;
    }
  }

  private async live(onReady: () => void): Promise<void> {
    if (Date.now() - this.renewed > RENEW_EVERY_MS) await this.renew();
    const url = new URL("/v1/socket", self.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.link = await Link.connect(url.href);
    const first = await this.greet(this.link);
    this.context.use(this.link);
    onReady();
    this.report();
    await this.inbox.resume();
    await this.shares.flush();
    const link = this.link;
    this.watch(link);
    const asking = this.requests.run(() => this.link !== link || !this.context.isConnected);
    asking.catch((error: unknown) => (isExpected(error) ? link.cut() : this.context.broken(error)));
    this.outbox.wake();
    await this.readings.repeat();
    this.sayAttention();
    let pending = first;
    for (;;) {
      await this.take(pending.length > 0 ? pending : await link.next());
      pending = [];
    }
  }

  /** Answers the challenge; returns the events that came along. */
  private async greet(link: Link): Promise<Event[]> {
    const [challenge, ...rest] = await link.next();
    if (challenge?.t !== "challenge") throw new Disconnected();
    const ready = await this.hello(link, challenge);
    const { db } = this.context;
    this.context.adjust(ready.time);
    const lastPos = (await setting(db, "lastPos")) ?? 0;
    const mailboxId = (await setting(db, "mailboxId")) ?? new Uint8Array();
    const isSame = mailboxId.join() === ready.mailbox_id.join();
    await write(db, ["settings", "sealed", "inbox"], async (tx) => {
      if (!isSame) {
        await set(tx, { mailboxId: ready.mailbox_id, lastPos: 0, recovered: [] });
        await tx.objectStore("sealed").clear();
        await tx.objectStore("inbox").clear();
      } else if (ready.pos > lastPos) {
        // The server has seen more acknowledged than is known here: the store is an old copy.
        await set(tx, { lastPos: ready.pos, restored: true });
      }
    });
    for (const ack of await this.inbox.unheard(ready.pos)) link.tell(ack);
    return rest;
  }

  private async hello(link: Link, { nonce, server_id }: Challenge): Promise<Ready> {
    const { db, machine, account, device } = this.context;
    if (server_id !== (await setting(db, "serverId"))) throw new SignedOut();
    const mailboxId = (await setting(db, "mailboxId")) ?? new Uint8Array();
    const text = helloText(nonce, server_id, account, device, mailboxId);
    const signature = await this.turnstile.run(() => machine.sign(text));
    const lastPos = (await setting(db, "lastPos")) ?? 0;
    const marksSince = (await setting(db, "marksSince")) ?? 0;
    try {
      const who = { account, device, mailbox_id: mailboxId, signature };
      const reply = await link.ask({ t: "hello", ...who, last_pos: lastPos, marks_since: marksSince });
      if (reply.t === "ready") return reply;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    throw new Disconnected();
  }

  /** Takes in what arrived, in order; entries of the mailbox together. */
  private async take(events: readonly Event[]): Promise<void> {
    let stored: Stored[] = [];
    for (const event of events) {
      if (event.t === "message" || event.t === "key_share" || event.t === "gap") {
        stored.push(event);
        continue;
      }
      await this.keep(stored);
      stored = [];
      await this.takeOne(event);
    }
    await this.keep(stored);
  }

  /**
   * Keeps what is new. Only what expired leaves a hole in a mailbox, but it may as well have been the line that lost
   * entries, and an ack would take them from the server: comes back, and believes in the hole when it was there often
   * enough.
   */
  private async keep(entries: readonly Stored[]): Promise<void> {
    let known = (await setting(this.context.db, "lastPos")) ?? 0;
    const fresh: Stored[] = [];
    let hole: string | null = null;
    for (const entry of entries) {
      const step = `${known}-${entry.pos}`;
      if (entry.pos > known + 1 && (step !== this.hole || this.seen < BELIEVED)) {
        hole = step;
        break;
      }
      if (entry.pos <= known) continue;
      fresh.push(entry);
      known = entry.pos;
    }
    if (fresh.length > 0) await this.inbox.take(fresh);
    if (hole === null) return;
    this.seen = hole === this.hole ? this.seen + 1 : 1;
    this.hole = hole;
    throw new Disconnected();
  }

  private async takeOne(event: Exclude<Event, Stored>): Promise<void> {
    const { db, account, emit } = this.context;
    switch (event.t) {
      case "marks": {
        await write(db, ["marks", "conversations", "messages", "settings"], async (tx) => {
          await raiseMark(tx, event, account);
          const before = ((await tx.objectStore("settings").get("marksSince")) as number | undefined) ?? 0;
          await set(tx, { marksSince: Math.max(before, event.time) });
        });
        return emit({ kind: "changed", conversation: event.conversation });
      }
      case "caught_up":
        return this.onCaughtUp();
      case "device_list":
        await this.attempt(this.contacts.heardOf(event.account, event.version));
        return this.outbox.wake(); // what was held back for doubt may go now
      case "conversation_changed":
        await this.attempt(this.contacts.take([event.conversation]));
        this.sayAttention(); // who was accepted may be seen now
        return this.meet();
      case "keys_low":
        return this.attempt(this.supplyKeys());
      case "typing":
        return emit({ kind: "typing", ...pick(event) });
      case "presence":
        return emit({ kind: "presence", account: event.account, online: event.online, lastSeen: event.last_seen });
      default:
      // reconnect: the close that follows says it again
    }
  }

  private async onCaughtUp(): Promise<void> {
    const { db } = this.context;
    if (!(await setting(db, "listed"))) await this.contacts.fetchAll();
    if (await setting(db, "restored")) await this.attempt(this.supplyKeys());
    await this.meet();
    this.requests.wake();
    this.setCaughtUp(true);
  }

  /** Sends one's name into conversations that have opened. */
  private async meet(): Promise<void> {
    const { db } = this.context;
    for (const row of await db.getAll("conversations")) {
      if (row.standing !== "open" || row.greeted) continue;
      if (await queueProfile(db, row.id, this.context.now())) this.outbox.wake(row.id);
    }
  }

  /** Hands the server more one-time keys; after a restored store, others for all that it holds. */
  private async supplyKeys(): Promise<void> {
    const { db, machine } = this.context;
    const replace = (await setting(db, "restored")) ?? false;
    const ask = { t: "upload_keys", one_time: [], fallback: null, replace: false } as const;
    const count = replace ? { one_time: 0, fallback: false } : await this.context.ask("key_count", ask);
    const upload = await this.turnstile.run(() => machine.keysToUpload(count.one_time, count.fallback));
    if (upload) {
      const { oneTime, fallback } = upload;
      const question = { t: "upload_keys", one_time: oneTime, fallback, replace } as const;
      const { one_time } = await this.context.ask("key_count", question);
      await this.turnstile.run(() => upload.done(one_time));
    }
    await write(db, ["settings"], (tx) => set(tx, { restored: false }));
  }

  private sayAttention(): void {
    this.signal({ t: "set_presence", online: this.online });
    this.signal({ t: "watch", accounts: this.watched });
  }

  private setCaughtUp(caughtUp: boolean): void {
    this.caughtUp = caughtUp;
    this.report();
  }

  /** Does something that would be done again with the next connection if it is refused now. */
  private async attempt(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** Returns how long to wait after a connection ended. Throws SignedOut, and what is not expected. */
  private waitAfter(error: unknown, wait: number): number {
    if (!isExpected(error)) throw error;
    if (error instanceof Refusal) return "retry_after" in error.error ? error.error.retry_after : LATER_WAIT_MS;
    const hundred = Math.floor(error.code / 100);
    if (hundred === 42) this.renewed = 0; // the renewal tells if the device was signed out
    if (hundred === 43) this.held = error.code === Close.NEWER_CONNECTION ? "elsewhere" : "outdated";
    if (hundred === 41) return LATER_WAIT_MS * (1 + Math.random());
    return Math.min(Math.max(wait * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
  }
}

/** What may happen to any connection: it ends, or the server cannot do now what was asked. */
function isExpected(error: unknown): error is Disconnected | Refusal {
  return error instanceof Disconnected || error instanceof Refusal;
}

function pick({ conversation, account, active }: { conversation: string; account: string; active: boolean }) {
  return { conversation, account, active };
}
