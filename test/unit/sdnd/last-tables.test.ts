// What controllers gave a switch, which is restarted while they are away: at switches made of the codec, each restart an empty
// one.
import { mkdtempSync, rmSync } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import { type Disk, realDisk } from '../../../common/disk/disk.ts';
import { LastTables } from '../../../sdnd/agent/last-tables.ts';
import { type Flow, flowKey } from '../../../sdnd/flow.ts';
import { AGENT_COOKIE, CONTROLLER_COOKIE } from '../../../sdnd/pipeline.ts';
import { until } from '../../until.ts';
import { quiet } from '../common/members.ts';
import { SocketSwitch } from './socket-switch.ts';

/** A look takes a second. */
const LATE_MS = 20_000;

const lasts = suite('last tables');
const folder = mkdtempSync(join(tmpdir(), 'last-'));
lasts.after(() => rmSync(folder, { recursive: true }));

const flow = (priority: number, cookie: bigint, hardTimeoutSec = 0): Flow => ({
  ...{ tableId: 0, priority, match: { inPort: 1 }, instructions: [], cookie, hardTimeoutSec },
});
const GIVEN = [flow(1, CONTROLLER_COOKIE + 5n), flow(2, CONTROLLER_COOKIE)];

interface Stand {
  readonly at: SocketSwitch;
  readonly path: string;
  isControlled: boolean | undefined;
  /** How many have begun; one begins after the other. */
  looks: number;
  last: LastTables;
}

const stands: Stand[] = [];

async function begin(stand: Omit<Stand, 'last'>, disk: Disk = realDisk): Promise<LastTables> {
  const { at, path } = stand;
  const isControlled = (): boolean | undefined => {
    stand.looks++;
    return stand.isControlled;
  };
  return LastTables.open({ socket: at.path, path, isControlled, disk, clock: realClock, log: quiet });
}

/** A switch with flows of a controller that is there, of an agent, and one that is about to go. */
async function started(name: string): Promise<Stand> {
  const at = new SocketSwitch(folder, name);
  const stand = { at, path: join(folder, `${name}.tables`), isControlled: true, looks: 0 };
  const last = await begin(stand);
  await at.messages('features-request', 1);
  for (const one of [...GIVEN, flow(3, AGENT_COOKIE), flow(4, CONTROLLER_COOKIE, 5)]) at.flows.set(flowKey(one), one);
  const all = Object.assign(stand, { last });
  stands.push(all);
  return all;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function kept(stand: Stand): Promise<void> {
  stand.isControlled = false;
  await until('they are kept', () => exists(stand.path));
}

async function restarted({ at }: Stand): Promise<void> {
  const { accepts } = at;
  at.drop();
  await until('it is asked again', async () => at.accepts > accepts);
}

/** A whole look has begun and ended since. */
async function looked(stand: Stand): Promise<void> {
  const { looks } = stand;
  await until('it has looked', async () => stand.looks >= looks + 2);
}

const hasAll = async ({ at }: Stand): Promise<boolean> => at.flows.size === GIVEN.length;

lasts.after.each(async () => {
  for (const { at, last } of stands.splice(0)) {
    last.stop();
    await at.close();
  }
});

lasts('a switch that is restarted without a controller has what one gave it last, and once', async () => {
  const stand = await started('restart');
  await kept(stand);
  await restarted(stand);
  await until('it has them again', () => hasAll(stand));
  assert.equal([...stand.at.flows.keys()].sort(), GIVEN.map(flowKey).sort());
  assert.is(stand.at.flows.get(flowKey(flow(1, 0n)))?.cookie, CONTROLLER_COOKIE + 5n);
  await restarted(stand);
  await until('it has them once more', () => hasAll(stand));
});

lasts('an agent that is killed in the middle has given back nothing, and the next one gives back all', async () => {
  const stand = await started('middle');
  await kept(stand);
  stand.at.set({ hears: 1 });
  stand.at.drop();
  await until('it is in the middle', async () => stand.at.isDeaf);
  stand.last.stop();
  stand.at.set({ hears: Number.POSITIVE_INFINITY });
  stand.last = await begin(stand);
  await until('it has them again', () => hasAll(stand), LATE_MS);
});

lasts('a switch that has no room for all is given all once it has', async () => {
  const stand = await started('full');
  await kept(stand);
  stand.at.set({ room: 1 });
  stand.at.drop();
  await stand.at.messages('flow-mod', GIVEN.length);
  stand.at.set({ room: GIVEN.length });
  await until('it has them again', () => hasAll(stand), LATE_MS);
});

lasts('what a switch takes of them does not stand for all of them', async () => {
  const stand = await started('part');
  await kept(stand);
  stand.at.set({ wrong: GIVEN.length });
  await restarted(stand);
  await until('it has the others', async () => stand.at.flows.size === GIVEN.length - 1);
  await looked(stand);
  stand.at.set({ wrong: undefined });
  await restarted(stand);
  await until('it has them again', () => hasAll(stand), LATE_MS);
});

lasts('what a controller has given since takes their place, be it less', async () => {
  const stand = await started('less');
  const [first] = GIVEN;
  assert.ok(first);
  const less = [flowKey(first)];
  const givesLess = (): void => {
    for (const key of stand.at.flows.keys()) if (!less.includes(key)) stand.at.flows.delete(key);
  };
  await kept(stand);
  await restarted(stand);
  await until('it has them again', () => hasAll(stand));
  stand.isControlled = true;
  givesLess();
  await looked(stand);
  stand.isControlled = false;
  await looked(stand);
  await restarted(stand);
  await until('it has some again', async () => stand.at.flows.size > 0, LATE_MS);
  assert.equal([...stand.at.flows.keys()], less);
});

lasts('so does what one gave and went while there was no agent', async () => {
  const stand = await started('away');
  await kept(stand);
  stand.last.stop();
  const [, second] = GIVEN;
  assert.ok(second);
  stand.at.flows.delete(flowKey(second));
  stand.last = await begin(stand);
  await looked(stand);
  await restarted(stand);
  await until('it has some again', async () => stand.at.flows.size > 0, LATE_MS);
  assert.not.ok(stand.at.flows.has(flowKey(second)));
});

lasts('once a controller is there again they are nothing', async () => {
  const stand = await started('again');
  await kept(stand);
  stand.isControlled = true;
  await until('they are forgotten', async () => !(await exists(stand.path)), LATE_MS);
  await restarted(stand);
  stand.isControlled = false;
  // It looks what the new switch has, which is nothing.
  await stand.at.messages('multipart-request', 2);
  assert.is(stand.at.flows.size, 0);
});

lasts('the next agent goes on with them, unless the machine was started anew or the file is damaged', async () => {
  const stand = await started('next');
  await kept(stand);
  stand.last.stop();
  const good = await readFile(stand.path);
  const bad = Buffer.from(good);
  bad[100] = (bad[100] ?? 0) ^ 1;
  for (const [bytes, disk, isRestored] of [
    [bad, realDisk, false],
    [good, { ...realDisk, kernelRun: 'another' }, false],
    [good, realDisk, true],
  ] as const) {
    await writeFile(stand.path, bytes);
    stand.at.drop();
    stand.last = await begin(stand, disk);
    await until('it has looked', async () => stand.at.got.some(({ type }) => type === 'multipart-request'));
    if (isRestored) await until('it has them again', () => hasAll(stand));
    else {
      await stand.at.messages('multipart-request', 2);
      assert.is(stand.at.flows.size, 0);
    }
    stand.last.stop();
  }
});

lasts.run();
