// How much a pull has under way, on a path with a rate, a round trip and a queue without an end: all in simulated time.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PULL_REQUEST_BYTES, PullWindow, WINDOW_BYTES_MAX } from '../../../blockd/transfer/pull-window.ts';
import { settle } from './manual-clock.ts';

interface Answer {
  readonly atMs: number;
  readonly come: () => void;
}

/** One line that answers requests one after the other, and a pull that asks as its window lets it. */
class Path {
  readonly window = new PullWindow({ nowMs: () => this.#nowMs });
  readonly #roundTripMs: number;
  readonly #bytesPerMs: number;
  #nowMs = 0;
  #lineFreeMs = 0;
  #underWay: Answer[] = [];
  /** What came, and the longest that a request stood in the queue, since the last look. */
  cameBytes = 0;
  worstQueueMs = 0;
  isYielding = false;
  requestBytes = PULL_REQUEST_BYTES;

  constructor(roundTripMs: number, bytesPerMs: number) {
    this.#roundTripMs = roundTripMs;
    this.#bytesPerMs = bytesPerMs;
  }

  /** Somebody else's bytes come into the queue. */
  occupy(bytes: number): void {
    this.#lineFreeMs = Math.max(this.#lineFreeMs, this.#nowMs + this.#roundTripMs / 2) + bytes / this.#bytesPerMs;
  }

  async run(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      while (this.window.mayAsk(this.isYielding)) this.#ask();
      const next = this.#underWay.sort((one, other) => one.atMs - other.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#underWay.shift();
      this.#nowMs = next.atMs;
      next.come();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  look(): { bytesPerMs: (ms: number) => number; worstQueueMs: number } {
    const { cameBytes, worstQueueMs } = this;
    this.cameBytes = 0;
    this.worstQueueMs = 0;
    return { bytesPerMs: (ms) => cameBytes / ms, worstQueueMs };
  }

  #ask(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const bytes = this.requestBytes;
    const arrivesMs = this.#nowMs + this.#roundTripMs / 2;
    const beginsMs = Math.max(arrivesMs, this.#lineFreeMs);
    this.worstQueueMs = Math.max(this.worstQueueMs, beginsMs - arrivesMs);
    this.#lineFreeMs = beginsMs + bytes / this.#bytesPerMs;
    void this.window.during(bytes, true, () => promise);
    const come = (): void => {
      this.cameBytes += bytes;
      resolve();
    };
    this.#underWay.push({ atMs: this.#lineFreeMs + this.#roundTripMs / 2, come });
  }
}

/** 200 Mbit/s. */
const LINE = 25_000;

for (const roundTripMs of [2, 75, 150, 300]) {
  test(`a line of 200 Mbit/s and ${roundTripMs} ms is filled, and its queue stays short`, async () => {
    const path = new Path(roundTripMs, LINE);
    await path.run(5_000);
    path.look();
    await path.run(10_000);
    const { bytesPerMs, worstQueueMs } = path.look();
    assert.ok(bytesPerMs(10_000) > 0.9 * LINE, `${bytesPerMs(10_000)} bytes per ms`);
    assert.ok(worstQueueMs < 40, `${worstQueueMs} ms`);
  });
}

test("a line that is faster than the cap takes the cap's worth", async () => {
  const path = new Path(150, 1_000_000);
  await path.run(10_000);
  assert.is(path.window.underWayBytes, WINDOW_BYTES_MAX);
});

test("beside others' queue it goes down to one request, and comes up again afterwards", async () => {
  const path = new Path(75, LINE);
  await path.run(5_000);
  path.occupy(200 * LINE);
  for (let turn = 0; turn < 100; turn++) {
    path.occupy(50 * LINE);
    await path.run(50);
  }
  assert.ok(path.window.underWayBytes <= PULL_REQUEST_BYTES, `${path.window.underWayBytes} bytes`);
  await path.run(15_000);
  path.look();
  await path.run(5_000);
  assert.ok(path.look().bytesPerMs(5_000) > 0.9 * LINE);
});

test('while a guest waits the queue is half as long, and one request always may be under way', async () => {
  const path = new Path(75, LINE);
  await path.run(5_000);
  path.isYielding = true;
  await path.run(1_000);
  path.look();
  await path.run(5_000);
  const { bytesPerMs, worstQueueMs } = path.look();
  assert.ok(bytesPerMs(5_000) > 0.8 * LINE, `${bytesPerMs(5_000)} bytes per ms`);
  assert.ok(worstQueueMs < 21, `${worstQueueMs} ms`);
  const fresh = new PullWindow({ nowMs: () => 0 });
  assert.ok(fresh.mayAsk(true));
});

test('what was under way already and what failed say nothing of the path', async () => {
  let nowMs = 0;
  const window = new PullWindow({ nowMs: () => nowMs });
  const during = (ms: number, isFresh: boolean, fails = false): Promise<void> => {
    const fetch = async (): Promise<void> => {
      nowMs += ms;
      if (fails) throw new Error('lost');
    };
    return window.during(PULL_REQUEST_BYTES, isFresh, fetch).catch(() => undefined);
  };
  for (let turn = 0; turn < 4; turn++) await during(1, false);
  for (let turn = 0; turn < 4; turn++) await during(1, true, true);
  assert.is(window.underWayBytes, 0);
  // Had one of those counted as the fastest time, this would be a queue of 99 ms.
  for (let turn = 0; turn < 8; turn++) await during(100, true);
  void window.during(PULL_REQUEST_BYTES, true, () => new Promise(() => undefined));
  assert.ok(window.mayAsk(false), 'a second one may still go');
});

test.run();
