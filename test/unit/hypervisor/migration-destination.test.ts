// The destination's shell: its port is made sure of before the machine is made, and the controller hears of the start
// at once, beside everything else and never before the record.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { IncomingMachine } from '../../../hypervisor/driver.ts';
import { HoldDestination } from '../../../hypervisor/migration/hold-destination.ts';
import { MigrationDestination } from '../../../hypervisor/migration/migration-destination.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { CLOSING } from '../orchestrator/fake-cluster.ts';
import { vmRecord } from '../orchestrator/records.ts';

const MIGRATION = '0123456789abcdef';

/** What was done in its order; `fail` says what the controller answers, time after time. */
function destination(
  fail: (string | undefined)[],
  warmed: Promise<void> = Promise.resolve(),
): {
  shell: MigrationDestination;
  done: string[];
  clock: TurnedClock;
} {
  const done: string[] = [];
  const clock = new TurnedClock();
  const noted = (name: string) => async () => {
    done.push(name);
  };
  const machine = {
    on: () => undefined,
    announce: noted('announce'),
    cont: noted('cont'),
  } as unknown as IncomingMachine;
  const shell = new MigrationDestination({
    ...{ migration: MIGRATION, vm: 'web', source: { node: 'alpha', address: '10.0.0.1' }, deadlineMs: 10_000 },
    ...{ hold: new HoldDestination(10_000), clock, log: quiet },
    journal: {
      append: async (record) => {
        if (record.kind === 'destination' && record.entry === 'started') assert.equal(record.closings, [CLOSING]);
        done.push(record.kind === 'destination' ? `record ${record.entry}` : `record of ${record.kind}`);
      },
    },
    machines: {
      incoming: async () => {
        done.push('machine');
        return machine;
      },
      find: async () => machine,
      living: () => machine,
      kill: noted('kill'),
    },
    neighbours: {
      attachPort: noted('attach'),
      warm: () => noted('warm')().then(() => warmed),
      verify: async () => ({ equal: true, reason: '' }),
      store: async () => ({}) as never,
      port: noted('port'),
      moved: async () => {
        done.push('moved');
        const code = fail.shift();
        if (code !== undefined) throw new OperationError(code, 'no');
      },
    },
  });
  return { shell, done, clock };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function start(shell: MigrationDestination): Promise<void> {
  const { spec } = vmRecord();
  shell.feed({ type: 'begin' });
  await shell.prepare({ kind: 'machine', epoch: 2, spec, sockets: ['/nbd'], port: 'tap0' });
  shell.feed({ type: 'loaded' });
  shell.feed({ type: 'released', closings: [CLOSING] });
  await settled();
}

test('the port is there before the machine, the record before the controller hears', async () => {
  const { shell, done } = destination([]);
  await start(shell);
  assert.ok(done.includes('attach') && done.indexOf('attach') < done.indexOf('machine'));
  assert.ok(done.indexOf('record started') < done.indexOf('moved'));
  assert.is(done.filter((what) => what === 'moved').length, 1);
  assert.is(shell.isSettled, true);
  assert.equal(shell.closings, [CLOSING]);
});

test('the machine waits for its memory before the connections of the hold are made', async () => {
  const { shell, done } = destination([], new Promise(() => undefined));
  await start(shell);
  assert.ok(done.includes('warm') && done.includes('record started'));
});

test('a controller that is away is told a few times more, and the guest does not wait for it', async () => {
  const { shell, done, clock } = destination(Array(9).fill('UNREACHABLE'));
  await start(shell);
  assert.is(shell.isSettled, true);
  for (let second = 0; second < 20; second++) {
    clock.turn(1_000);
    await settled();
  }
  assert.is(done.filter((what) => what === 'moved').length, 5);
});

test('a controller that will not hear of it is left alone; a refused one hears nothing', async () => {
  const started = destination(['MIGRATION_UNKNOWN']);
  await start(started.shell);
  started.clock.turn(10_000);
  await settled();
  assert.is(started.done.filter((what) => what === 'moved').length, 1);
  const refused = destination([]);
  refused.shell.feed({ type: 'begin' });
  refused.shell.feed({ type: 'refuse', reason: 'no' });
  await settled();
  assert.ok(refused.done.includes('record refused'));
  assert.not.ok(refused.done.includes('moved'));
});

test.run();
