// What a run of the probe guest is taken for, and the image itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge, probeGuest } from '../../../hypervisor/probe-guest.ts';
import { PROBE_EXIT_CODE, probeImage } from '../../../hypervisor/qemu/probe-image.ts';

const WARNINGS =
  "qemu: warning: host doesn't support requested feature: CPUID.01H:ECX.ssse3 [bit 9]\n" +
  "qemu: warning: host doesn't support requested feature: CPUID.01H:ECX.sse4.1 [bit 19]\n" +
  "qemu: Host doesn't support requested features\n";

test('only the whole walk and its exit code mean KVM', () => {
  assert.is(judge({ exitCode: PROBE_EXIT_CODE, marks: 'RPLMTW', complaints: '' }, 'Nehalem', 9).family, 'kvm');
  const others = [
    { exitCode: PROBE_EXIT_CODE, marks: 'RPLMT', complaints: '' },
    { exitCode: 0, marks: 'RPLMTW', complaints: '' },
    { exitCode: null, marks: 'RPLMTW', complaints: '' },
    { exitCode: null, marks: '', complaints: '' },
  ];
  for (const run of others) assert.is(judge(run, 'Nehalem', 9).family, 'tcg');
});

test('the reason names what is missing, where it stood, or what QEMU said', () => {
  const reason = (exitCode: number | null, marks: string, complaints: string) =>
    judge({ exitCode, marks, complaints }, 'Nehalem', 3000).reason;
  assert.is(reason(1, '', WARNINGS), 'KVM cannot give the CPU model Nehalem here: it lacks ssse3, sse4.1.');
  assert.match(reason(null, 'RPLMT', WARNINGS), 'had not done 50 million passes of a loop in 3000 ms');
  assert.match(reason(null, 'RPLM', ''), 'five timer interrupts');
  assert.match(reason(0, 'RPLM', ''), 'broke at five timer interrupts');
  assert.match(reason(1, '', 'a\nqemu: Permission denied\n'), 'ended with 1 (qemu: Permission denied)');
});

test('without the device nothing is run', async () => {
  const options = { cpuModel: 'Nehalem', machine: 'pc-q35-7.2', device: '/nowhere/kvm', program: '/nowhere/qemu' };
  assert.equal(await probeGuest(options), { family: 'tcg', reason: 'KVM is not there: /nowhere/kvm does not open.' });
});

test('the image is firmware: 64 KiB, the first instruction 16 bytes below the end', () => {
  const image = probeImage();
  assert.is(image.length, 65536);
  assert.equal([...image.subarray(0xfff0, 0xfff5)], [0xea, 0x00, 0x00, 0x00, 0xf0]);
  assert.equal([...image.subarray(0, 3)], [0xfa, 0xb0, 'R'.charCodeAt(0)]);
  assert.is(image[image.length - 1], 0xf4);
});

test.run();
