/** Key shares on their way: they are stored here before they are sent, and repeated until the server has them. */

import { write, type Transaction } from "../store/database";
import type { ShareRow } from "../store/schema";
import type { ClaimedKey, Share } from "../wire/frames";
import { sleep, type Context } from "./context";
import { Refusal } from "./link";

const MOST = 200;

export class Shares {
  constructor(private readonly context: Context) {}

  /** Takes a one-time key of each device from the server. */
  async claim(devices: readonly { account: string; device: string }[]): Promise<readonly ClaimedKey[]> {
    const claimed: ClaimedKey[] = [];
    for (let at = 0; at < devices.length; at += MOST) {
      const reply = await this.context.ask("claimed", { t: "claim_keys", devices: devices.slice(at, at + MOST) });
      claimed.push(...reply.keys);
    }
    return claimed;
  }

  /** Keeps shares until they are sent, within a transaction over `shares`. */
  async put(tx: Transaction, conversation: string, shares: readonly Share[]): Promise<void> {
    for (let at = 0; at < shares.length; at += MOST) {
      const part = shares.slice(at, at + MOST);
      const row: ShareRow = {
        id: crypto.getRandomValues(new Uint8Array(16)),
        conversation,
        shares: part.map(({ account, device, ciphertext }) => ({ account, device, ciphertext })),
      };
      await tx.objectStore("shares").add(row);
    }
  }

  /** Sends everything that was put. Throws Disconnected. Returns whether the server took it all. */
  async flush(): Promise<boolean> {
    let taken = true;
    for (const row of await this.context.db.getAll("shares")) {
      taken = (await this.send(row)) && taken;
      await write(this.context.db, ["shares"], (tx) => tx.objectStore("shares").delete(row.number!));
    }
    return taken;
  }

  private async send({ id, conversation, shares }: ShareRow): Promise<boolean> {
    for (;;) {
      try {
        await this.context.ask("done", { t: "share_keys", share_id: id, conversation, shares });
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (error.error.t === "UNKNOWN_OUTCOME") await sleep(1_000);
        else if ("retry_after" in error.error) await sleep(error.error.retry_after);
        else return false;
      }
    }
  }
}
