// `async --rpo`: points so early that no more is lost than was said, with links of any speed; and what is said when it is more.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { AsyncPoints } from '../../../orchestrator/images/async-points.ts';
import { stampMs } from '../../../orchestrator/images/snapshot-schedule.ts';
import type { Head, Snapshot } from '../../../wire/contracts/catalogue.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeCluster, head, LAYER, SETTINGS } from './fake-cluster.ts';

const RPO_SECONDS = 30;
const SECOND_MS = 1_000;
/** A whole second, as the names of points have it. */
const START_MS = Date.UTC(2026, 10, 25, 20, 0, 0);
const SEALED = { layer: LAYER, bytes: 4096, lastSequence: 7, entries: 1, digest: 'ab'.repeat(16) };

/** An image that alpha writes, with its recovery points at beta. */
class Stand {
  readonly cluster = new FakeCluster();
  readonly clock = new TurnedClock(START_MS);
  snapshots: Snapshot[] = [];
  /** How long a point takes to arrive; those that are on their way. */
  shipSeconds = 0;
  failure: OperationError | undefined;
  image: Head;
  readonly points: AsyncPoints;

  constructor() {
    const policy = { mode: 'async', rpoSeconds: RPO_SECONDS, place: 'beta' } as const;
    this.image = head({ writer: 'alpha', propagation: { ...SETTINGS, policy } });
    const { answers } = this.cluster.catalogue;
    answers['image.list'] = () => ({ heads: [this.image, head({ image: 'x' })] });
    answers['snapshot.carry'] = ({ snapshot, node }) => this.#with(snapshot, { carriedTo: node });
    answers['snapshot.arrived'] = ({ snapshot, recovery }) => this.#with(snapshot, { recovery });
    this.points = new AsyncPoints({
      ...{ cluster: this.cluster, clock: this.clock, log: quiet, stopping: new AbortController().signal },
      snapshots: {
        list: async () => this.snapshots,
        create: async (snapshot) => {
          const disks = [{ image: 'web', bytes: 4096, holder: 'alpha', layers: [SEALED] }];
          const made = { snapshot, atMs: this.clock.wallMs(), disks };
          this.snapshots = [...this.snapshots, made];
          return made;
        },
        delete: async (snapshot) => {
          this.snapshots = this.snapshots.filter((one) => one.snapshot !== snapshot);
          return [];
        },
      },
      seeds: {
        seed: async ({ to }) => {
          if (this.failure !== undefined) throw this.failure;
          if (this.shipSeconds > 0) {
            await new Promise<void>((resolve) => this.clock.setTimer(this.shipSeconds * SECOND_MS, resolve));
          }
          return [...to];
        },
      },
    });
  }

  #with(snapshot: string, said: Partial<Snapshot>): Snapshot {
    this.snapshots = this.snapshots.map((one) => (one.snapshot === snapshot ? { ...one, ...said } : one));
    const found = this.snapshots.find((one) => one.snapshot === snapshot);
    if (found === undefined) throw new Error(`no snapshot ${snapshot}`);
    return found;
  }

  /** Looks each second; answers the most that could have been lost at any of them, once there was a first point. */
  async run(seconds: number): Promise<number> {
    let most = 0;
    for (let second = 0; second < seconds; second++) {
      await this.points.look();
      await turns();
      const { lostMs } = this.state;
      most = Math.max(most, lostMs ?? 0);
      this.clock.turn(SECOND_MS);
      await turns();
    }
    return most;
  }

  get state(): NonNullable<ReturnType<AsyncPoints['stateOf']>> {
    const state = this.points.stateOf(this.image, this.snapshots);
    if (state === null) throw new Error('the image has no recovery points');
    return state;
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

test('what would be lost is never older than the RPO, and old points go', async () => {
  for (const shipSeconds of [0, 1, 5, 12]) {
    const stand = new Stand();
    stand.shipSeconds = shipSeconds;
    // The first ones tell how long the way takes.
    await stand.run(3 * RPO_SECONDS);
    const most = await stand.run(20 * RPO_SECONDS);
    assert.ok(most <= RPO_SECONDS * SECOND_MS, `${most} ms with ${shipSeconds} s on the way`);
    assert.is(stand.state.isLate, false);
    assert.ok(stand.snapshots.length <= 2, 'the newest that is there, and the one on its way');
  }
});

test('an RPO that cannot be kept is said to be late, with the lag, until it is kept again', async () => {
  const stand = new Stand();
  await stand.run(RPO_SECONDS);
  stand.failure = new OperationError('CONNECTION_LOST', 'the link is down');
  await stand.run(2 * RPO_SECONDS);
  const { isLate, lostMs, reason } = stand.state;
  assert.is(isLate, true);
  assert.ok((lostMs ?? 0) > RPO_SECONDS * SECOND_MS);
  assert.is(reason, 'the link is down');
  assert.is(stand.snapshots.filter(({ recovery }) => recovery !== undefined).length, 1, 'the newest point stays');
  stand.failure = undefined;
  await stand.run(RPO_SECONDS);
  assert.equal([stand.state.isLate, stand.state.reason], [false, '']);
});

test('nothing is safe before the first point, and an image that is closed as it was needs no other', async () => {
  const stand = new Stand();
  assert.equal([stand.state.safeAtMs, stand.state.lostMs, stand.state.isLate], [null, null, true]);
  await stand.run(1);
  assert.is(stand.state.safeAtMs, START_MS);
  const { stack, last } = stand.image;
  stand.image = {
    ...stand.image,
    ...{
      writer: null,
      last: { ...last, entries: 0 },
      stack: { ...stack, layer: 'l00000000000000bb', below: [SEALED] },
    },
  };
  await stand.run(5 * RPO_SECONDS);
  assert.is(stand.snapshots.length, 1);
  assert.equal([stand.state.lostMs, stand.state.isLate], [0, false]);
});

test('figures of all such images for metrics, and none while the catalogue does not answer', async () => {
  const stand = new Stand();
  await stand.run(RPO_SECONDS / 2);
  const { recovery } = await stand.points.figures();
  assert.equal(recovery, [{ image: 'web', rpoSeconds: RPO_SECONDS, lostMs: stand.state.lostMs }]);
  stand.cluster.catalogue.answers['image.list'] = () => {
    throw new OperationError('CONNECTION_LOST', 'the catalogue is down');
  };
  assert.equal(await stand.points.figures(), {});
});

test('the place that has the image itself is no other place', async () => {
  const stand = new Stand();
  stand.image = { ...stand.image, writer: 'beta' };
  await stand.run(2);
  assert.is(stand.snapshots.length, 0);
  assert.match(stand.state.reason, /is at beta itself/);
});

test('an image with another policy has no such state', () => {
  const stand = new Stand();
  assert.is(stand.points.stateOf(head(), []), null);
});

test('a point is as old as its order, whenever the catalogue heard of it', () => {
  const snapshot = 'web-20261125-200000';
  assert.is(stampMs({ snapshot, atMs: START_MS + 5_000 }), START_MS);
  assert.is(stampMs({ snapshot: 'monday', atMs: 7 }), 7);
});

test('while no image has the policy the catalogue is asked each five seconds, and at once when one was set', async () => {
  const stand = new Stand();
  const { propagation: meant, ...plain } = stand.image;
  stand.image = plain;
  const asked = (): number => stand.cluster.count('catalogue image.list');
  for (let second = 0; second < 10; second++) {
    await stand.points.look();
    stand.clock.turn(SECOND_MS);
  }
  assert.is(asked(), 2);
  await stand.points.look();
  stand.image = { ...plain, ...(meant === undefined ? {} : { propagation: meant }) };
  stand.clock.turn(SECOND_MS);
  await stand.points.look();
  assert.is(stand.snapshots.length, 0);
  stand.points.wake();
  await stand.points.look();
  await stand.points.settled();
  assert.is(stand.snapshots.length, 1);
});

test.run();
