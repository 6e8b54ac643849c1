// Finds out whether KVM serves here, by running a guest under it: a /dev/kvm that opens and makes processors proves
// nothing (there are some that interpret every instruction, a thousand times too slow). It must leave nothing behind.
import { spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROBE_EXIT_CODE, PROBE_EXIT_PORT, PROBE_MARK_PORT, PROBE_STAGES, probeImage } from './qemu/probe-image.ts';

/** A KVM on a processor takes 0.1 s, emulation 0.35 s, an interpreting KVM a minute. */
const PROBE_TIMEOUT_MS = 3_000;

/** QEMU's warnings are a line for each missing feature; the marks are six letters. */
const OUTPUT_CHARS_MAX = 16_384;

export interface ProbeGuestOptions {
  /** The CPU model that the cluster's guests get: KVM has to be able to give it. */
  readonly cpuModel: string;
  readonly machine: string;
  /** Default: Debian's. */
  readonly program?: string;
  /** Default `/dev/kvm`. */
  readonly device?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Which family this node's guests belong to, and one sentence for people that says why. */
export interface ProbeVerdict {
  readonly family: 'kvm' | 'tcg';
  readonly reason: string;
}

/** What one run of the probe came to; `exitCode` is null when it had to be ended. */
export interface ProbeRun {
  readonly exitCode: number | null;
  readonly marks: string;
  readonly complaints: string;
}

/** Runs the probe guest. Rejects only when aborted or when the temporary directory cannot be written. */
export async function probeGuest(options: ProbeGuestOptions): Promise<ProbeVerdict> {
  const { device = '/dev/kvm', timeoutMs = PROBE_TIMEOUT_MS } = options;
  if (!(await opens(device))) return { family: 'tcg', reason: `KVM is not there: ${device} does not open.` };
  const run = await runProbe('kvm', options);
  return judge(run, options.cpuModel, timeoutMs);
}

/** One run of the probe under an accelerator; under `tcg` it shows that the probe itself is sound. */
export async function runProbe(accelerator: 'kvm' | 'tcg', options: ProbeGuestOptions): Promise<ProbeRun> {
  options.signal?.throwIfAborted();
  const directory = await mkdtemp(join(tmpdir(), 'supercloud-probe-'));
  try {
    const image = join(directory, 'probe.rom');
    await writeFile(image, probeImage());
    return await runQemu(probeArguments(accelerator, image, options), options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a run means. */
export function judge(run: ProbeRun, cpuModel: string, timeoutMs: number): ProbeVerdict {
  if (run.exitCode === PROBE_EXIT_CODE && run.marks === PROBE_STAGES.map(({ mark }) => mark).join('')) {
    return { family: 'kvm', reason: `KVM runs the probe guest with the CPU model ${cpuModel}.` };
  }
  const missing = [...run.complaints.matchAll(/support requested feature: CPUID\.[^.]*\.(\S+) \[/g)].map(
    ([, name]) => name,
  );
  if (run.marks === '' && missing.length > 0) {
    return { family: 'tcg', reason: `KVM cannot give the CPU model ${cpuModel} here: it lacks ${missing.join(', ')}.` };
  }
  if (run.exitCode !== null && run.marks === '') {
    const words = run.complaints.trim().split('\n').at(-1) ?? '';
    return { family: 'tcg', reason: `KVM did not run the probe guest: QEMU ended with ${run.exitCode} (${words}).` };
  }
  const stage = PROBE_STAGES.find(({ mark }) => !run.marks.includes(mark))?.does ?? 'its end';
  if (run.exitCode !== null) return { family: 'tcg', reason: `KVM is not sound: the probe guest broke at ${stage}.` };
  return {
    family: 'tcg',
    reason: `KVM hangs or is too slow: the probe guest had not done ${stage} in ${timeoutMs} ms.`,
  };
}

function probeArguments(accelerator: 'kvm' | 'tcg', image: string, { machine, cpuModel }: ProbeGuestOptions): string[] {
  return [
    ['-machine', `${machine},usb=off,sata=off`, '-accel', accelerator, '-cpu', `${cpuModel},enforce`],
    ['-m', 'size=16M', '-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    ['-bios', image],
    ['-chardev', 'stdio,id=marks,signal=off', '-device', `isa-debugcon,iobase=${PROBE_MARK_PORT},chardev=marks`],
    ['-device', `isa-debug-exit,iobase=${PROBE_EXIT_PORT},iosize=4`],
  ].flat();
}

function runQemu(qemuArguments: string[], options: ProbeGuestOptions): Promise<ProbeRun> {
  const { program = 'qemu-system-x86_64', timeoutMs = PROBE_TIMEOUT_MS, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, qemuArguments, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { marks: '', complaints: '' };
    child.stdout.on('data', (bytes: Buffer) => {
      output.marks = (output.marks + bytes.toString('latin1')).slice(0, OUTPUT_CHARS_MAX);
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output.complaints = (output.complaints + bytes.toString('utf8')).slice(0, OUTPUT_CHARS_MAX);
    });
    const end = () => child.kill('SIGKILL');
    const timer = setTimeout(end, timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    const finish = (exitCode: number | null) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ exitCode, ...output });
    };
    child.once('error', (error) => {
      output.complaints += error.message;
      finish(-1);
    });
    child.once('close', (code) => finish(code));
  });
}

async function opens(device: string): Promise<boolean> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    // Whatever the reason, it is not for us to use.
    return false;
  }
}
