// The probe guest under QEMU: it must pass where processors are sound, and come to a verdict on this machine's KVM.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { probeGuest, runProbe } from '../../hypervisor/probe-guest.ts';
import { PROBE_EXIT_CODE } from '../../hypervisor/qemu/probe-image.ts';
import { QemuDriver } from '../../hypervisor/qemu/qemu-driver.ts';

/** Emulation takes 0.3 s alone, ten times that on a machine full of other work. */
const OPTIONS = { cpuModel: 'Nehalem', machine: 'pc-q35-7.2', timeoutMs: 60_000 };

const { TMPDIR } = process.env;
/** A place of its own for temporary files: agents of other tests probe this machine too. */
let temporary: string;

test.before(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'probes-'));
  process.env.TMPDIR = temporary;
});

test.after(async () => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  await rm(temporary, { recursive: true });
});

test('emulation walks the probe to its end', async () => {
  assert.equal(await runProbe('tcg', OPTIONS), { exitCode: PROBE_EXIT_CODE, marks: 'RPLMTW', complaints: '' });
});

test('a processor without a local timer is caught there', async () => {
  const { marks } = await runProbe('tcg', { ...OPTIONS, cpuModel: 'Nehalem,apic=off', timeoutMs: 6_000 });
  assert.is(marks, 'RPLM');
});

test('this machine gets a verdict and a sentence, and keeps nothing', async () => {
  const verdict = await probeGuest({ ...OPTIONS, timeoutMs: 3_000 });
  assert.ok(verdict.family === 'kvm' || verdict.family === 'tcg');
  assert.match(verdict.reason, /^KVM .*\.$/);
  assert.equal(await readdir(temporary), []);
});

test('an abort ends it', async () => {
  await runProbe('tcg', { ...OPTIONS, signal: AbortSignal.abort(new Error('no time')) }).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'no time'),
  );
});

test('emulation can do what the cluster asks of a node', async () => {
  const { version, machines, cpuModels } = await new QemuDriver({ family: 'tcg' }).capabilities();
  assert.match(version, /^QEMU \d+\.\d+\.\d+$/);
  assert.ok(machines.includes('pc-q35-7.2'));
  assert.ok(cpuModels.includes('Nehalem'));
  assert.not(cpuModels.includes('host'));
});

test.run();
