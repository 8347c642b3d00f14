/**
 * The outbox: messages leave in the order in which they were written, and each is accepted once.
 *
 * A message is encrypted once and repeated byte for byte until the server has answered. Only a refusal, which
 * stores nothing, lets it be encrypted anew, and then all behind it in the conversation too, since each names the
 * one before.
 */

import { Distrusted } from "../crypto/directory";
import { setting, write, type Transaction } from "../store/database";
import type { ChainRow, ConversationRow, EntitledRow, OutboxRow, Sealing } from "../store/schema";
import { ContentShape } from "../wire/content";
import { megolmIndex, unpackMegolm } from "../wire/envelope";
import type { WireError } from "../wire/frames";
import { Agreement } from "./agreement";
import type { Contacts } from "./contacts";
import { sleep, type Context, type Turnstile } from "./context";
import { Disconnected, Refusal } from "./link";
import type { Shares } from "./shares";
import { digest, markFailed, markSent } from "./timeline";

const WINDOW = 32;
const PAUSE_MS = 1_000;
/** So often in a row keys are refused until it is not for the mailboxes that are behind the directory. */
const MOST_REFUSALS = 3;

type Row = OutboxRow & { readonly number: number };
type SealedRow = Row & { readonly sealed: Sealing };

export class Outbox {
  private readonly agreement: Agreement;
  private readonly lanes = new Map<string, Promise<void>>();
  private readonly again = new Set<string>();
  /** Conversations that have been written to with a session of this run of the engine. */
  private readonly fresh = new Set<string>();
  /** How often in a row the server has refused the keys of a conversation. */
  private readonly refusals = new Map<string, number>();

  constructor(
    private readonly context: Context,
    private readonly contacts: Contacts,
    private readonly shares: Shares,
    private readonly turnstile: Turnstile,
  ) {
    this.agreement = new Agreement(contacts);
  }

  /** Sends on, in one conversation or in all. Nobody waits for it; what goes wrong is told to the context. */
  wake(conversation?: string): void {
    if (conversation !== undefined) this.start(conversation);
    else this.startAll().catch(this.context.broken);
  }

  /** Waits until every lane has noticed that the connection is gone. */
  async stopped(): Promise<void> {
    this.agreement.stop();
    await Promise.all(this.lanes.values());
  }

  private async startAll(): Promise<void> {
    const rows = await this.context.db.getAll("outbox");
    for (const conversation of new Set(rows.map((row) => row.conversation))) this.start(conversation);
  }

  private start(conversation: string): void {
    if (!this.context.isConnected) return;
    if (this.lanes.has(conversation)) this.again.add(conversation);
    else this.lanes.set(conversation, this.run(conversation).catch(this.context.broken));
  }

  private async run(conversation: string): Promise<void> {
    try {
      do {
        this.again.delete(conversation);
        await this.sendAll(conversation);
      } while (this.again.has(conversation) && this.context.isConnected);
    } catch (error) {
      // What is cut off goes on with the next connection.
      if (!(error instanceof Disconnected)) throw error;
    } finally {
      this.lanes.delete(conversation);
    }
  }

  private async sendAll(conversation: string): Promise<void> {
    try {
      while (await this.step(conversation)) if (!this.context.isConnected) return;
    } catch (error) {
      // What is held back for distrust goes on when the person has decided.
      if (!(error instanceof Distrusted)) throw error;
      this.context.emit({ kind: "account", account: error.account });
    }
  }

  /** Sends a window of messages and takes in the answers. Returns whether there may be more. */
  private async step(conversation: string): Promise<boolean> {
    try {
      await this.agreement.reach(conversation);
    } catch (error) {
      await this.wait(error);
      return true;
    }
    const rows = await this.rows(conversation);
    if (rows.length === 0) return false;
    let sealed: SealedRow[] | null;
    if (rows.every(isSealed)) sealed = rows;
    else {
      const row = await this.contacts.conversation(conversation);
      if (!row) {
        await this.fail(conversation, rows[0]!, "NOT_ALLOWED");
        return true;
      }
      try {
        sealed = await this.turnstile.run(() => this.seal(row, rows));
      } catch (error) {
        await this.wait(error);
        return true;
      }
      if (!sealed) {
        await this.fail(conversation, rows[0]!, "NOT_ALLOWED");
        return true;
      }
    }
    const answers = sealed.map((row) => this.send(conversation, row));
    const outcomes = await Promise.allSettled(answers);
    const refusedAt = outcomes.findIndex(({ status }) => status === "rejected");
    const accepted = sealed.slice(0, refusedAt === -1 ? undefined : refusedAt);
    await this.settle(conversation, accepted, outcomes);
    const refusal = outcomes[refusedAt];
    if (refusal?.status === "rejected") {
      if (!(refusal.reason instanceof Refusal)) throw refusal.reason;
      await this.refused(conversation, sealed[refusedAt]!, refusal.reason.error);
    }
    return true;
  }

  /** Waits as long as a refusal asks for. Throws everything else. */
  private async wait(error: unknown): Promise<void> {
    if (!(error instanceof Refusal)) throw error;
    await sleep("retry_after" in error.error ? error.error.retry_after : PAUSE_MS);
  }

  private async send(conversation: string, row: SealedRow): Promise<number> {
    const { epoch, devices, prev, ciphertext } = row.sealed;
    const command = { t: "send", msg_id: row.msgId, conversation, epoch, devices, prev, ciphertext, shares: [] } as const;
    return (await this.context.ask("sent", command)).seq;
  }

  /**
   * Makes sure that every device has the key, and encrypts what is not encrypted yet. Returns null if the server will
   * not take the key: who may not be written to is given none. Throws Refusal if it is to be tried again.
   */
  private async seal(conversation: ConversationRow, rows: readonly Row[]): Promise<SealedRow[] | null> {
    const devices = await this.contacts.refresh(conversation);
    const accounts = Object.keys(conversation.members);
    await this.context.machine.startSessions(accounts, this.shares.claim.bind(this.shares));
    const isFirst = !this.fresh.has(conversation.id);
    // The store may have been restored since an earlier run: its session is never written with again.
    if (isFirst) await this.context.machine.forgetOutbound(conversation.id);
    this.fresh.add(conversation.id);
    const share = () => this.context.machine.shareKey(conversation.id, accounts);
    const key = await this.contacts.whileTrusted(conversation, share);
    const given = key.shares.map(({ account, device, curve25519 }) => ({ account, device, curve25519 }));
    if (given.length > 0) {
      await write(this.context.db, ["shares"], (tx) => this.shares.put(tx, conversation.id, key.shares));
      if (!(await this.shares.flush())) {
        await this.context.machine.forgetOutbound(conversation.id);
        // One of the devices is gone, or the mailboxes do not know it yet; or it is for good.
        const counts = await this.contacts.lookAgain(conversation.id);
        const refusals = (this.refusals.get(conversation.id) ?? 0) + (counts ? 1 : 0);
        this.refusals.set(conversation.id, refusals % MOST_REFUSALS);
        if (refusals === MOST_REFUSALS) return null;
        throw new Refusal({ t: "UNAVAILABLE", retry_after: PAUSE_MS });
      }
    }
    this.refusals.delete(conversation.id);
    await key.done();
    return this.encrypt(conversation, devices, rows, given);
  }

  private async encrypt(
    conversation: ConversationRow,
    devices: number,
    rows: readonly Row[],
    given: readonly Omit<EntitledRow, "session" | "index">[],
  ): Promise<SealedRow[]> {
    const { db, machine, account, device } = this.context;
    const name = (await setting(db, "name")) ?? null;
    let last = await db.get("chains", [conversation.id, account, device]);
    let toNote = given;
    const sealed: SealedRow[] = [];
    for (const row of rows) {
      let now = row.sealed;
      if (!now) {
        const count = (last?.count ?? 0) + 1;
        const isIntroduction = row.body.t === "profile" || toNote.length > 0;
        const chain = { count, prev: last?.hash ?? null };
        const content = ContentShape.encode({
          chain,
          time: row.time,
          body: row.body,
          name: isIntroduction ? name : null,
        });
        const { envelope, session } = await machine.encrypt(conversation.id, content);
        const index = megolmIndex(unpackMegolm(envelope).message);
        now = { ciphertext: envelope, epoch: conversation.epoch, devices, prev: last?.msgId ?? null, count };
        const noted = toNote;
        toNote = [];
        await write(db, ["outbox", "entitled"], async (tx) => {
          await tx.objectStore("outbox").put({ ...row, sealed: now });
          for (const to of noted) await tx.objectStore("entitled").put({ session, ...to, index });
        });
        // The session is worn out: what is left is written with the next one.
        if (index >= 99) {
          sealed.push({ ...row, sealed: now });
          break;
        }
      }
      sealed.push({ ...row, sealed: now });
      last = await this.link(conversation.id, row, now);
    }
    return sealed;
  }

  private async link(conversation: string, row: Row, sealed: Sealing): Promise<ChainRow> {
    const { account, device } = this.context;
    const hash = await digest(sealed.ciphertext);
    return { conversation, account, device, count: sealed.count, hash, msgId: row.msgId };
  }

  /** Notes what was accepted. */
  private async settle(
    conversation: string,
    accepted: readonly SealedRow[],
    outcomes: readonly PromiseSettledResult<number>[],
  ): Promise<void> {
    const last = accepted.at(-1);
    if (!last) return;
    this.agreement.accepted(conversation);
    const chain = await this.link(conversation, last, last.sealed);
    await write(this.context.db, ["outbox", "messages", "conversations", "chains"], async (tx) => {
      for (const [at, row] of accepted.entries()) {
        const outcome = outcomes[at];
        if (outcome?.status !== "fulfilled") continue;
        await tx.objectStore("outbox").delete(row.number);
        await markSent(tx, row.key, outcome.value);
      }
      await tx.objectStore("chains").put(chain);
    });
    this.context.emit({ kind: "changed", conversation });
  }

  /** Does what a refusal asks for: `row` was refused, and with it all behind it. */
  private async refused(conversation: string, row: SealedRow, error: WireError): Promise<void> {
    switch (error.t) {
      case "STALE_EPOCH":
        await write(this.context.db, ["outbox"], (tx) => this.unseal(tx, conversation, row.number));
        this.agreement.refused(conversation, row.sealed, error);
        return;
      case "OUT_OF_ORDER":
        // Nothing was before it on this connection: the store is older than what was sent from it.
        await this.turnstile.run(() => this.context.machine.forgetOutbound(conversation));
        await write(this.context.db, ["outbox", "chains"], async (tx) => {
          await this.rebase(tx, conversation, error.last);
          await this.unseal(tx, conversation, row.number);
        });
        return;
      case "RATE_LIMITED":
      case "UNAVAILABLE":
        await sleep(error.retry_after);
        return;
      case "UNKNOWN_OUTCOME":
        await sleep(PAUSE_MS);
        return;
      default:
        await this.fail(conversation, row, error.t);
    }
  }

  private async fail(conversation: string, row: Row, reason: string): Promise<void> {
    await write(this.context.db, ["outbox", "messages", "conversations"], async (tx) => {
      await tx.objectStore("outbox").delete(row.number);
      await markFailed(tx, row.key, reason);
      await this.unseal(tx, conversation, row.number);
    });
    this.context.emit({ kind: "changed", conversation });
  }

  /** Lets messages from `number` on be encrypted anew: the server stored none of them. */
  private async unseal(tx: Transaction, conversation: string, number: number): Promise<void> {
    const store = tx.objectStore("outbox");
    for (const row of await store.index("conversation").getAll(conversation)) {
      if (row.number !== undefined && row.number >= number) await store.put({ ...row, sealed: null });
    }
  }

  /** Takes the server's word for the last message that it accepted of this device. */
  private async rebase(tx: Transaction, conversation: string, last: Uint8Array | null): Promise<void> {
    const { account, device } = this.context;
    const store = tx.objectStore("chains");
    if (last === null) {
      await store.delete([conversation, account, device]);
      return;
    }
    const before = await store.get([conversation, account, device]);
    const start = { conversation, account, device, count: 0, hash: new Uint8Array(32) };
    await store.put({ ...(before ?? start), msgId: last });
  }

  private async rows(conversation: string): Promise<Row[]> {
    const rows = await this.context.db.getAllFromIndex("outbox", "conversation", conversation, WINDOW);
    return rows.filter((row): row is Row => row.number !== undefined);
  }
}

function isSealed(row: Row): row is SealedRow {
  return row.sealed !== null;
}
