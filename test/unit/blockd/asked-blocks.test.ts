// Who waits for which blocks that are under way: as if each block were noted by itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AskedBlocks } from '../../../blockd/layers/asked-blocks.ts';
import type { FetchCause, WantedRun } from '../../../blockd/layers/block-fetcher.ts';
import { drawsFrom } from '../../../blockd/propagation/draws.ts';
import { settle } from './manual-clock.ts';

const BLOCKS = 200;

function runOf(first: number, count: number, low = 1): WantedRun {
  return { first, count, high: 256, low };
}

/** A request for runs that the test ends. */
class Request {
  readonly own = Promise.withResolvers<void>();
  readonly cause: FetchCause;
  readonly came: Promise<void>;
  hasCome = false;

  constructor(asked: AskedBlocks, runs: readonly WantedRun[], cause: FetchCause) {
    this.cause = cause;
    this.came = asked.put(runs, this.own.promise, cause);
    this.came.then(
      () => {
        this.hasCome = true;
      },
      () => undefined,
    );
  }
}

test('blocks are under way until they have come, over the borders of groups too', async () => {
  const asked = new AskedBlocks();
  const request = new Request(asked, [runOf(60, 10), runOf(130, 1)], 'background');
  assert.is(asked.size, 11);
  assert.equal(
    [asked.hasAny(0, 60), asked.hasAny(69, 100), asked.hasAny(70, 130), asked.hasAny(0, 200)],
    [false, true, false, true],
  );
  assert.is(asked.waitFor(65, 'background'), request.came);
  assert.is(asked.waitFor(65, 'demand'), undefined, 'a client does not wait for a pull');
  assert.equal([asked.nextWaitedFor(0, 200, 'background'), asked.nextWaitedFor(70, 130, 'background')], [60, 130]);
  assert.is(asked.nextWaitedFor(0, 200, 'demand'), 200);
  request.own.resolve();
  await request.came;
  assert.equal([asked.size, asked.hasAny(0, 200)], [0, false]);
});

test('what a client asked for again has come with either, and what else was under way stays so', async () => {
  const asked = new AskedBlocks();
  const pull = new Request(asked, [runOf(10, 20)], 'background');
  const demand = new Request(asked, [runOf(15, 2)], 'demand');
  assert.is(asked.size, 20);
  assert.is(asked.waitFor(15, 'demand'), demand.came);
  assert.is(asked.waitFor(17, 'background'), pull.came);
  pull.own.resolve();
  await demand.came;
  await settle();
  assert.is(asked.size, 0);
});

test('a failure ends the waiting too', async () => {
  const asked = new AskedBlocks();
  const request = new Request(asked, [runOf(1, 1)], 'demand');
  request.own.reject(new Error('lost'));
  await request.came.catch(() => undefined);
  await settle();
  assert.is(asked.waitFor(1, 'demand'), undefined);
});

test('however requests overlap, the last one that asked for a block is the one that is waited for', async () => {
  const random = drawsFrom(3);
  const below = (limit: number): number => Math.floor(random() * limit);
  const asked = new AskedBlocks();
  const model = new Map<number, Request>();
  const open: Request[] = [];
  for (let step = 0; step < 400; step++) {
    if (open.length < 12 && random() < 0.6) {
      const first = below(BLOCKS - 40);
      const [one, gap, other] = [1 + below(15), below(3), 1 + below(15)];
      const runs = [runOf(first, one), runOf(first + one + gap, other, 2)];
      const request = new Request(asked, runs, random() < 0.5 ? 'demand' : 'background');
      open.push(request);
      for (const run of runs) for (let at = 0; at < run.count; at++) model.set(run.first + at, request);
    } else {
      const [request] = open.splice(below(open.length), 1);
      request?.own.resolve();
      await settle();
    }
    // Those that came with others have come too.
    for (const [block, request] of model) if (request.hasCome) model.delete(block);
    compare(asked, model);
  }
});

function compare(asked: AskedBlocks, model: ReadonlyMap<number, Request>): void {
  assert.is(asked.size, model.size);
  for (let block = 0; block < BLOCKS; block++) {
    assert.is(asked.hasAny(block, block + 1), model.has(block));
    for (const cause of ['demand', 'background'] as const) {
      const request = model.get(block);
      const isWaited = request !== undefined && (cause === 'background' || request.cause === 'demand');
      assert.is(asked.waitFor(block, cause), isWaited ? request?.came : undefined);
      assert.is(asked.nextWaitedFor(block, block + 1, cause), isWaited ? block : block + 1);
    }
  }
}

test.run();
