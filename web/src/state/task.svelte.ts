/** Something that takes a while and may not work: a button that waits, and what is said if it fails. */

import type { Application } from "./app.svelte";

export class Task {
  busy = $state(false);
  problem = $state("");

  constructor(private readonly app: Application) {}

  run(work: () => Promise<unknown>): void {
    if (this.busy) return;
    this.busy = true;
    this.problem = "";
    work()
      .catch((error: unknown) => (this.problem = this.app.explain(error)))
      .finally(() => (this.busy = false));
  }
}
