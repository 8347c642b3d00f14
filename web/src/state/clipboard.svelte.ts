/** Giving a link away: copied, or handed to another program of the device. */

const SAID_MS = 2_000;

export class Clipboard {
  /** Whether something was copied a moment ago. */
  done = $state(false);

  async copy(text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
    this.done = true;
    setTimeout(() => (this.done = false), SAID_MS);
  }

  share(url: string): void {
    // Who closes the device's own dialog has changed their mind: nothing to say.
    navigator.share({ url }).catch(() => undefined);
  }
}

export function canShare(): boolean {
  return "share" in navigator;
}
