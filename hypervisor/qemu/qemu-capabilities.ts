// Asks a QEMU without a machine what it can run on this node. It must leave neither process nor file behind.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DriverCapabilities, HypervisorError, type WaitOptions } from '../driver.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';
import type { Accelerator } from './command-line.ts';
import { lastWords, startDetached } from './qemu-process.ts';
import { connectStarting } from './qmp-start.ts';

const START_TIMEOUT_MS = 10_000;

/** Rejects with START_FAILED. `command` is the program with what stands before it. */
export async function askCapabilities(
  command: readonly string[],
  accelerator: Accelerator,
  options: WaitOptions,
): Promise<DriverCapabilities> {
  const directory = await mkdtemp(join(tmpdir(), 'supercloud-qemu-'));
  try {
    return await askIn(directory, command, accelerator, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function askIn(directory: string, command: readonly string[], accelerator: Accelerator, options: WaitOptions) {
  const [program = '', ...prefixed] = command;
  const [socket, logFile] = [join(directory, 'qmp.sock'), join(directory, 'log')];
  const programArguments = [
    ...prefixed,
    '-machine',
    'none',
    '-accel',
    accelerator,
    '-nodefaults',
    '-no-user-config',
  ].concat(['-display', 'none', '-S', '-qmp', `unix:${socket},server=on,wait=off`]);
  const started = startDetached({ program, programArguments, logFile });
  let endedHow: string | undefined;
  const ended = started.ended.then((how) => {
    endedHow = how;
  });
  try {
    return await ask(await connectStarting(socket, () => endedHow, { timeoutMs: START_TIMEOUT_MS, ...options }));
  } catch (error) {
    if (!(error instanceof HypervisorError)) throw error;
    throw new HypervisorError('START_FAILED', `capabilities of QEMU: ${error.message}: ${await lastWords(logFile)}`);
  } finally {
    started.kill();
    await ended;
  }
}

async function ask(qmp: QmpClient): Promise<DriverCapabilities> {
  const { qemu } = await qmp.execute('query-version', {});
  const machines = await qmp.execute('query-machines', {});
  const models = await qmp.execute('query-cpu-definitions', {});
  const whole = models.filter((model) => model['migration-safe'] && model['unavailable-features']?.length === 0);
  return {
    version: `QEMU ${qemu.major}.${qemu.minor}.${qemu.micro}`,
    machines: machines.map(({ name }) => name).sort(),
    cpuModels: whole.map(({ name }) => name).sort(),
  };
}
