/** Accounts and conversations, as the server tells of them and as their owners sign them. */

import { checkTrust, Distrusted, doubted, IdentityChanged, learn } from "../crypto/directory";
import { set, write, type Transaction } from "../store/database";
import type { AccountRow, ConversationRow, DeviceRow } from "../store/schema";
import type { AccountKeys, Conversation, StaleEpoch } from "../wire/frames";
import { Turnstile, type Context } from "./context";

const MOST_ACCOUNTS = 100;
const MOST_CONVERSATIONS = 200;

const UNSIGNED = "the keys of a device are not signed by its owner";
const STRANGER = "the server puts somebody else into the conversation";

export class Contacts {
  /** Groups, which are not shown here yet: what is said in them stays as it came. */
  private readonly groups = new Set<string>();
  /** What the server says of accounts is taken in in its order, and not while a key is given to their devices. */
  private readonly taking = new Turnstile();

  constructor(private readonly context: Context) {}

  // Accounts

  account(id: string): Promise<AccountRow | undefined> {
    return this.context.db.get("accounts", id);
  }

  async device(account: string, device: string): Promise<DeviceRow | undefined> {
    return (await this.account(account))?.devices[device];
  }

  /** A device that something may come from: one that the account signs, or signed once. */
  async sender(account: string, device: string): Promise<DeviceRow | undefined> {
    const known = await this.account(account);
    return known?.devices[device] ?? known?.former[device];
  }

  /** Asks for the keys of accounts, and takes in what can be believed. */
  async learn(accounts: Iterable<string>): Promise<void> {
    const wanted = [...new Set(accounts)];
    for (let at = 0; at < wanted.length; at += MOST_ACCOUNTS) {
      const part = wanted.slice(at, at + MOST_ACCOUNTS);
      const { accounts: found } = await this.context.ask("keys", { t: "query_keys", accounts: part });
      await this.taking.run(() => this.takeIn(found));
    }
  }

  private async takeIn(found: readonly AccountKeys[]): Promise<void> {
    const { machine } = this.context;
    const rows = new Map<string, AccountRow>();
    for (const keys of found) {
      rows.set(keys.account, await learn(await this.account(keys.account), keys, this.context.account));
    }
    const sound = found.filter(({ account }) => rows.get(account)?.problem === null);
    if (sound.length > 0) {
      await machine.learn(sound, (account, device) => device in (rows.get(account)?.devices ?? {}));
    }
    for (const keys of sound) {
      if (await machine.vouches(keys.account, rows.get(keys.account)?.devices ?? {})) continue;
      rows.set(keys.account, doubted(await this.account(keys.account), keys, UNSIGNED));
    }
    await write(this.context.db, ["accounts"], async (tx) => {
      for (const row of rows.values()) await renew(tx, row);
    });
    for (const account of rows.keys()) this.context.emit({ kind: "account", account });
  }

  /**
   * Makes sure that the devices of a conversation are known and may be sent to. Throws Distrusted.
   *
   * Returns the sum of the versions of their lists. It belongs to what is encrypted for them: a sum that is read later
   * may count a device that was given no key.
   */
  async refresh(row: ConversationRow): Promise<number> {
    const stale: string[] = [];
    for (const [account, version] of Object.entries(row.members)) {
      const known = await this.account(account);
      const doubtful = known !== undefined && (known.problem !== null || known.master !== known.now);
      if (!known || known.version < version || doubtful) stale.push(account);
    }
    if (stale.length > 0) await this.learn(stale);
    return this.whileTrusted(row, (versions) => Promise.resolve(versions));
  }

  /** Asks anew for a conversation and its devices. Returns whether the mailboxes know them as the directory does. */
  async lookAgain(id: string): Promise<boolean> {
    await this.fetch([id]);
    const members = Object.entries((await this.conversation(id))?.members ?? {});
    await this.learn(members.map(([account]) => account));
    const known = await Promise.all(members.map(([account]) => this.account(account)));
    return members.every(([, version], at) => (known[at]?.version ?? 0) <= version);
  }

  /** Returns an account that something may be sent to. Throws Distrusted if nothing may. */
  async check(account: string): Promise<AccountRow> {
    const known = await this.account(account);
    checkTrust(account, known);
    if (await this.context.machine.needsApproval(account)) throw new IdentityChanged(account);
    return known;
  }

  /**
   * Does something for the devices of a conversation while nothing new is learned of them. Throws Distrusted.
   *
   * The encryption library gives a key to whatever identity it knows: an account must not change hands in between.
   */
  whileTrusted<T>(row: ConversationRow, work: (versions: number) => Promise<T>): Promise<T> {
    return this.taking.run(async () => {
      let versions = 0;
      for (const account of Object.keys(row.members)) versions += (await this.check(account)).version;
      return work(versions);
    });
  }

  /** Notes that an account's devices changed, and asks for them. */
  async heardOf(account: string, version: number): Promise<void> {
    await write(this.context.db, ["conversations"], async (tx) => {
      const store = tx.objectStore("conversations");
      for (const row of await store.getAll()) {
        if ((row.members[account] ?? version) < version) {
          await store.put({ ...row, members: { ...row.members, [account]: version } });
        }
      }
    });
    await this.learn([account]);
  }

  /** Accepts the identity that an account has now. */
  trust(id: string): Promise<void> {
    return this.taking.run(() => this.accept(id));
  }

  private async accept(id: string): Promise<void> {
    const known = await this.account(id);
    if (!known) throw new Distrusted(id, "the account is not known");
    await this.context.machine.approve(id);
    await write(this.context.db, ["accounts"], async (tx) => {
      await renew(tx, { ...known, master: known.now });
    });
    this.context.emit({ kind: "account", account: id });
  }

  /** Notes, and tells, what is wrong with what the server says of an account. */
  async doubt(id: string, problem: string): Promise<void> {
    const isNew = await write(this.context.db, ["accounts"], async (tx) => {
      const known = await tx.objectStore("accounts").get(id);
      if (!known || known.problem === problem) return false;
      await tx.objectStore("accounts").put({ ...known, problem });
      return true;
    });
    if (isNew) this.context.emit({ kind: "account", account: id });
  }

  // Conversations

  conversation(id: string): Promise<ConversationRow | undefined> {
    return this.context.db.get("conversations", id);
  }

  /** Returns whether a conversation is known, or known to be a group. */
  async isKnown(id: string): Promise<boolean> {
    return this.groups.has(id) || (await this.conversation(id)) !== undefined;
  }

  async directWith(account: string): Promise<ConversationRow | undefined> {
    const all = await this.context.db.getAll("conversations");
    return all.find(({ kind, members }) => kind === "direct" && account in members);
  }

  /** Takes in conversations that the server shows, those that can be believed. */
  async take(shown: readonly Conversation[]): Promise<void> {
    const sound: Conversation[] = [];
    const doubtful: string[] = [];
    await write(this.context.db, ["conversations", "accounts"], async (tx) => {
      const store = tx.objectStore("conversations");
      for (const conversation of shown) {
        if (conversation.kind === "group") this.groups.add(conversation.conversation);
        const before = await store.get(conversation.conversation);
        const members = conversation.members.map(({ account }) => account);
        if (this.isSound(before, conversation.kind, members)) {
          await store.put(merged(before, conversation, this.context.now()));
          sound.push(conversation);
        } else if (before) doubtful.push(await this.suspect(tx, before));
      }
    });
    for (const account of doubtful) this.context.emit({ kind: "account", account });
    await this.learnMembers(sound);
    for (const { conversation } of sound) this.context.emit({ kind: "changed", conversation });
  }

  /** Returns whether an account may speak in a conversation. */
  async isMember(id: string, account: string): Promise<boolean> {
    return account in ((await this.conversation(id))?.members ?? {});
  }

  /** Returns whether a conversation is of two, one of them oneself, and of the same two as ever. */
  private isSound(before: ConversationRow | undefined, kind: string, members: readonly string[]): boolean {
    const isPair = kind === "direct" && new Set([...members, this.context.account]).size === 2 && members.length === 2;
    return isPair && (!before || members.every((account) => account in before.members));
  }

  /** Notes what is wrong as the problem of the one who is in the conversation. Over `accounts`. */
  private async suspect(tx: Transaction, row: ConversationRow): Promise<string> {
    const other = Object.keys(row.members).find((account) => account !== this.context.account) ?? "";
    const known = await tx.objectStore("accounts").get(other);
    if (known) await tx.objectStore("accounts").put({ ...known, problem: STRANGER });
    return other;
  }

  /** Takes in what a refusal tells of a conversation's members. Throws Distrusted if they are not those who were. */
  async takeStale(id: string, stale: StaleEpoch): Promise<void> {
    const members = Object.fromEntries(stale.members.map(({ account, version }) => [account, version]));
    const doubtful = await write(this.context.db, ["conversations", "accounts"], async (tx) => {
      const store = tx.objectStore("conversations");
      const row = await store.get(id);
      if (!row) return null;
      if (!this.isSound(row, row.kind, Object.keys(members))) return this.suspect(tx, row);
      await store.put({ ...row, epoch: stale.epoch, members });
      return null;
    });
    if (doubtful !== null) throw new Distrusted(doubtful, STRANGER);
  }

  /**
   * Returns null if a conversation is known here as the server shows it.
   *
   * Else returns the members of whose devices it shows another version than the one that they signed, as it was asked
   * for anew. Throws Distrusted if what is said of these is wrong.
   */
  async compare(
    id: string,
    epoch: number,
    shown: readonly { account: string; version: number }[],
  ): Promise<readonly string[] | null> {
    const before = await this.apart(shown);
    // Where the directory is ahead, and that is noted, there is nothing to be learned from it.
    const unclear = before.filter(({ known, version }) => !known || known.problem === null || known.version < version);
    if (unclear.length > 0) await this.learn(unclear.map(({ account }) => account));
    for (const { account } of unclear) checkTrust(account, await this.account(account));
    const apart = (await this.apart(shown)).map(({ account }) => account);
    const row = await this.conversation(id);
    return apart.length > 0 || (row && row.epoch !== epoch) ? apart : null;
  }

  private async apart(shown: readonly { account: string; version: number }[]) {
    const all = shown.map(async ({ account, version }) => ({ account, version, known: await this.account(account) }));
    return (await Promise.all(all)).filter(({ known, version }) => known?.version !== version);
  }

  /** Asks for conversations by name. Returns what the server shows, whether or not it can be believed. */
  async fetch(ids: Iterable<string>): Promise<Conversation[]> {
    const wanted = [...new Set(ids)];
    const found: Conversation[] = [];
    for (let at = 0; at < wanted.length; at += MOST_CONVERSATIONS) {
      const conversations = wanted.slice(at, at + MOST_CONVERSATIONS);
      const reply = await this.context.ask("conversations", { t: "list_conversations", conversations, after: null });
      await this.take(reply.conversations);
      found.push(...reply.conversations);
    }
    return found;
  }

  /** Asks for all conversations, once for each device. */
  async fetchAll(): Promise<void> {
    let after: string | null = null;
    for (;;) {
      const reply = await this.page(after);
      await this.take(reply.conversations);
      const last = reply.conversations.at(-1);
      if (!reply.more || !last) break;
      after = last.conversation;
    }
    await write(this.context.db, ["settings"], (tx) => set(tx, { listed: true }));
  }

  private page(after: string | null) {
    return this.context.ask("conversations", { t: "list_conversations", conversations: [], after });
  }

  /** A name to show is worth a question; the keys are needed soon anyway. */
  private async learnMembers(shown: readonly Conversation[]): Promise<void> {
    const unknown: string[] = [];
    for (const { members } of shown) {
      for (const { account } of members) if (!(await this.account(account))) unknown.push(account);
    }
    if (unknown.length > 0) await this.learn(unknown);
  }
}

function merged(before: ConversationRow | undefined, shown: Conversation, now: number): ConversationRow {
  return {
    ...(before ?? { greeted: false, activity: now, preview: null, unread: 0, read: 0, draft: "" }),
    id: shown.conversation,
    kind: shown.kind,
    standing: shown.standing,
    epoch: shown.epoch,
    members: Object.fromEntries(shown.members.map(({ account, version }) => [account, version])),
  };
}

/** Writes what is known of an account; its name is what a message told, perhaps while its keys were looked at. */
async function renew(tx: Transaction, row: AccountRow): Promise<void> {
  const store = tx.objectStore("accounts");
  const known = await store.get(row.id);
  await store.put({ ...row, name: known ? known.name : row.name });
}
