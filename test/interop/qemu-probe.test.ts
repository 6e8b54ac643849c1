// The probe guest under QEMU: it must pass where processors are sound, and come to a verdict on this machine's KVM.
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { probeGuest, runProbe } from '../../hypervisor/probe-guest.ts';
import { PROBE_EXIT_CODE } from '../../hypervisor/qemu/probe-image.ts';
import { QemuDriver } from '../../hypervisor/qemu/qemu-driver.ts';

/** Emulation takes 0.3 s alone, ten times that on a machine full of other work. */
const OPTIONS = { cpuModel: 'Nehalem', machine: 'pc-q35-7.2', timeoutMs: 20_000 };

async function leftovers(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => /^supercloud-(probe|qemu)-/.test(name));
}

test('emulation walks the probe to its end', async () => {
  assert.equal(await runProbe('tcg', OPTIONS), { exitCode: PROBE_EXIT_CODE, marks: 'RPLMTW', complaints: '' });
});

test('a processor without a local timer is caught there', async () => {
  const { marks } = await runProbe('tcg', { ...OPTIONS, cpuModel: 'Nehalem,apic=off', timeoutMs: 2_000 });
  assert.is(marks, 'RPLM');
});

test('this machine gets a verdict and a sentence, and keeps nothing', async () => {
  const before = await leftovers();
  const verdict = await probeGuest({ ...OPTIONS, timeoutMs: 3_000 });
  assert.ok(verdict.family === 'kvm' || verdict.family === 'tcg');
  assert.match(verdict.reason, /^KVM .*\.$/);
  assert.equal(await leftovers(), before);
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
