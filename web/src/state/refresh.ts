/** Reading anew what has changed: never twice at once, however often it changes meanwhile. */

export class Refresh {
  private running: Promise<void> | null = null;
  private again = false;

  constructor(private readonly read: () => Promise<void>) {}

  /** Reads, or has the reading that is under way followed by one more. Settles when all of it is done. */
  run(): Promise<void> {
    this.again = true;
    this.running ??= this.readAll();
    return this.running;
  }

  private async readAll(): Promise<void> {
    try {
      while (this.again) {
        this.again = false;
        await this.read();
      }
    } finally {
      this.running = null; // in the same step as the last look at `again`, or a change between them would be lost
    }
  }
}
