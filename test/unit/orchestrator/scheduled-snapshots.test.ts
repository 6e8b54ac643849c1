// Snapshots by the clock: when they are made, brought and removed, and what each failure on the way leaves to the next look.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { ScheduledSnapshots } from '../../../orchestrator/images/scheduled-snapshots.ts';
import {
  nextSnapshotMs,
  pointsToRemove,
  scheduledName,
  scheduledOf,
} from '../../../orchestrator/images/snapshot-schedule.ts';
import type { Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { SnapshotSchedule } from '../../../wire/contracts/propagation.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeCluster, head, LAYER, SETTINGS } from './fake-cluster.ts';

const HOUR_MS = 3_600_000;
const SEALED = { layer: LAYER, bytes: 4096, lastSequence: 7, entries: 1, digest: 'ab'.repeat(16) };
const DISK = { image: 'web', bytes: 4096, holder: 'alpha', layers: [SEALED] };

/** An image that alpha writes, with a schedule to beta; snapshots as the catalogue would keep them. */
class Stand {
  readonly cluster = new FakeCluster();
  readonly clock = new TurnedClock();
  readonly stopping = new AbortController();
  snapshots: Snapshot[] = [];
  readonly deleted: string[] = [];
  readonly seeded: string[] = [];
  schedule: SnapshotSchedule = { everySeconds: 3_600, place: 'beta', keep: 2 };
  writer = 'alpha';
  create = async (): Promise<void> => undefined;
  seed = async (): Promise<void> => undefined;
  readonly scheduled: ScheduledSnapshots;

  constructor() {
    const { answers } = this.cluster.catalogue;
    answers['image.list'] = () => ({
      heads: [
        head({ writer: this.writer, propagation: { ...SETTINGS, snapshots: this.schedule } }),
        head({ image: 'x' }),
      ],
    });
    answers['snapshot.carry'] = ({ snapshot, node }) => this.#with(snapshot, { carriedTo: node });
    answers['snapshot.arrived'] = ({ snapshot, recovery }) => this.#with(snapshot, { recovery });
    this.scheduled = new ScheduledSnapshots({
      ...{ cluster: this.cluster, clock: this.clock, log: quiet, stopping: this.stopping.signal },
      snapshots: {
        list: async () => this.snapshots,
        create: async (snapshot) => {
          await this.create();
          const made = { snapshot, atMs: this.clock.wallMs(), disks: [DISK] };
          this.snapshots = [...this.snapshots, made];
          return made;
        },
        delete: async (snapshot) => {
          this.deleted.push(snapshot);
          this.snapshots = this.snapshots.filter((one) => one.snapshot !== snapshot);
          return [];
        },
      },
      seeds: {
        seed: async ({ source, to, isPoint }) => {
          await this.seed();
          const isHeld = this.snapshots.some((one) => one.snapshot === source && one.carriedTo === to[0]);
          this.seeded.push(`${source} ${to.join(' ')}${isPoint === true && isHeld ? '' : ' unheld'}`);
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

  async look(): Promise<void> {
    await this.scheduled.look();
    await this.scheduled.settled();
  }

  /** Names of the snapshots, and whether each has arrived. */
  get points(): [string, boolean][] {
    return this.snapshots.map(({ snapshot, recovery }) => [snapshot, recovery !== undefined]);
  }
}

test('the first is made at once, the next one when it is due, and only the newest are kept', async () => {
  const stand = new Stand();
  const names: string[] = [];
  for (let hour = 0; hour < 4; hour++) {
    names.push(scheduledName('web', stand.clock.wallMs()));
    await stand.look();
    await stand.look();
    await stand.clock.turn(HOUR_MS);
  }
  assert.equal(
    stand.seeded,
    names.map((name) => `${name} beta`),
  );
  assert.equal(
    stand.points,
    names.slice(2).map((name) => [name, true]),
  );
  assert.equal(stand.deleted, names.slice(0, 2));
});

test('one that did not arrive is brought by a later look, and until then nothing is removed or made', async () => {
  const stand = new Stand();
  stand.seed = () => Promise.reject(new OperationError('CONNECTION_LOST', 'the link is down'));
  await stand.look();
  await stand.clock.turn(2 * HOUR_MS);
  await stand.look();
  assert.equal(
    stand.points.map(([, arrived]) => arrived),
    [false],
  );
  stand.seed = async () => undefined;
  await stand.look();
  assert.equal(
    stand.points.map(([, arrived]) => arrived),
    [true],
  );
  await stand.look();
  assert.is(stand.points.length, 2, 'it was taken two hours ago');
});

test('an image that cannot be cut now, or is at the place itself, is tried again', async () => {
  const stand = new Stand();
  stand.create = () => Promise.reject(new OperationError('TRANSFER_STANDS', 'it is on its way'));
  await stand.look();
  assert.equal(stand.points, []);
  stand.create = async () => undefined;
  stand.writer = 'beta';
  await stand.look();
  assert.equal(stand.points, [], 'a snapshot where the image is written is no recovery point');
  stand.writer = 'alpha';
  stand.cluster.down.add('beta');
  await stand.look();
  assert.equal(stand.points, [], 'none is made while it cannot be brought');
  stand.cluster.down.clear();
  await stand.look();
  assert.is(stand.points.length, 1);
});

test('another place gets the newest one too', async () => {
  const stand = new Stand();
  await stand.look();
  stand.schedule = { ...stand.schedule, place: 'gamma' };
  await stand.look();
  assert.equal(
    stand.seeded.map((one) => one.split(' ')[1]),
    ['beta', 'gamma'],
  );
  assert.is(stand.snapshots[0]?.recovery?.node, 'gamma');
});

test('one that takes long is not begun twice, and others go on', async () => {
  const stand = new Stand();
  const arrival = Promise.withResolvers<void>();
  stand.seed = () => arrival.promise;
  await stand.scheduled.look();
  await stand.scheduled.look();
  arrival.resolve();
  await stand.scheduled.settled();
  assert.is(stand.seeded.length, 1);
});

test("a schedule's snapshots are told from others by name and disk, also of long names", () => {
  const long = 'a-name-that-is-as-long-as-a-name-may-be-';
  const name = scheduledName(long, Date.UTC(2026, 10, 25, 20, 30, 1));
  assert.is(name, 'a-name-that-is-as-long-a-20261125-203001');
  const ours = { snapshot: name, atMs: 5, disks: [{ ...DISK, image: long }] };
  const earlier = { ...ours, snapshot: scheduledName(long, 0), atMs: 1 };
  const others = [
    { ...ours, snapshot: 'monday' },
    { ...ours, disks: [DISK] },
    { ...ours, disks: [...ours.disks, DISK] },
    { ...ours, snapshot: `${name}-2` },
  ];
  assert.equal(scheduledOf(long, [...others, ours, earlier]), [earlier, ours]);
});

test('snapshots are due by the clock, one after a long pause, and a clock that was set back holds none up', () => {
  const schedule = { everySeconds: 3_600, place: 'west', keep: 2 };
  assert.is(nextSnapshotMs(schedule, undefined, 77), 77);
  assert.is(nextSnapshotMs(schedule, 1_000, 2_000), 3_601_000);
  assert.is(nextSnapshotMs(schedule, 1_000, 9_000_000), 9_000_000);
  assert.is(nextSnapshotMs(schedule, 50_000, 40_000), 40_000);
});

test('the newest are kept, in whatever order they are listed', () => {
  const schedule = { everySeconds: 60, place: 'west', keep: 2 };
  const points = [5, 1, 9, 3].map((atMs) => ({ atMs }));
  assert.equal(pointsToRemove(schedule, points), [{ atMs: 3 }, { atMs: 1 }]);
  assert.equal(pointsToRemove(schedule, points.slice(0, 1)), []);
});

test.run();
