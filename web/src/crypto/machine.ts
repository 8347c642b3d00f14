/** The encryption of one device: the library's OlmMachine, spoken to in the words of this project. */

import {
  CollectStrategy,
  DecryptionSettings,
  DeviceId,
  DeviceKeyId,
  DeviceLists,
  DecryptedToDeviceEvent,
  EncryptionSettings,
  HistoryVisibility,
  initAsync,
  KeysClaimRequest,
  KeysQueryRequest,
  KeysUploadRequest,
  OlmMachine,
  OtherUserIdentity,
  RequestType,
  RoomId,
  StoreHandle,
  ToDeviceRequest,
  TrustRequirement,
  UserId,
  type Device as LibraryDevice,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import type { DeviceRow } from "../store/schema";
import type { KeyAnswer, KeyRequest } from "../wire/content";
import { packMegolm, unpackMegolm, unpackOlm } from "../wire/envelope";
import type { AccountKeys, ClaimedKey, NamedKey } from "../wire/frames";
import { fromBase64, toBase64 } from "../wire/shape";
import {
  answerToClaim,
  answerToQuery,
  CannotOpen,
  describe,
  devicesToClaim,
  ENCRYPTED,
  exportOf,
  MEGOLM,
  named,
  shareOf,
  sharesIn,
  withoutPadding,
  withSignatures,
  type Addressed,
  type Signed,
} from "./bodies";

const OLM = "m.olm.v1.curve25519-aes-sha2";
const EVENT_TYPE = "tidings.message";
export const KEY_REQUEST = "tidings.key_request";
export const KEY_ANSWER = "tidings.key_answer";
const ROTATE_AFTER_MESSAGES = 100n;
const ROTATE_AFTER_MICROSECONDS = 7n * 86_400n * 1_000_000n;

/** What a device must hand to the server to be enrolled; `done` when the server has it. */
export interface NewDeviceKeys {
  readonly keys: string;
  readonly oneTime: readonly NamedKey[];
  readonly fallback: NamedKey;
  readonly identity: { readonly master: string; readonly self_signing: string; readonly user_signing: string };
  readonly ed25519: string;
  readonly masterKey: string;
  done(): Promise<void>;
}

/** Key shares to send; `done` when the server has them. */
export interface KeyShares {
  readonly shares: readonly Addressed[];
  done(): Promise<void>;
}

/** What a device said to this one besides the keys of sessions, which the library takes itself. */
export interface Said {
  readonly account: string;
  readonly device: string;
  readonly curve25519: string;
  readonly kind: string;
  readonly content: unknown;
}

export class Machine {
  /** Sessions whose keys arrived since this was last emptied, as [conversation, session]. */
  arrived: [string, string][] = [];

  private constructor(
    private readonly machine: OlmMachine,
    readonly account: string,
    readonly device: string,
  ) {
    machine.roomKeyRequestsEnabled = false;
    machine.roomKeyForwardingEnabled = false;
  }

  static async open(account: string, device: string, storeKey: Uint8Array): Promise<Machine> {
    await initAsync();
    const store = await StoreHandle.openWithKey(`tidings-${device}`, storeKey);
    const library = await OlmMachine.initFromStore(new UserId(account), new DeviceId(device), store);
    const machine = new Machine(library, account, device);
    library.registerRoomKeyUpdatedCallback((infos) => {
      for (const info of infos) machine.arrived.push([info.roomId.toString(), info.sessionId]);
      return Promise.resolve();
    });
    return machine;
  }

  close(): void {
    this.machine.close();
  }

  get curve25519(): string {
    return this.machine.identityKeys.curve25519.toBase64();
  }

  /** Returns a signature of this device's key over a text. */
  async sign(text: string): Promise<Uint8Array> {
    return this.signature(text, this.device);
  }

  /** Returns a signature of the identity's master key over a text. */
  async signByMaster(text: string, masterKey: string): Promise<Uint8Array> {
    return this.signature(text, masterKey);
  }

  /** Makes a new identity and this device's keys, signed by it. */
  async bootstrap(): Promise<NewDeviceKeys> {
    const upload = await this.nextUpload(0, false);
    if (!upload) throw new Error("the device has been enrolled before");
    const body = JSON.parse(upload.body) as {
      device_keys: Signed;
      one_time_keys: Record<string, unknown>;
      fallback_keys: Record<string, unknown>;
    };
    const bootstrap = await this.machine.bootstrapCrossSigning(true);
    const signing = JSON.parse(bootstrap.uploadSigningKeysRequest.body) as Record<string, Signed>;
    const signatures = bootstrap.uploadSignaturesRequest;
    const signed = JSON.parse(signatures.body) as Record<string, Record<string, Signed>>;
    const [fallback] = named(body.fallback_keys);
    if (!fallback) throw new Error("the library made no fallback key");
    return {
      keys: JSON.stringify(withSignatures(body.device_keys, signed[this.account]?.[this.device])),
      oneTime: named(body.one_time_keys),
      fallback,
      identity: {
        master: JSON.stringify(signing["master_key"]),
        self_signing: JSON.stringify(signing["self_signing_key"]),
        user_signing: JSON.stringify(signing["user_signing_key"]),
      },
      ed25519: this.machine.identityKeys.ed25519.toBase64(),
      masterKey: Object.values(signing["master_key"]!.keys)[0]!,
      done: async () => {
        const counts = { one_time_key_counts: { signed_curve25519: Object.keys(body.one_time_keys).length } };
        await this.machine.markRequestAsSent(upload.id, RequestType.KeysUpload, JSON.stringify(counts));
        const signaturesId = signatures.id ?? "";
        await this.machine.markRequestAsSent(signaturesId, RequestType.SignatureUpload, '{"failures":{}}');
      },
    };
  }

  /** Takes in accounts whose device lists were checked; only devices that are listed are passed on. */
  async learn(accounts: readonly AccountKeys[], listed: (account: string, device: string) => boolean): Promise<void> {
    const users = () => accounts.map(({ account }) => new UserId(account));
    await this.machine.updateTrackedUsers(users());
    // Said to have changed, they are asked for; an answer to any other question leaves the library waiting.
    await this.sync(new DeviceLists(users(), []));
    const answer = answerToQuery(accounts, listed);
    for (const request of await this.machine.outgoingRequests()) {
      if (!(request instanceof KeysQueryRequest)) continue;
      await this.machine.markRequestAsSent(request.id, RequestType.KeysQuery, answer);
    }
  }

  /** Returns whether the library holds the same keys of an account's devices, and found them signed by their owner. */
  async vouches(account: string, devices: Readonly<Record<string, DeviceRow>>): Promise<boolean> {
    for (const [id, { ed25519, curve25519 }] of Object.entries(devices)) {
      const device = await this.machine.getDevice(new UserId(account), new DeviceId(id));
      const isSame = device?.ed25519Key?.toBase64() === ed25519 && device.curve25519Key?.toBase64() === curve25519;
      if (!isSame || !device.isCrossSignedByOwner()) return false;
    }
    return true;
  }

  /** Returns whether the library, too, holds an account's identity for a replaced one. */
  async needsApproval(account: string): Promise<boolean> {
    const identity = await this.machine.getIdentity(new UserId(account));
    return identity instanceof OtherUserIdentity && identity.identityNeedsUserApproval();
  }

  /** Accepts the identity that an account has now. */
  async approve(account: string): Promise<void> {
    const identity = await this.machine.getIdentity(new UserId(account));
    if (identity instanceof OtherUserIdentity) await identity.pinCurrentMasterKey();
  }

  /** Starts Olm sessions with devices that have none; `claim` takes keys from the server. */
  async startSessions(
    accounts: readonly string[],
    claim: (devices: { account: string; device: string }[]) => Promise<readonly ClaimedKey[]>,
  ): Promise<void> {
    const request = await this.machine.getMissingSessions(accounts.map((account) => new UserId(account)));
    if (request) await this.claim(request, claim);
  }

  /** Returns the key shares that must be stored before the next message of a conversation is sent. */
  async shareKey(conversation: string, accounts: readonly string[]): Promise<KeyShares> {
    const settings = new EncryptionSettings();
    settings.historyVisibility = HistoryVisibility.Joined;
    settings.rotationPeriod = ROTATE_AFTER_MICROSECONDS;
    settings.rotationPeriodMessages = ROTATE_AFTER_MESSAGES;
    settings.sharingStrategy = CollectStrategy.identityBasedStrategy();
    const users = accounts.map((account) => new UserId(account));
    const requests = await this.machine.shareRoomKey(new RoomId(conversation), users, settings);
    return this.shares(requests);
  }

  /** Writes with another session from now on. */
  async forgetOutbound(conversation: string): Promise<void> {
    await this.machine.invalidateGroupSession(new RoomId(conversation));
  }

  /** Returns the envelope of a message, and the session that it was encrypted by. */
  async encrypt(conversation: string, content: unknown): Promise<{ envelope: Uint8Array; session: string }> {
    const text = await this.machine.encryptRoomEvent(new RoomId(conversation), EVENT_TYPE, JSON.stringify(content));
    const event = JSON.parse(text) as { session_id: string; ciphertext: string };
    const message = fromBase64(event.ciphertext);
    return { envelope: packMegolm({ session: fromBase64(event.session_id), message }), session: event.session_id };
  }

  /**
   * Returns the content of a message. Throws CannotOpen.
   *
   * `curve25519` is the key of the device that the server names as the sender: the session must be its own.
   */
  async decrypt(
    conversation: string,
    sender: { account: string; device: string; curve25519: string | undefined },
    envelope: Uint8Array,
  ): Promise<unknown> {
    const { session, message } = unpackMegolm(envelope);
    const event = {
      type: ENCRYPTED,
      event_id: "$event",
      sender: sender.account,
      room_id: conversation,
      origin_server_ts: 0,
      content: {
        algorithm: MEGOLM,
        sender_key: sender.curve25519,
        device_id: sender.device,
        session_id: withoutPadding(toBase64(session)),
        ciphertext: withoutPadding(toBase64(message)),
      },
    };
    let decrypted;
    try {
      const settings = new DecryptionSettings(TrustRequirement.Untrusted);
      decrypted = await this.machine.decryptRoomEvent(JSON.stringify(event), new RoomId(conversation), settings);
    } catch (error) {
      throw new CannotOpen(describe(error));
    }
    if (decrypted.senderCurve25519Key !== sender.curve25519) throw new CannotOpen("the session of another device");
    const opened = JSON.parse(decrypted.event) as { type: string; content: unknown };
    if (opened.type !== EVENT_TYPE) throw new CannotOpen("meant for something else");
    return opened.content;
  }

  /** Takes in what devices sent to this one; returns what is not the key of a session. Repeats are dropped. */
  async receive(events: readonly { account: string; ciphertext: Uint8Array }[]): Promise<Said[]> {
    const toDevice = events.map(({ account, ciphertext }) => {
      const { kind, senderKey, message } = unpackOlm(ciphertext);
      return {
        type: ENCRYPTED,
        sender: account,
        content: {
          algorithm: OLM,
          sender_key: withoutPadding(toBase64(senderKey)),
          ciphertext: { [this.curve25519]: { type: kind, body: withoutPadding(toBase64(message)) } },
        },
      };
    });
    const processed = await this.machine.receiveSyncChangesMsc4186(
      JSON.stringify(toDevice),
      new DeviceLists([], []),
      new Map(),
      undefined,
      new DecryptionSettings(TrustRequirement.Untrusted),
    );
    const said: Said[] = [];
    for (const event of processed) {
      if (!(event instanceof DecryptedToDeviceEvent)) continue;
      const { type, content } = JSON.parse(event.rawEvent) as { type: string; content: unknown };
      const info = event.encryptionInfo;
      const device = info.senderDevice?.toString();
      if (device === undefined || (type !== KEY_REQUEST && type !== KEY_ANSWER)) continue;
      const account = info.sender.toString();
      said.push({ account, device, curve25519: info.senderCurve25519Key, kind: type, content });
    }
    return said;
  }

  /** Returns what the library wants to send by itself: to mend sessions that broke. */
  async mend(
    claim: (devices: { account: string; device: string }[]) => Promise<readonly ClaimedKey[]>,
  ): Promise<KeyShares> {
    const request = await this.machine.getMissingSessions([]);
    if (request) await this.claim(request, claim);
    const outgoing = await this.machine.outgoingRequests();
    return this.shares(outgoing.filter((item) => item instanceof ToDeviceRequest));
  }

  /** Returns keys to upload when the server has so many left. */
  async keysToUpload(
    oneTime: number,
    fallbackUnused: boolean,
  ): Promise<{ oneTime: NamedKey[]; fallback: NamedKey | null; done(left: number): Promise<void> } | null> {
    const upload = await this.nextUpload(oneTime, fallbackUnused);
    if (!upload) return null;
    const body = JSON.parse(upload.body) as Record<string, Record<string, unknown> | undefined>;
    return {
      oneTime: named(body["one_time_keys"] ?? {}),
      fallback: named(body["fallback_keys"] ?? {})[0] ?? null,
      done: async (left) => {
        const counts = { one_time_key_counts: { signed_curve25519: left } };
        await this.machine.markRequestAsSent(upload.id, RequestType.KeysUpload, JSON.stringify(counts));
      },
    };
  }

  /** Returns a message to one device, by a session that was started before. Throws CannotOpen if there is none. */
  async tell(account: string, device: string, kind: string, content: KeyRequest | KeyAnswer): Promise<Addressed> {
    const target = await this.libraryDevice(account, device);
    const text = await target.encryptToDeviceEvent(kind, content).catch((error: unknown) => {
      throw new CannotOpen(describe(error));
    });
    return shareOf(account, device, JSON.parse(text));
  }

  /** Returns the key of a session of one's own, in the library's export format. */
  async exportSession(conversation: string, session: string): Promise<string | null> {
    const text = await this.machine.exportRoomKeys(
      (key) => key.sessionId === session && key.roomId.toString() === conversation,
    );
    const [found] = JSON.parse(text) as { session_key: string; sender_key: string }[];
    return found && found.sender_key === this.curve25519 ? found.session_key : null;
  }

  /** Takes a session's key that its own device gave. */
  async importSession(answer: KeyAnswer, curve25519: string, ed25519: string): Promise<void> {
    await this.machine.importExportedRoomKeys(exportOf(answer, curve25519, ed25519), () => undefined);
  }

  private async sync(changed: DeviceLists, counts = new Map<string, number>(), unused?: Set<string>): Promise<void> {
    const settings = new DecryptionSettings(TrustRequirement.Untrusted); // used up by the call
    await this.machine.receiveSyncChangesMsc4186("[]", changed, counts, unused, settings);
  }

  /** Tells the library what the server has left; returns the upload that it then wants. */
  private async nextUpload(oneTime: number, fallbackUnused: boolean): Promise<KeysUploadRequest | undefined> {
    const counts = new Map([["signed_curve25519", oneTime]]);
    await this.sync(new DeviceLists([], []), counts, new Set(fallbackUnused ? ["signed_curve25519"] : []));
    return (await this.machine.outgoingRequests()).find((request) => request instanceof KeysUploadRequest);
  }

  private async signature(text: string, key: string): Promise<Uint8Array> {
    const signatures = await this.machine.sign(text);
    const signature = signatures.getSignature(new UserId(this.account), new DeviceKeyId(`ed25519:${key}`));
    if (!signature) throw new Error("the library did not sign");
    return fromBase64(signature.toBase64());
  }

  private async libraryDevice(account: string, device: string): Promise<LibraryDevice> {
    const found = await this.machine.getDevice(new UserId(account), new DeviceId(device));
    if (!found) throw new CannotOpen("a device that is not known");
    return found;
  }

  private async claim(
    request: KeysClaimRequest,
    claim: (devices: { account: string; device: string }[]) => Promise<readonly ClaimedKey[]>,
  ): Promise<void> {
    const answer = answerToClaim(await claim(devicesToClaim(request.body)));
    await this.machine.markRequestAsSent(request.id, RequestType.KeysClaim, answer);
  }

  /** Turns the library's messages to devices into key shares. What is not encrypted is no business of the server. */
  private shares(requests: readonly ToDeviceRequest[]): KeyShares {
    const shares = requests.flatMap(({ event_type, body }) => (event_type === ENCRYPTED ? sharesIn(body) : []));
    const done = async () => {
      for (const request of requests) {
        await this.machine.markRequestAsSent(request.id, RequestType.ToDevice, "{}");
      }
    };
    return { shares, done };
  }
}
