// What must be refused or survived in a running lab: each a sentence, and the VM runs on where it was.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OperationError } from '../../common/errors.ts';
import { ProgressLine } from '../../common/progress.ts';
import { HYPERVISOR } from '../../lab/daemons.ts';
import { guestProblems } from '../../lab/guest/status.ts';
import { prepareWithProgress } from '../../lab/guests.ts';
import { Lab } from '../../lab/lab.ts';
import { namespacePids } from '../../lab/namespace.ts';
import { runSupercloud } from '../../lab/program.ts';
import { Round } from '../../lab/round.ts';
import { GUEST } from '../../lab/topology.ts';
import { refusal } from '../refusal.ts';

const { vm } = GUEST;
let lab: Lab;
let round: Round;

/** The VM runs at the cloud, was never restarted, and its disk and memory are whole. */
async function assertRunsAt(cloud: string): Promise<void> {
  const state = await lab.operator.call('vm.show', { vm });
  assert.is(state.cloud, cloud);
  assert.is(state.state, 'running');
  assert.equal(guestProblems(await round.visitor.ask('status')), []);
  const tcp = await round.visitor.mark();
  assert.is(tcp.lost, '');
}

/** Orders a migration and answers when its memory is on the way, with the order's end. */
async function migrateUntilMemory(to: string): Promise<{ ended: Promise<OperationError> }> {
  let begun: () => void = () => undefined;
  const memory = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const slow = 1_500_000;
  const order = lab.operator.call(
    'vm.migrate',
    { vm, to, maxBandwidthBytesPerSecond: slow },
    {
      onProgress: ({ step, memoryBytes }) => {
        if (step === 'memory' && memoryBytes > 0) begun();
      },
    },
  );
  const ended = refusal(order);
  await Promise.race([memory, ended.then((error) => Promise.reject(error))]);
  return { ended };
}

test.before(async () => {
  const line = new ProgressLine();
  lab = await Lab.start(line);
  round = new Round(lab, await prepareWithProgress('tiny', line), line);
  await round.boot();
});

test.after(async () => {
  round?.stop();
  await lab?.stop();
});

test('an unknown VM, an unknown cloud, and the place where it already is', async () => {
  const unknown = await refusal(lab.operator.call('vm.migrate', { vm: 'nobody', to: 'beta' }));
  assert.is(unknown.code, 'VM_UNKNOWN');
  assert.match(unknown.remedy, vm);
  const nowhere = await refusal(lab.operator.call('vm.migrate', { vm, to: 'delta' }));
  assert.is(nowhere.code, 'CLOUD_UNKNOWN');
  assert.match(nowhere.remedy, 'alpha, beta, gamma');
  const there = await refusal(lab.operator.call('vm.migrate', { vm, to: 'alpha' }));
  assert.is(there.code, 'ALREADY_THERE');
  await assertRunsAt('alpha');
});

test('names and images that are taken or in use', async () => {
  const { spec } = await lab.operator.call('vm.show', { vm });
  const request = { vm, cloud: 'beta', image: GUEST.image, memoryMB: 128, cpus: 1, ip: '10.88.0.11', boot: spec.boot };
  assert.is((await refusal(lab.operator.call('vm.create', request))).code, 'VM_EXISTS');
  assert.is((await refusal(lab.operator.call('vm.create', { ...request, vm: 'other' }))).code, 'IMAGE_OPEN');
  assert.is((await refusal(lab.operator.call('image.delete', { image: GUEST.image }))).code, 'IMAGE_OPEN');
  await assertRunsAt('alpha');
});

test('a used token lets nobody in', async () => {
  const { token } = await lab.operator.call('token.create', { ttlSeconds: 60 });
  const directory = `${lab.run.path}/joined`;
  const { namespace } = lab.cloud('beta');
  await runSupercloud(namespace, ['join', '--node', 'delta', '--identity', `${directory}-1`], token);
  const again = runSupercloud(namespace, ['join', '--node', 'epsilon', '--identity', `${directory}-2`], token);
  const error = await again.then(
    () => '',
    (failure: unknown) => String(failure),
  );
  assert.match(error, 'TOKEN_USED');
});

test('a second migration of the same VM, and cancelling the first', async () => {
  const { ended } = await migrateUntilMemory('beta');
  const second = await refusal(lab.operator.call('vm.migrate', { vm, to: 'gamma' }));
  assert.is(second.code, 'ALREADY_MIGRATING');
  assert.is((await refusal(lab.operator.call('vm.delete', { vm }))).code, 'VM_BUSY');
  await lab.operator.call('migration.cancel', { vm });
  assert.match((await ended).message, 'cancelled by the operator');
  await assertRunsAt('alpha');
});

test('a destination whose machine dies in the middle', async () => {
  const { ended } = await migrateUntilMemory('beta');
  const { namespace, daemons } = lab.cloud('beta');
  const ours = new Set([...daemons.values()].map(({ pid }) => pid));
  const machines = namespacePids(namespace).filter((pid) => !ours.has(pid) && isQemu(pid));
  assert.is(machines.length, 1);
  for (const pid of machines) process.kill(pid, 'SIGKILL');
  assert.is((await ended).code, 'MIGRATION_FAILED');
  await assertRunsAt('alpha');
});

test('a destination whose agent dies in the middle and comes back', async () => {
  const { ended } = await migrateUntilMemory('beta');
  lab.cloud('beta').daemons.get(HYPERVISOR.name)?.signal('SIGKILL');
  await lab.cloud('beta').startDaemon(HYPERVISOR);
  assert.is((await ended).code, 'MIGRATION_FAILED');
  await assertRunsAt('alpha');
});

test('after all that the VM still moves', async () => {
  await lab.operator.call('vm.migrate', { vm, to: 'beta' });
  await assertRunsAt('beta');
});

function isQemu(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system');
}

test.run();
