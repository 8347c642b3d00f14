/** How far the person has read: kept at once, told to the server when there is one. */

import { write } from "../store/database";
import type { ConversationRow } from "../store/schema";
import type { Context } from "./context";
import { Disconnected } from "./link";
import { readUpTo } from "./timeline";

/** How often a place is told: `mark_read` has no answer, so the next connection repeats what this one said. */
const TIMES = 2;

export class Readings {
  constructor(private readonly context: Context) {}

  /** Notes that everything up to `seq` was read. Returns whether that is news. */
  async note(conversation: string, seq: number): Promise<boolean> {
    const { db, account } = this.context;
    const isNews = await write(db, ["conversations", "messages"], async (tx) => {
      const store = tx.objectStore("conversations");
      const row = await store.get(conversation);
      if (!row || seq <= row.read) return false;
      await store.put({ ...(await readUpTo(tx, row, seq, account)), due: TIMES });
      return true;
    });
    const row = isNews ? await db.get("conversations", conversation) : undefined;
    if (row) await this.tell([row]);
    return isNews;
  }

  /** Tells what a new connection is to be told. */
  async repeat(): Promise<void> {
    await this.tell(await this.context.db.getAll("conversations"));
  }

  private async tell(rows: readonly ConversationRow[]): Promise<void> {
    const due = rows.filter((row) => (row.due ?? 0) > 0);
    if (due.length === 0 || !this.context.isConnected) return;
    try {
      for (const { id, read } of due) this.context.tell({ t: "mark_read", conversation: id, seq: read });
    } catch (error) {
      if (!(error instanceof Disconnected)) throw error;
      return;
    }
    await write(this.context.db, ["conversations"], async (tx) => {
      const store = tx.objectStore("conversations");
      for (const { id, read } of due) {
        const row = await store.get(id);
        if (row?.read === read) await store.put({ ...row, due: (row.due ?? 1) - 1 });
      }
    });
  }
}
