/** One open conversation: its messages as far as they are loaded, what is being written, what has been read. */

import { messagesBefore, PENDING, type Database } from "../store/database";
import type { MessageRow } from "../store/schema";
import { discard, MAX_TEXT_BYTES, retry, saveDraft, sendDraft } from "../sync/actions";
import type { EngineClient } from "../sync/client";
import { Turnstile, type Happening } from "../sync/context";
import type { Conversations, Entry } from "./conversations.svelte";
import type { People } from "./people.svelte";
import { recall } from "./places";
import { Refresh } from "./refresh";
import { itemsOf, type Item } from "./rows";
import { dayOf } from "./time.svelte";

const PAGE = 120;
const TYPING_AGAIN_MS = 3_000;
const TYPING_ENDS_MS = 5_000;

export class Talk {
  private messages = $state.raw<readonly MessageRow[]>([]);
  /** The places between which the messages stand that were unread when the conversation was opened. */
  private unreadThen = $state<readonly [after: number, upTo: number] | null>(null);
  /** Readings of the database begin when the one before has ended: none puts back what an older one saw. */
  private readonly turnstile = new Turnstile();
  private readonly refresh = new Refresh(() => this.turnstile.run(() => this.readAgain()));
  private readonly drafts = new Refresh(() => this.keepDraft());
  private readonly readings = new Refresh(() => this.sayRead());
  private seen = 0;
  /** When something happened that was not read yet. */
  private heard: number | null = null;
  /** The draft as it is kept. */
  private kept = "";
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private typingSaid = 0;
  private loading: Promise<void> | null = null;
  isLoaded = $state(false);
  hasOlder = $state(true);
  /** Whether the last change was that older messages came before the others. */
  grewAtStart = $state(false);
  draft = $state("");

  constructor(
    readonly id: string,
    private readonly db: Database,
    private readonly client: EngineClient,
    private readonly conversations: Conversations,
    private readonly people: People,
    private readonly own: string,
    private readonly act: (work: () => Promise<unknown>) => void,
  ) {}

  readonly entry: Entry | null = $derived.by(() => this.conversations.get(this.id));
  readonly items: readonly Item[] = $derived.by(() =>
    itemsOf(this.messages, this.conversations.marksOf(this.id), this.own, this.unreadThen, dayOf),
  );
  readonly isTyping: boolean = $derived.by(() => {
    const other = this.entry?.person.account;
    return other !== undefined && this.people.isTyping(this.id, other);
  });
  /** How many characters too long the draft is. */
  readonly excess: number = $derived(Math.max(0, new TextEncoder().encode(this.draft.trim()).length - MAX_TEXT_BYTES));
  /** Messages of others behind the last one that was read. */
  readonly unread: number = $derived(this.entry?.unread ?? 0);

  /** Loads the newest messages, and at least all unread ones, and back to where the person was. */
  open(): Promise<void> {
    return this.turnstile.run(() => this.readFirst());
  }

  private async readFirst(): Promise<void> {
    const row = await this.db.get("conversations", this.id);
    this.kept = row?.draft ?? "";
    if (this.draft === "") this.draft = this.kept; // the person may already write
    const count = Math.max(PAGE, (row?.unread ?? 0) + PAGE / 2);
    this.messages = await messagesBefore(this.db, this.id, Infinity, count);
    this.hasOlder = this.messages.length >= count;
    // A message that waits moves forward once it is sent: what is loaded begins with one that does not.
    const left = recall(this.id);
    while (this.hasOlder && this.begin >= Math.min(left?.order ?? PENDING, PENDING)) await this.readOlder();
    if (left) await this.readOlder(); // so that the place itself is not where more is loaded
    const last = this.messages.findLast(({ seq }) => seq !== null)?.seq ?? 0;
    this.unreadThen = row && row.unread > 0 ? [row.read, last] : null;
    this.grewAtStart = false;
    this.isLoaded = true;
  }

  /** Loads a page of older messages. */
  loadOlder(): Promise<void> {
    this.loading ??= this.turnstile.run(() => this.readOlder()).finally(() => (this.loading = null));
    return this.loading;
  }

  private async readOlder(): Promise<void> {
    const first = this.messages[0]?.order;
    if (first === undefined || !this.hasOlder) return;
    const older = await messagesBefore(this.db, this.id, first, PAGE);
    this.hasOlder = older.length === PAGE;
    this.messages = [...older, ...this.messages];
    this.grewAtStart = true;
  }

  /** Takes in what happened at `time`. */
  async hear(happening: Happening, time: number): Promise<void> {
    if (happening.kind !== "changed" || happening.conversation !== this.id) return;
    this.heard ??= time;
    await this.refresh.run();
  }

  /** Where what is loaded begins. */
  private get begin(): number {
    return (this.hasOlder ? this.messages[0]?.order : undefined) ?? 0;
  }

  /** Reads everything that is loaded, and what has come behind it. */
  private async readAgain(): Promise<void> {
    const time = this.heard ?? 0;
    this.heard = null;
    const range = IDBKeyRange.bound([this.id, this.begin], [this.id, Infinity]);
    const fresh = await this.db.getAllFromIndex("messages", "place", range);
    const before = this.messages.at(-1);
    const last = fresh.at(-1);
    if (last && last.key !== before?.key && last.account !== this.own) this.people.arrived(this.id, last.account, time);
    this.messages = fresh;
    this.grewAtStart = false;
  }

  /** Notes what stands in the composer; tells the other that someone types. */
  write(text: string): void {
    this.draft = text;
    this.act(() => this.drafts.run());
    if (text.trim() === "") return this.stopTyping();
    if (Date.now() - this.typingSaid > TYPING_AGAIN_MS) {
      this.typingSaid = Date.now();
      this.sayTyping(true);
    }
    clearTimeout(this.typingTimer);
    this.typingTimer = setTimeout(() => this.stopTyping(), TYPING_ENDS_MS);
  }

  /** Sends what was written. It is kept before it is shown. */
  async send(): Promise<void> {
    const text = this.draft.trim();
    if (text === "" || this.excess > 0) return;
    this.draft = "";
    this.stopTyping();
    try {
      await sendDraft(this.db, this.id, text);
    } catch (error) {
      if (this.draft === "") this.draft = text; // the person still has it, in the composer
      throw error;
    }
    this.kept = "";
    this.client.changed(this.id);
    await this.client.call("wake", this.id);
  }

  async retry(key: string): Promise<void> {
    if (!(await retry(this.db, key))) return;
    this.client.changed(this.id);
    await this.client.call("wake", this.id);
  }

  async discard(key: string): Promise<void> {
    await discard(this.db, key);
    this.client.changed(this.id);
  }

  /** Notes that the person has seen everything up to `seq`. */
  read(seq: number): Promise<void> {
    this.seen = Math.max(this.seen, seq);
    return this.readings.run();
  }

  private async sayRead(): Promise<void> {
    if (this.entry && this.seen > this.entry.read) await this.client.call("read", this.id, this.seen);
  }

  /** The line of unread messages stays until the conversation is left. */
  leave(): void {
    this.stopTyping();
    this.act(async () => {
      await this.drafts.run();
      this.client.changed(this.id);
    });
  }

  /** Another tab may have another draft: what was not changed here is not written. */
  private async keepDraft(): Promise<void> {
    const { draft } = this;
    if (draft === this.kept) return;
    await saveDraft(this.db, this.id, draft);
    this.kept = draft;
  }

  private stopTyping(): void {
    clearTimeout(this.typingTimer);
    if (this.typingSaid === 0) return;
    this.typingSaid = 0;
    this.sayTyping(false);
  }

  private sayTyping(active: boolean): void {
    this.act(() => this.client.call("typing", this.id, active));
  }
}
