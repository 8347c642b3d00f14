/**
 * When what was refused for a stale view is encrypted anew: as soon as server and device see the conversation alike.
 *
 * Most often the server knew more, and one question settles it. But a server that was restored from a backup, or
 * whose mailboxes and directory come apart, may know less than the device, and for long. All that is encrypted then
 * would be refused, and wear out one session after the other: so nothing is, and the server is asked again, less and
 * less often.
 */

import type { Sealing } from "../store/schema";
import type { StaleEpoch } from "../wire/frames";
import type { Contacts } from "./contacts";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const APART = "the server contradicts itself about the devices";

/** The last refusal in a conversation. */
interface Refused {
  /** The epoch and the sum of versions of what was refused. */
  readonly sent: string;
  readonly stale: StaleEpoch;
  pause: number;
  /** Whether the same was refused before. */
  repeated: boolean;
  isNew: boolean;
}

export class Agreement {
  private readonly refusals = new Map<string, Refused>();
  private readonly sleepers = new Set<() => void>();

  constructor(private readonly contacts: Contacts) {}

  /** Notes that something was refused. */
  refused(conversation: string, { epoch, devices }: Sealing, stale: StaleEpoch): void {
    const before = this.refusals.get(conversation);
    const sent = `${epoch} ${devices}`;
    const repeated = before?.sent === sent;
    this.refusals.set(conversation, { sent, stale, pause: before?.pause ?? FIRST_PAUSE_MS, repeated, isNew: true });
  }

  /** Notes that something was accepted. */
  accepted(conversation: string): void {
    this.refusals.delete(conversation);
  }

  /** Ends all waiting, and forgets what was refused: the next connection may be to a server that knows better. */
  stop(): void {
    this.refusals.clear();
    for (const wake of this.sleepers) wake();
  }

  /** After a refusal, waits until the same would not be refused again. Throws Distrusted, Refusal, Disconnected. */
  async reach(conversation: string): Promise<void> {
    const refused = this.refusals.get(conversation);
    if (!refused?.isNew) return;
    refused.isNew = false;
    const { stale } = refused;
    await this.contacts.takeStale(conversation, stale);
    let apart = await this.contacts.compare(conversation, stale.epoch, stale.members);
    if (apart) apart = await this.compare(conversation);
    // To see it alike is not enough if the same was refused before.
    while (apart || refused.repeated) {
      await this.pause(refused.pause);
      refused.pause = Math.min(refused.pause * 2, LONGEST_PAUSE_MS);
      refused.repeated = false;
      apart = await this.compare(conversation);
      for (const account of apart ?? []) await this.contacts.doubt(account, APART);
    }
  }

  /** Compares what is known with what the server shows now, if it does; see `Contacts.compare`. */
  private async compare(conversation: string): Promise<readonly string[] | null> {
    const shown = (await this.contacts.fetch([conversation])).find((one) => one.conversation === conversation);
    return shown ? this.contacts.compare(conversation, shown.epoch, shown.members) : null;
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.sleepers.add(wake);
    });
  }
}
