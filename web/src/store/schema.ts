/** What a browser keeps, as it stands in IndexedDB. */

import type { DBSchema } from "idb";
import type { Content } from "../wire/content";
import type { ConversationKind, Standing } from "../wire/names";

/** How far a message of one's own got by itself; receipts are in the marks. */
export type OwnState = "pending" | "sent" | "failed";

export interface MessageRow {
  /** Account, device and msg_id: what makes a message the same message. */
  readonly key: string;
  readonly conversation: string;
  /** Its place in the list; undefined for what says nothing to a person, which is in no list. */
  readonly order?: number;
  /** null while it waits in the outbox. */
  readonly seq: number | null;
  readonly account: string;
  readonly time: number;
  /** null for content of a newer version. */
  readonly text: string | null;
  readonly state: OwnState;
  /** A code of the protocol, for a failed one. */
  readonly reason?: string;
  /** Whether messages of its sender before it are missing. */
  readonly missing: boolean;
  /** Whether its sender's identity was the accepted one. */
  readonly trusted: boolean;
}

/** A message to send. The ciphertext stays the same however often it is repeated. */
export interface OutboxRow {
  readonly number?: number;
  readonly key: string;
  readonly msgId: Uint8Array;
  readonly conversation: string;
  readonly body: Content["body"];
  readonly time: number;
  readonly sealed: Sealing | null;
}

export interface Sealing {
  readonly ciphertext: Uint8Array;
  readonly epoch: number;
  readonly devices: number;
  readonly prev: Uint8Array | null;
  readonly count: number;
}

export interface Preview {
  readonly key: string;
  readonly text: string | null;
  readonly time: number;
  readonly own: boolean;
  readonly seq: number | null;
  /** Whether it will never be sent. */
  readonly failed?: true;
}

export interface ConversationRow {
  readonly id: string;
  readonly kind: ConversationKind;
  readonly standing: Standing;
  readonly epoch: number;
  /** Members, with the newest version of their devices that was heard of. */
  readonly members: Readonly<Record<string, number>>;
  /** Whether one's name was sent into it. */
  readonly greeted: boolean;
  /** When something last happened; the list is in this order. */
  readonly activity: number;
  readonly preview: Preview | null;
  readonly unread: number;
  /** How far the person has read. */
  readonly read: number;
  /** How often the server is still to be told so. */
  readonly due?: number;
  readonly draft: string;
}

export interface DeviceRow {
  readonly ed25519: string;
  readonly curve25519: string;
}

export interface AccountRow {
  readonly id: string;
  readonly handle: string;
  /** The name that came inside a message. */
  readonly name: string | null;
  /** The master key that was accepted, and the one that is shown now. */
  readonly master: string | null;
  readonly now: string | null;
  readonly version: number;
  readonly listVersion: number;
  readonly listText: string | null;
  readonly devices: Readonly<Record<string, DeviceRow>>;
  /** Devices that it signed once: what they sent before they were removed may still be on its way. */
  readonly former: Readonly<Record<string, DeviceRow>>;
  /** What is wrong with what the server says of it. */
  readonly problem: string | null;
}

export interface MarkRow {
  readonly conversation: string;
  readonly account: string;
  readonly since: number;
  readonly delivered: number;
  readonly read: number;
  readonly expired: readonly (readonly [number, number])[];
}

/** The last message of a device in a conversation. */
export interface ChainRow {
  readonly conversation: string;
  readonly account: string;
  readonly device: string;
  readonly count: number;
  readonly hash: Uint8Array;
  readonly msgId: Uint8Array;
}

/** An envelope that could not be opened, until its key comes. */
export interface SealedRow {
  readonly pos: number;
  readonly conversation: string;
  readonly session: string;
  readonly frame: Uint8Array;
}

/** A key share that the server may not have yet. */
export interface ShareRow {
  readonly number?: number;
  readonly id: Uint8Array;
  readonly conversation: string;
  readonly shares: readonly { account: string; device: string; ciphertext: Uint8Array }[];
}

/** A device that may have the key of a session of ours, from an index on. */
export interface EntitledRow {
  readonly session: string;
  readonly account: string;
  readonly device: string;
  /** What it was given the key by. Rows of before this was written down have none, and entitle nobody. */
  readonly curve25519: string;
  readonly index: number;
}

/** Which message used which index of a session. */
export interface UsedRow {
  readonly session: string;
  readonly index: number;
  readonly key: string;
}

export interface Settings {
  account: string;
  device: string;
  serverId: string;
  handle: string;
  /** The name that others see. */
  name: string;
  mailboxId: Uint8Array;
  lastPos: number;
  /**
   * Positions of what was sealed and is opened, until it is known that the server heard of it; `told` is what the ack
   * that named them said was kept.
   */
  recovered: readonly { readonly pos: number; readonly told: number }[];
  marksSince: number;
  /** Milliseconds by which the server's clock was ahead of this device's at the last connection. */
  ahead: number;
  /** Whether all conversations were asked for once. */
  listed: boolean;
  /** Whether the store was found to be an old copy, and keys must be replaced. */
  restored: boolean;
  /** The key of the encryption library's store, wrapped by one that no script can read. */
  storeKey: { wrapped: ArrayBuffer; iv: Uint8Array<ArrayBuffer>; key: CryptoKey };
  enrolled: boolean;
  theme: "system" | "light" | "dark";
}

export interface Schema extends DBSchema {
  settings: { key: string; value: unknown };
  inbox: { key: number; value: { pos: number; frame: Uint8Array } };
  messages: { key: string; value: MessageRow; indexes: { place: [string, number] } };
  outbox: { key: number; value: OutboxRow; indexes: { conversation: string } };
  conversations: { key: string; value: ConversationRow };
  accounts: { key: string; value: AccountRow; indexes: { handle: string } };
  marks: { key: [string, string]; value: MarkRow };
  chains: { key: [string, string, string]; value: ChainRow };
  sealed: { key: number; value: SealedRow; indexes: { session: [string, string] } };
  shares: { key: number; value: ShareRow };
  entitled: { key: [string, string, string]; value: EntitledRow };
  used: { key: [string, number]; value: UsedRow };
}
