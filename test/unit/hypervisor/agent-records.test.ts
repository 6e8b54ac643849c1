// The agent's journal: what its records mean, also after compaction and a restart, and the fence of terms.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realDisk } from '../../../common/disk/disk.ts';
import { AgentJournal } from '../../../hypervisor/agent-journal.ts';
import { type AgentRecord, AgentState, ENDED_KEPT_MAX } from '../../../hypervisor/agent-records.ts';
import { until } from '../../until.ts';

const PEER = { node: 'beta', address: '10.77.0.2' };

function machine(vm: string, epoch: number): AgentRecord {
  const boot = { kernel: '/k', initrd: '/i', commandLine: '' };
  const shape = { memoryMB: 128, cpus: 1, machine: 'pc-q35-7.2', cpuModel: 'Nehalem', disks: [] };
  const spec = { ...shape, vm, mac: '52:54:00:00:00:01', ip: '10.0.0.1', boot };
  return { kind: 'machine', epoch, spec, sockets: [], port: 'tap0' };
}

function destination(index: number, entry: 'incoming' | 'started' | 'refused' | 'settled'): AgentRecord {
  const migration = index.toString(16).padStart(16, '0');
  return { kind: 'destination', migration, vm: 'web', source: PEER, deadlineMs: 10_000, entry };
}

test('a machine is here until it is gone', () => {
  const state = AgentState.of([machine('web', 1), machine('db', 1), machine('web', 2), { kind: 'gone', vm: 'db' }]);
  assert.equal([...state.machines.keys()], ['web']);
  assert.is(state.machines.get('web')?.epoch, 2);
});

test('compaction keeps what is open and the newest of what has ended', () => {
  const ended = Array.from({ length: ENDED_KEPT_MAX + 10 }, (_, index) => [
    destination(index, 'incoming'),
    destination(index, 'started'),
    destination(index, 'settled'),
  ]).flat();
  const open = destination(1_000_000, 'incoming');
  const state = AgentState.of([
    open,
    { kind: 'term', term: 3 },
    ...ended,
    { kind: 'refusal', migration: 'f'.repeat(16) },
  ]);
  const again = AgentState.of(state.compact());
  assert.is(again.term, 3);
  assert.is(again.destinations.size, ENDED_KEPT_MAX + 1);
  assert.not(again.destinations.has('0'.repeat(16)));
  assert.equal(again.destinations.get((1_000_000).toString(16).padStart(16, '0')), [open]);
  assert.ok(again.refusals.has('f'.repeat(16)));
});

test('the highest term is kept across restarts and a lower one is refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'agent-journal-'));
  const fail = (error: unknown): never => {
    throw error;
  };
  const first = await AgentJournal.open(realDisk, directory, fail);
  await first.admit(4);
  await first.admit(4);
  await first.admit(9);
  await first.close();
  const second = await AgentJournal.open(realDisk, directory, fail);
  const error = await second.admit(8).then(
    () => undefined,
    (reason: Error & { code: string }) => reason,
  );
  assert.is(error?.code, 'OLD_TERM');
  await second.admit(9);
  await second.close();
  await rm(directory, { recursive: true });
});

test('after a failed append nothing goes on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'agent-journal-'));
  const failures: unknown[] = [];
  const journal = await AgentJournal.open(realDisk, directory, (error) => failures.push(error));
  await journal.close();
  let wentOn = false;
  void journal.append({ kind: 'term', term: 1 }).then(() => {
    wentOn = true;
  });
  await until('the failure is told', async () => failures.length > 0);
  assert.is(failures.length, 1);
  assert.not(wentOn);
  assert.is(journal.state.term, 0);
  await rm(directory, { recursive: true });
});

test.run();
