import { expect, test } from "vitest";
import { Refresh } from "./refresh";

/** A reading that ends when the test says so. */
class Reading {
  begun = 0;
  private ends: (() => void)[] = [];

  readonly read = (): Promise<void> => {
    this.begun += 1;
    return new Promise((resolve) => this.ends.push(resolve));
  };

  async end(): Promise<void> {
    this.ends.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

test("however often something changes during a reading, one more follows", async () => {
  const reading = new Reading();
  const refresh = new Refresh(reading.read);
  const all = Array.from({ length: 500 }, () => refresh.run());
  expect(reading.begun).toBe(1);
  await reading.end();
  expect(reading.begun).toBe(2);
  await reading.end();
  await Promise.all(all);
  expect(reading.begun).toBe(2);
  void refresh.run();
  expect(reading.begun).toBe(3);
});

test("who asks during a reading gets what was read after that", async () => {
  const reading = new Reading();
  const refresh = new Refresh(reading.read);
  const first = refresh.run();
  let done = false;
  const second = refresh.run().then(() => (done = true));
  await reading.end();
  expect(done).toBe(false);
  await reading.end();
  await Promise.all([first, second]);
  expect(done).toBe(true);
});

test("a reading that fails is told to who asked, and does not stop the next one", async () => {
  let count = 0;
  const refresh = new Refresh(() => {
    count += 1;
    return count === 1 ? Promise.reject(new Error("closed")) : Promise.resolve();
  });
  await expect(refresh.run()).rejects.toThrow("closed");
  await refresh.run();
  expect(count).toBe(2);
});

test("who asks at the very moment at which a reading ends is not forgotten", async () => {
  for (let ticks = 0; ticks < 10; ticks += 1) {
    const reading = new Reading();
    const refresh = new Refresh(reading.read);
    void refresh.run();
    const ended = reading.end();
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    void refresh.run();
    await ended;
    expect(reading.begun, `${ticks} steps after the end`).toBe(2);
  }
});
