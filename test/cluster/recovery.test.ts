// `async --rpo` in a running lab: the writer's node is lost with its disk while the guest writes, and what is made of the
// newest point at the other place, over the emulated WAN, lacks nothing that is older than the RPO.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCKD, HYPERVISOR, SWITCH_AGENT } from '../../lab/daemons.ts';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import { GUEST } from '../../lab/topology.ts';
import type { RecoveryState } from '../../wire/contracts/cluster-state.ts';
import { ClusterStand, qemus, until } from './stand.ts';

const { vm, image } = GUEST;
const RPO_SECONDS = 12;
/** Of the RPO: so much is at stake when the node is lost. */
const LATE_SHARE = 0.6;
const FIRST_POINT_MS = 180_000;
const SAMPLE_MS = 250;
const RECORD_BYTES = 4096;
const LOG_TAIL_LINES = 200;
const MAGIC = 'SCREC001';

/** The guest had written so many records when its answer was here. */
interface Sample {
  readonly atMs: number;
  readonly writes: number;
}

let stand: ClusterStand;

test.before(async () => {
  stand = await ClusterStand.start();
});

test.after(() => stand?.stop());

async function recovery(): Promise<RecoveryState> {
  const { recovery: state } = await stand.operator.call('image.show', { image });
  if (state === null) throw new Error('the image has no recovery points');
  return state;
}

/** Asks the guest on and on until the work is done. */
async function sampledDuring(work: () => Promise<void>): Promise<Sample[]> {
  const samples: Sample[] = [];
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) {
      const { writes } = await stand.visitor.ask('status');
      samples.push({ atMs: performance.now(), writes });
      await sleep(SAMPLE_MS);
    }
  })();
  // Whatever becomes of the last question.
  sampling.catch(() => undefined);
  try {
    await work();
  } finally {
    isOver = true;
  }
  return samples;
}

/** Everything of the node at once: its guests, its daemons, its links. Its disk is not asked any more. */
async function lose(cloud: string): Promise<void> {
  const { lab } = stand;
  const lost = lab.cloud(cloud);
  for (const pid of qemus(lost.namespace)) process.kill(pid, 'SIGKILL');
  await Promise.all([BLOCKD, HYPERVISOR, SWITCH_AGENT].map((kind) => lost.daemon(kind).kill()));
  const others = lab.clouds.map(({ plan }) => plan.cloud).filter((other) => other !== cloud);
  await Promise.all(
    others.flatMap((other) => [lab.wan.set(cloud, other, { up: false }), lab.wan.set(other, cloud, { up: false })]),
  );
}

/** The records that a disk holds, in whatever order: all whole and in their place, or it throws. */
async function recordsIn(path: string): Promise<number[]> {
  const disk = await readFile(path);
  const found: number[] = [];
  for (let at = 0; at < disk.length; at += RECORD_BYTES) {
    const record = disk.subarray(at, at + RECORD_BYTES);
    if (record.toString('latin1', 0, MAGIC.length) !== MAGIC) continue;
    let sum = 0;
    for (let word = 0; word < RECORD_BYTES - 4; word += 4) sum = (sum + record.readUInt32LE(word)) >>> 0;
    assert.is(sum, record.readUInt32LE(RECORD_BYTES - 4), `the record at byte ${at} is whole`);
    assert.is(record.readBigInt64LE(16), BigInt(at), 'it is where it was written');
    found.push(Number(record.readBigInt64LE(8)));
  }
  return found;
}

/** What is known of the point goes before the error: the lab goes with it. */
async function explained(snapshot: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { snapshots } = await stand.operator.call('snapshot.list', {});
    const shown = await stand.operator.call('image.show', { image });
    const log = readFileSync(`${stand.lab.cloud('gamma').directories.run}/blockd.log`, 'utf8');
    const lines = log.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    process.stdout.write(`${snapshot}\n${JSON.stringify({ snapshots, shown })}\n${lines}\n`);
    throw error;
  }
}

test('the node of the writer is lost: no more than the RPO is', async () => {
  const { operator } = stand;
  await operator.call('vm.migrate', { vm, to: 'beta' });
  // As on a disk that is nearly full, what is only cached there goes: a recovery point is not.
  await operator.call('cache.set', { node: 'gamma', capBytes: 0 });
  const { settings } = await operator.call('propagation.show', { image });
  const policy = { mode: 'async', rpoSeconds: RPO_SECONDS, place: 'gamma' } as const;
  await operator.call('propagation.set', { image, settings: { ...settings, policy } });
  await until(
    'the first point is there',
    async () => ((await recovery()).safeAtMs === null ? 'none' : ''),
    FIRST_POINT_MS,
  );
  const first = (await recovery()).safeAtMs ?? 0;
  let lostAtMs = 0;
  const samples = await sampledDuring(async () => {
    await until(
      'some points later much is at stake',
      async () => {
        const { safeAtMs, lostMs, isLate, reason } = await recovery();
        const isMeant =
          (safeAtMs ?? 0) - first > 2_000 * RPO_SECONDS && (lostMs ?? 0) > LATE_SHARE * 1_000 * RPO_SECONDS;
        return isMeant && !isLate ? '' : `${lostMs} ms, late: ${isLate} ${reason}`;
      },
      FIRST_POINT_MS,
    );
    // From its first process's end on nothing more can be saved, however long it takes until all of them have ended.
    lostAtMs = performance.now();
    await lose('beta');
  });
  const { snapshots } = await operator.call('snapshot.list', {});
  const points = snapshots.filter(({ recovery: at }) => at?.place === 'gamma').sort((a, b) => b.atMs - a.atMs);
  const [newest] = points;
  if (newest === undefined) throw new Error('there is no point');
  await operator.call('image.clone', { image: 'saved', from: newest.snapshot });
  const path = `${stand.lab.run.path}/saved.raw`;
  await explained(newest.snapshot, () =>
    operator.call('snapshot.export', { snapshot: newest.snapshot, node: 'gamma', path, format: 'raw' }),
  );
  const records = await recordsIn(path);
  const kept = Math.max(...records);
  const due = samples.filter(({ atMs }) => atMs <= lostAtMs - 1_000 * RPO_SECONDS).at(-1)?.writes ?? 0;
  const all = samples.at(-1)?.writes ?? 0;
  const since = samples.find(({ writes }) => writes > kept)?.atMs ?? lostAtMs;
  const lostSeconds = ((lostAtMs - since) / 1_000).toFixed(1);
  process.stdout.write(
    `  record ${kept} of ${all} is there, ${due} were due by an RPO of ${RPO_SECONDS} s; lost: the last ${lostSeconds} s; ${points.length} points\n`,
  );
  assert.ok(due > 0 && kept >= due, `record ${kept} is the newest, and ${due} are older than the RPO`);
  assert.ok(kept < all, 'something was lost: otherwise nothing was tried');
});

test('a VM of what was saved runs there, with the lost node away', async () => {
  const { operator } = stand;
  const { spec } = await operator.call('vm.show', { vm });
  const { memoryMB, cpus, boot } = spec;
  const request = { vm: 'saved', cloud: 'gamma', image: 'saved', memoryMB, cpus, ip: '10.88.0.11' };
  await operator.call('vm.create', { ...request, boot });
  await until('it is ready', async () => {
    const { text } = await operator.call('vm.console', { vm: 'saved' });
    return text.includes(READY_LINE) ? '' : `the console ends with ${text.slice(-200)}`;
  });
});

test.run();
