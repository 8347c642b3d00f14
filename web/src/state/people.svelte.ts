/** People: names to show, who is online, who types. */

import { SvelteMap } from "svelte/reactivity";
import type { Database } from "../store/database";
import type { AccountRow } from "../store/schema";
import type { Happening } from "../sync/context";

/** How long someone types without saying so again. */
const TYPING_MS = 6_000;

export interface Person {
  readonly account: string;
  readonly handle: string;
  readonly name: string;
  /** Degrees on the colour circle: everyone has a colour of their own. */
  readonly hue: number;
  readonly initials: string;
  readonly devices: number;
  readonly trust: "met" | "changed" | "doubtful";
}

export interface Life {
  readonly online: boolean;
  /** When last seen; 0 if that is not told. */
  readonly lastSeen: number;
}

export class People {
  private readonly people = new SvelteMap<string, Person>();
  private readonly lives = new SvelteMap<string, Life>();
  private readonly typists = new SvelteMap<string, { since: number; end: ReturnType<typeof setTimeout> }>();

  constructor(private readonly db: Database) {}

  async load(): Promise<void> {
    for (const row of await this.db.getAll("accounts")) this.people.set(row.id, person(row));
  }

  get(account: string): Person {
    return this.people.get(account) ?? unknown(account);
  }

  life(account: string): Life {
    return this.lives.get(account) ?? { online: false, lastSeen: 0 };
  }

  isTyping(conversation: string, account: string): boolean {
    return this.typists.has(`${conversation} ${account}`);
  }

  async hear(happening: Happening): Promise<void> {
    switch (happening.kind) {
      case "account": {
        const row = await this.db.get("accounts", happening.account);
        if (row) this.people.set(row.id, person(row));
        return;
      }
      case "presence":
        this.lives.set(happening.account, { online: happening.online, lastSeen: happening.lastSeen });
        return;
      case "typing":
        return this.noteTyping(`${happening.conversation} ${happening.account}`, happening.active);
      case "connection":
        if (!happening.online) this.lives.clear();
        return;
      default:
    }
  }

  /** A message of someone, heard of at `time`, ends what they typed before. */
  arrived(conversation: string, account: string, time: number): void {
    const key = `${conversation} ${account}`;
    if ((this.typists.get(key)?.since ?? Infinity) < time) this.noteTyping(key, false);
  }

  private noteTyping(key: string, active: boolean): void {
    clearTimeout(this.typists.get(key)?.end);
    if (!active) return void this.typists.delete(key);
    const end = setTimeout(() => this.typists.delete(key), TYPING_MS);
    this.typists.set(key, { since: performance.now(), end });
  }
}

function person(row: AccountRow): Person {
  const name = row.name ?? row.handle;
  return {
    account: row.id,
    handle: row.handle,
    name,
    hue: hueOf(row.handle),
    initials: initialsOf(name),
    devices: Object.keys(row.devices).length,
    trust: row.problem !== null ? "doubtful" : row.master === row.now ? "met" : "changed",
  };
}

function unknown(account: string): Person {
  return { account, handle: "", name: "…", hue: hueOf(account), initials: "", devices: 0, trust: "met" };
}

export function hueOf(text: string): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + character.codePointAt(0)!) % 4_294_967_291;
  return hash % 360;
}

function lettersOf(word: string): string[] {
  return Array.from(new Intl.Segmenter().segment(word), ({ segment }) => segment);
}

export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/);
  const ends = words.length > 1 ? [words[0]!, words.at(-1)!] : words;
  const letters = ends.flatMap((word) => lettersOf(word).slice(0, ends.length > 1 ? 1 : 2));
  return letters.join("").toLocaleUpperCase();
}
