// What this node can run: the hypervisor family that the probe guest proved, QEMU's version, and the machine types and
// CPU models that every node of the family gives alike.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Capabilities } from '../wire/contracts/hypervisor.ts';
import { probeGuest } from './probe-guest.ts';

/** One machine type and one CPU model that are the same under every QEMU from 7.2 on, also under emulation. */
export const MACHINES = ['pc-q35-7.2'];
export const CPU_MODELS = ['Nehalem'];

const QEMU = 'qemu-system-x86_64';
/** `--version` prints and ends. */
const VERSION_TIMEOUT_MS = 10_000;

/** @throws Error when QEMU is not installed */
export async function nodeCapabilities(limits: Pick<Capabilities, 'cpus' | 'memoryMB'>): Promise<Capabilities> {
  const version = await qemuVersion();
  const [machine = '', cpuModel = ''] = [MACHINES[0], CPU_MODELS[0]];
  const { family, reason } = await probeGuest({ machine, cpuModel });
  return { family, proof: reason, version, machines: [...MACHINES], cpuModels: [...CPU_MODELS], ...limits };
}

async function qemuVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)(QEMU, ['--version'], { timeout: VERSION_TIMEOUT_MS });
  return /version (\S+)/.exec(stdout)?.[1] ?? stdout.trim();
}
