/** The list of conversations. */

import type { Database } from "../store/database";
import type { ConversationRow, MarkRow } from "../store/schema";
import type { Happening } from "../sync/context";
import type { People, Person } from "./people.svelte";
import { Refresh } from "./refresh";
import { tickOf, type Tick } from "./rows";

export interface Entry {
  readonly id: string;
  readonly person: Person;
  readonly standing: ConversationRow["standing"];
  readonly activity: number;
  readonly text: string | null;
  readonly own: boolean;
  /** For a last message of one's own. */
  readonly tick: Tick | null;
  readonly unread: number;
  readonly draft: string;
  readonly read: number;
}

export class Conversations {
  private rows = $state.raw<ReadonlyMap<string, ConversationRow>>(new Map());
  private marks = $state.raw<ReadonlyMap<string, readonly MarkRow[]>>(new Map());
  /** What has changed since it was read; null for everything. */
  private changed: Set<string> | null = null;
  private readonly refresh = new Refresh(() => this.read());
  isLoaded = $state(false);

  constructor(
    private readonly db: Database,
    private readonly people: People,
    private readonly own: string,
  ) {}

  /** All conversations, the one where something happened last first. */
  readonly entries: readonly Entry[] = $derived.by(() =>
    [...this.rows.values()].map((row) => this.entry(row)).toSorted((one, other) => other.activity - one.activity),
  );

  readonly unread: number = $derived(this.entries.filter(({ unread }) => unread > 0).length);

  load(): Promise<void> {
    this.changed = null;
    return this.refresh.run();
  }

  get(id: string): Entry | null {
    const row = this.rows.get(id);
    return row ? this.entry(row) : null;
  }

  /** How far the others of a conversation got. */
  marksOf(id: string): readonly MarkRow[] {
    return (this.marks.get(id) ?? []).filter(({ account }) => account !== this.own);
  }

  async hear(happening: Happening): Promise<void> {
    if (happening.kind !== "changed") return;
    this.changed?.add(happening.conversation);
    await this.refresh.run();
  }

  private async read(): Promise<void> {
    const { changed } = this;
    this.changed = new Set();
    if (changed === null) await this.readAll();
    else for (const id of changed) await this.readOne(id);
  }

  private async readAll(): Promise<void> {
    const tx = this.db.transaction(["conversations", "marks"]);
    const [rows, marks] = await Promise.all([
      tx.objectStore("conversations").getAll(),
      tx.objectStore("marks").getAll(),
    ]);
    this.rows = new Map(rows.map((row) => [row.id, row]));
    this.marks = Map.groupBy(marks, ({ conversation }) => conversation);
    this.isLoaded = true;
  }

  private async readOne(id: string): Promise<void> {
    const tx = this.db.transaction(["conversations", "marks"]);
    const [row, marks] = await Promise.all([
      tx.objectStore("conversations").get(id),
      tx.objectStore("marks").getAll(IDBKeyRange.bound([id, ""], [id, "\uffff"])),
    ]);
    if (row) this.rows = new Map(this.rows).set(id, row);
    this.marks = new Map(this.marks).set(id, marks);
  }

  private entry(row: ConversationRow): Entry {
    const other = Object.keys(row.members).find((account) => account !== this.own) ?? "";
    const { preview } = row;
    const tick = preview?.own ? tickOf(preview.failed ? "failed" : "sent", preview.seq, this.marksOf(row.id)) : null;
    return {
      id: row.id,
      person: this.people.get(other),
      standing: row.standing,
      activity: row.activity,
      text: preview?.text ?? null,
      own: preview?.own ?? false,
      tick,
      unread: row.unread,
      draft: row.draft,
      read: row.read,
    };
  }
}
