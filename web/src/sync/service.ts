/** Everything that a tab can ask of the owner of the engine. */

import { Distrusted } from "../crypto/directory";
import { forgetEverything, openDatabase, set, setting, write, type Database } from "../store/database";
import { AccountInfoShape, DevicesShape, InviteShape, NewInviteShape, PrivacyShape, RemovalShape } from "../wire/http";
import type { AccountInfo, Device, Invite, Privacy } from "../wire/http";
import type { Answer } from "../wire/names";
import { queueProfile } from "./actions";
import type { Happening } from "./context";
import { Engine, SignedOut } from "./engine";
import { openMachine, register, signIn } from "./enrolment";
import { nothing, request, ServerRefused } from "./http";
import { Disconnected } from "./link";
import type { Shape } from "../wire/shape";

interface Attention {
  readonly watched: readonly string[];
  readonly online: boolean;
  readonly until: number;
}

/** A tab that has not said anything for so long is gone. */
const ATTENTION_MS = 30_000;

export class Service {
  private engine: Engine | null = null;
  private running: Promise<void> = Promise.resolve();
  private readonly attention = new Map<string, Attention>();

  private constructor(
    private db: Database,
    private readonly emit: (happening: Happening) => void,
    private readonly onBroken: (error: unknown) => void,
  ) {}

  static async open(emit: (happening: Happening) => void, onBroken: (error: unknown) => void): Promise<Service> {
    const service = new Service(await openDatabase(), emit, onBroken);
    await service.start();
    return service;
  }

  /** Says where things stand. */
  status(): { signedIn: boolean } {
    this.engine?.report();
    return { signedIn: this.engine !== null };
  }

  async register(wanted: Parameters<typeof register>[1]): Promise<void> {
    await this.anew();
    await register(this.db, wanted);
    await this.start();
  }

  async signIn(wanted: Parameters<typeof signIn>[1]): Promise<void> {
    await this.anew();
    await signIn(this.db, wanted);
    await this.start();
  }

  /** Removes this device from the account, and everything from this browser. */
  async signOut(): Promise<void> {
    try {
      await this.request("POST", "/v1/sign-out", nothing, RemovalShape.encode({ device_list: null }));
    } catch (error) {
      if (!(error instanceof ServerRefused)) throw error;
    }
    await this.anew();
    this.emit({ kind: "signed-out" });
  }

  async invite(days: number, uses: number): Promise<Invite> {
    return this.request("POST", "/v1/invites", InviteShape, NewInviteShape.encode({ days, uses }));
  }

  async find(name: string): Promise<AccountInfo> {
    const handle = name.trim().replace(/^@/, "").toLowerCase();
    return this.request("GET", `/v1/accounts/${encodeURIComponent(handle)}`, AccountInfoShape);
  }

  async devices(): Promise<readonly Device[]> {
    return (await this.request("GET", "/v1/devices", DevicesShape)).devices;
  }

  async privacy(): Promise<Privacy> {
    return this.request("GET", "/v1/privacy", PrivacyShape);
  }

  async setPrivacy(privacy: Privacy): Promise<Privacy> {
    return this.request("PUT", "/v1/privacy", PrivacyShape, PrivacyShape.encode(privacy));
  }

  /** Chooses the name that others see; it reaches them inside the encryption. */
  async setName(name: string): Promise<void> {
    await write(this.db, ["settings", "conversations"], async (tx) => {
      await set(tx, { name });
      const store = tx.objectStore("conversations");
      for (const row of await store.getAll()) await store.put({ ...row, greeted: false });
    });
    const engine = this.signedIn();
    for (const row of await this.db.getAll("conversations")) {
      if (row.standing !== "open") continue;
      if (await queueProfile(this.db, row.id, engine.context.now())) this.wake(row.id);
    }
  }

  /** Opens, or finds, the direct conversation with an account; returns its id. */
  async openDirect(account: string): Promise<string> {
    const engine = this.signedIn();
    const known = await engine.contacts.directWith(account);
    if (known) return known.id;
    const { conversations } = await engine.context.ask("conversations", { t: "open_direct", account });
    await engine.contacts.take(conversations);
    const opened = await engine.contacts.directWith(account);
    if (!opened) throw new Distrusted(account, "the server shows another conversation");
    return opened.id;
  }

  async respond(conversation: string, answer: Answer): Promise<void> {
    const engine = this.signedIn();
    const reply = await engine.context.ask("conversations", { t: "respond", conversation, answer });
    await engine.contacts.take(reply.conversations);
    const opened = reply.conversations.some(({ standing }) => standing === "open");
    if (opened && (await queueProfile(this.db, conversation, engine.context.now()))) this.wake(conversation);
  }

  /** Accepts the identity that an account has now, and sends what was held back. */
  async trust(account: string): Promise<void> {
    const engine = this.signedIn();
    await engine.contacts.trust(account);
    engine.outbox.wake();
  }

  /** Something was put into the outbox. */
  wake(conversation: string): void {
    this.engine?.outbox.wake(conversation);
  }

  async read(conversation: string, seq: number): Promise<void> {
    if (await this.engine?.readings.note(conversation, seq)) this.emit({ kind: "changed", conversation });
  }

  typing(conversation: string, active: boolean): void {
    this.engine?.signal({ t: "set_typing", conversation, active });
  }

  /** A tab says whom it shows and whether the person looks at it. Said every few seconds. */
  attend(tab: string, watched: readonly string[], online: boolean): void {
    const now = Date.now();
    this.attention.set(tab, { watched, online, until: now + ATTENTION_MS });
    const current = [...this.attention.values()].filter(({ until }) => until > now);
    const all = [...new Set(current.flatMap((one) => one.watched))].toSorted();
    this.engine?.attend(all.slice(0, 100), current.some((one) => one.online));
  }

  /** The network is there again, or the person is. */
  hurry(): void {
    this.engine?.hurry();
  }

  /** Connects although the device is in use elsewhere, which ends that. */
  useHere(): void {
    this.engine?.useHere();
  }

  private async start(): Promise<void> {
    const machine = await openMachine(this.db);
    if (!machine) return;
    this.engine = new Engine(this.db, machine, this.emit, this.onBroken);
    this.running = this.engine.run().catch(async (error: unknown) => {
      if (!(error instanceof SignedOut)) return this.onBroken(error);
      this.engine = null;
      machine.close();
      this.emit({ kind: "signed-out" });
    });
  }

  /** Stops, and forgets whatever was here. */
  private async anew(): Promise<void> {
    const engine = this.engine;
    this.engine = null;
    engine?.stop();
    await this.running;
    engine?.context.machine.close();
    this.db.close();
    await forgetEverything();
    this.db = await openDatabase();
  }

  private signedIn(): Engine {
    if (!this.engine) throw new Disconnected();
    return this.engine;
  }

  /** Sends a request with the browser's cookie, which is renewed if its term is over. */
  private async request<T>(method: string, path: string, answer: Shape<T>, body?: unknown): Promise<T> {
    const options = body === undefined ? {} : { body };
    try {
      return await request(method, path, answer, options);
    } catch (error) {
      if (!(error instanceof ServerRefused) || error.code !== "NOT_SIGNED_IN") throw error;
      await this.signedIn().renew();
      return request(method, path, answer, options);
    }
  }

  /** Whether this browser holds a device. */
  async holdsDevice(): Promise<boolean> {
    return (await setting(this.db, "enrolled")) ?? false;
  }
}
