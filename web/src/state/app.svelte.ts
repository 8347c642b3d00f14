/** The whole application: who is signed in here, what is open, how the connection is. */

import { openDatabase, setting, type Database } from "../store/database";
import { noteServerTime } from "../sync/actions";
import { EngineClient } from "../sync/client";
import { CallFailed } from "../sync/channel";
import type { Happening, Held } from "../sync/context";
import { request, ServerRefused, Unreachable } from "../sync/http";
import { InviteInfoShape, type Device, type InviteInfo, type Privacy } from "../wire/http";
import type { Answer } from "../wire/names";
import { Conversations } from "./conversations.svelte";
import { isWord, t } from "./i18n.svelte";
import { People } from "./people.svelte";
import { go, leave, route } from "./router.svelte";
import { Talk } from "./talk.svelte";
import { takeNewest } from "./version";

export type Phase = "loading" | "insecure" | "broken" | "out" | "in";

/** A shorter gap in the connection is nobody's business. */
const PATIENCE_MS = 2_000;
const ATTEND_MS = 10_000;
const SAID_MS = 5_000;
const MOST_WATCHED = 30;

function isLookedAt(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

export class Application {
  phase = $state<Phase>("loading");
  /** Why someone who was signed in is not any more. */
  wasSignedOut = $state(false);
  handle = $state("");
  name = $state("");
  account = $state("");
  talk = $state.raw<Talk | null>(null);
  people = $state.raw<People | null>(null);
  conversations = $state.raw<Conversations | null>(null);
  /** Whether to say that there is no connection. */
  isOffline = $state(false);
  hasNetwork = $state(navigator.onLine);
  /** Why this browser does not connect by itself, if so. */
  held = $state<Held | null>(null);
  /** Whether the person looks at this page. */
  isLookedAt = $state(isLookedAt());
  /** Something that is said for a moment. */
  said = $state("");
  private db: Database | null = null;
  private client: EngineClient | null = null;
  private patience: ReturnType<typeof setTimeout> | undefined;
  /** Whom the engine was told of. */
  private attended = "";
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly scriptUrl: (url: string) => string) {}

  /** Starts, in whatever phase this browser is. */
  async start(): Promise<void> {
    if (!isSecureContext || !("locks" in navigator)) {
      this.phase = "insecure";
      return;
    }
    try {
      this.db = await openDatabase();
      this.client = new EngineClient(this.scriptUrl);
      this.client.listen((happening) => this.take(happening));
      await this.enter();
    } catch (error) {
      console.error(error);
      this.phase = "broken";
    }
    addEventListener("online", () => this.noteNetwork(true));
    addEventListener("offline", () => this.noteNetwork(false));
    document.addEventListener("visibilitychange", () => this.attend());
    addEventListener("focus", () => this.attend());
    addEventListener("blur", () => this.attend());
    setInterval(() => this.attend(), ATTEND_MS);
  }

  // Coming in

  /** Begins to load what registering and signing in need, while the person still types. */
  prepare(): void {
    this.client?.start();
  }

  async inviteInfo(code: string): Promise<InviteInfo> {
    return request("GET", `/v1/invites/${encodeURIComponent(code)}`, InviteInfoShape);
  }

  async register(wanted: { invite: string; name: string; password: string; displayName: string }): Promise<void> {
    await this.anew(() => this.engine.call("register", wanted));
  }

  /** Signs in. Returns false if that needs to start again, since another device is in use. */
  async signIn(wanted: { name: string; password: string; startAgain: boolean }): Promise<boolean> {
    try {
      await this.anew(() => this.engine.call("signIn", wanted));
      return true;
    } catch (error) {
      if (error instanceof CallFailed && error.code === "OTHER_DEVICES") return false;
      throw error;
    }
  }

  async signOut(): Promise<void> {
    await this.anew(() => this.engine.call("signOut"));
    this.wasSignedOut = false;
  }

  // What a person does

  open(conversation: string): void {
    go({ page: "talk", conversation }, route().page === "talk");
  }

  /** Shows the conversation that the address names. */
  async show(conversation: string | null): Promise<void> {
    if (this.talk?.id === conversation) return;
    this.talk?.leave();
    const act = this.act.bind(this);
    if (conversation === null || !this.db || !this.conversations || !this.people) {
      this.talk = null;
      return;
    }
    const talk = new Talk(conversation, this.db, this.engine, this.conversations, this.people, this.account, act);
    this.talk = talk;
    await talk.open();
    this.attend();
  }

  /** Opens the next conversation in the list, or the one before, or the next unread one. */
  step(by: 1 | -1, unreadOnly: boolean): void {
    const entries = this.conversations?.entries ?? [];
    const here = entries.findIndex(({ id }) => id === this.talk?.id);
    const count = entries.length;
    for (let far = 1; far <= count; far += 1) {
      const start = here === -1 && by === -1 ? 0 : here;
      const entry = entries[(((start + by * far) % count) + count) % count];
      if (entry && (!unreadOnly || entry.unread > 0)) return this.open(entry.id);
    }
  }

  /** Opens the conversation with someone of an exact name. */
  async openByName(name: string): Promise<void> {
    const found = await this.engine.call("find", name);
    if (found.account === this.account) throw new Problem(t("new.self"));
    this.open(await this.engine.call("openDirect", found.account));
  }

  async invite(): Promise<string> {
    const made = await this.engine.call("invite", 7, 1);
    return `${location.origin}/#/join/${made.code}`;
  }

  async respond(conversation: string, answer: Answer): Promise<void> {
    await this.engine.call("respond", conversation, answer);
    if (answer === "decline") leave();
  }

  async trust(account: string): Promise<void> {
    await this.engine.call("trust", account);
  }

  /** Connects here although the account is open in a copy of this browser's data, which ends that. */
  async useHere(): Promise<void> {
    await this.engine.call("useHere");
  }

  /** Loads the page and the engine anew, in the newest version that the server has. */
  async startAnew(): Promise<void> {
    await takeNewest();
    await this.engine.call("useHere");
    location.reload();
  }

  async devices(): Promise<readonly Device[]> {
    return this.engine.call("devices");
  }

  async privacy(): Promise<Privacy> {
    return this.engine.call("privacy");
  }

  async setPrivacy(privacy: Privacy): Promise<void> {
    await this.engine.call("setPrivacy", privacy);
  }

  async setName(name: string): Promise<void> {
    await this.engine.call("setName", name);
    this.name = name;
  }

  /** Does something in passing; a failure is said for a moment. */
  act(work: () => Promise<unknown>): void {
    work().catch((error: unknown) => {
      this.said = this.explain(error);
      clearTimeout(this.silence);
      this.silence = setTimeout(() => (this.said = ""), SAID_MS);
    });
  }

  /** Says in plain words why something did not work. */
  explain(error: unknown): string {
    if (error instanceof Problem) return error.message;
    const code = error instanceof ServerRefused || error instanceof CallFailed ? error.code : null;
    const word = `error.${code ?? ""}`;
    if (code !== null && isWord(word)) return t(word);
    const kind = error instanceof CallFailed ? error.kind : "";
    if (error instanceof Unreachable || kind === "Unreachable" || kind === "Disconnected") return t("error.unreachable");
    console.error(error);
    return t("error.other");
  }

  private get engine(): EngineClient {
    if (!this.client) throw new Problem(t("error.other"));
    return this.client;
  }

  private async anew(work: () => Promise<void>): Promise<void> {
    this.close();
    try {
      await work();
    } finally {
      this.db = await openDatabase();
      await this.enter();
    }
  }

  /** Lets go of what is shown, and of the database behind it. */
  private close(): void {
    this.talk = null;
    this.conversations = null;
    this.people = null;
    this.db?.close();
    this.db = null;
  }

  /** Reads who is signed in here, and what there is to show. */
  private async enter(): Promise<void> {
    const db = this.db!;
    this.talk = null;
    if (!(await setting(db, "enrolled"))) {
      this.phase = "out";
      return;
    }
    this.account = (await setting(db, "account")) ?? "";
    this.handle = (await setting(db, "handle")) ?? "";
    this.name = (await setting(db, "name")) ?? "";
    this.people = new People(db);
    this.conversations = new Conversations(db, this.people, this.account);
    await Promise.all([this.people.load(), this.conversations.load()]);
    if (route().page === "join" || route().page === "sign-in") go({ page: "list" }, true);
    this.phase = "in";
    this.wasSignedOut = false;
    this.expectConnection();
    this.act(() => this.engine.call("status"));
    this.attend();
  }

  private take(happening: Happening): void {
    const { db } = this;
    this.hear(happening).catch((error: unknown) => {
      // What was being read when the database was closed is of no interest any more.
      if (db === this.db) this.act(() => Promise.reject(error));
    });
  }

  private async hear(happening: Happening): Promise<void> {
    const time = performance.now();
    if (happening.kind === "signed-out") return this.onSignedOut();
    if (happening.kind === "clock" && this.db) await noteServerTime(this.db, happening.serverTime);
    if (happening.kind === "connection") this.noteConnection(happening.online, happening.held);
    await Promise.all([
      this.people?.hear(happening),
      this.conversations?.hear(happening),
      this.talk?.hear(happening, time),
    ]);
    if (this.shown.join() !== this.attended) this.attend();
  }

  private async onSignedOut(): Promise<void> {
    if (this.phase !== "in") return;
    this.phase = "out";
    this.wasSignedOut = true;
    this.close();
    this.db = await openDatabase();
  }

  private noteConnection(online: boolean, held: Held | null): void {
    this.held = held;
    if (online) {
      clearTimeout(this.patience);
      this.patience = undefined;
      this.isOffline = false;
      this.attend();
    } else this.expectConnection();
  }

  private expectConnection(): void {
    this.patience ??= setTimeout(() => (this.isOffline = true), PATIENCE_MS);
  }

  private noteNetwork(there: boolean): void {
    this.hasNetwork = there;
    if (there) this.act(() => this.engine.call("hurry"));
  }

  /** Whose life the person can see in the list. */
  private get shown(): string[] {
    const first = this.conversations?.entries.slice(0, MOST_WATCHED) ?? [];
    return first.map(({ person }) => person.account).toSorted();
  }

  /** Tells the engine whom this tab shows, and whether the person looks. */
  private attend(): void {
    this.isLookedAt = isLookedAt();
    const { client, shown } = this;
    if (this.phase !== "in" || !client) return;
    this.attended = shown.join();
    this.act(() => client.call("attend", client.tab, shown, this.isLookedAt));
  }
}

/** Something that is said to the person as it is. */
export class Problem extends Error {
  override readonly name = "Problem";
}

