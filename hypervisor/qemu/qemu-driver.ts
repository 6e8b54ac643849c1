// The driver for QEMU, with KVM or by emulation: makes machines, takes up living ones. It must never touch a process
// that is not the machine it was asked for.
import { mkdir } from 'node:fs/promises';
import {
  type Driver,
  type DriverCapabilities,
  HypervisorError,
  type IncomingMachine,
  type Machine,
  type MachineSpec,
  type WaitOptions,
} from '../driver.ts';
import { QmpClient } from '../qmp/qmp-client.ts';
import { type Accelerator, qemuCommandLine } from './command-line.ts';
import { QemuIncomingMachine } from './incoming-machine.ts';
import { askCapabilities } from './qemu-capabilities.ts';
import { QemuMachine, type QemuMachineParts } from './qemu-machine.ts';
import { findQemu, lastWords, type StartedProcess, startDetached } from './qemu-process.ts';
import { asHypervisorError } from './qmp-failure.ts';
import { connectStarting } from './qmp-start.ts';
import { runFiles } from './run-directory.ts';

/** QEMU opens its sockets within 0.1 s; it first connects to its disks, which may be slow. */
const START_TIMEOUT_MS = 30_000;

const ADOPT_TIMEOUT_MS = 5_000;

export interface QemuDriverOptions {
  readonly family: Accelerator;
  /** Default: Debian's. */
  readonly program?: string;
  /** What is put before the program, e.g. `['ip', 'netns', 'exec', NAME]`; it has to exec, so that the pid stays. */
  readonly launchPrefix?: readonly string[];
}

export class QemuDriver implements Driver {
  readonly family: Accelerator;
  readonly #command: readonly string[];

  constructor({ family, program = 'qemu-system-x86_64', launchPrefix = [] }: QemuDriverOptions) {
    this.family = family;
    this.#command = [...launchPrefix, program];
  }

  capabilities(options: WaitOptions = {}): Promise<DriverCapabilities> {
    return askCapabilities(this.#command, this.family, options);
  }

  async create(spec: MachineSpec, options: WaitOptions = {}): Promise<Machine> {
    return new QemuMachine(await this.#start(spec, false, options));
  }

  async incoming(spec: MachineSpec, options: WaitOptions = {}): Promise<IncomingMachine> {
    const machine = new QemuIncomingMachine(await this.#start(spec, true, options));
    try {
      await machine.listen();
      return machine;
    } catch (error) {
      await machine.destroy();
      throw error;
    }
  }

  async adopt(
    { name, runDirectory }: { readonly name: string; readonly runDirectory: string },
    { signal, timeoutMs = ADOPT_TIMEOUT_MS }: WaitOptions = {},
  ): Promise<Machine | undefined> {
    const files = runFiles(runDirectory);
    const identity = await findQemu(files.pidFile);
    if (identity === undefined) return undefined;
    try {
      const qmp = await QmpClient.connect(files.agentSocket, { timeoutMs, ...(signal && { signal }) });
      return new QemuMachine({ name: await checkedName(qmp, name), runDirectory, identity, qmp });
    } catch (error) {
      throw asHypervisorError(error, name, 'adoption');
    }
  }

  async #start(spec: MachineSpec, incoming: boolean, options: WaitOptions): Promise<QemuMachineParts> {
    const files = runFiles(spec.runDirectory);
    const qemuArguments = qemuCommandLine(spec, { accelerator: this.family, files, incoming });
    await mkdir(spec.runDirectory, { recursive: true, mode: 0o700 });
    await refuseSecond(spec, files.pidFile);
    const [program = '', ...prefixed] = this.#command;
    const started = startDetached({ program, programArguments: [...prefixed, ...qemuArguments], logFile: files.log });
    return connectStarted(spec, started, options);
  }
}

async function refuseSecond(spec: MachineSpec, pidFile: string): Promise<void> {
  const other = await findQemu(pidFile);
  if (other === undefined) return;
  const message = `start of ${spec.name}: ${spec.runDirectory} has a living QEMU, pid ${other.pid}; adopt or destroy it`;
  throw new HypervisorError('START_FAILED', message);
}

async function connectStarted(
  spec: MachineSpec,
  started: StartedProcess,
  options: WaitOptions,
): Promise<QemuMachineParts> {
  const { pidFile, agentSocket, log } = runFiles(spec.runDirectory);
  let endedHow: string | undefined;
  void started.ended.then((how) => {
    endedHow = how;
  });
  try {
    const qmp = await connectStarting(agentSocket, () => endedHow, { timeoutMs: START_TIMEOUT_MS, ...options });
    const identity = await findQemu(pidFile);
    if (identity === undefined) throw startFailed(spec, `its pid file ${pidFile} names no QEMU`);
    return { name: spec.name, runDirectory: spec.runDirectory, identity, qmp };
  } catch (error) {
    started.kill();
    await started.ended;
    if (error instanceof HypervisorError) throw startFailed(spec, `${error.message}: ${await lastWords(log)}`, error);
    throw error;
  }
}

async function checkedName(qmp: QmpClient, name: string): Promise<string> {
  const { name: found } = await qmp.execute('query-name', {});
  if (found === name) return name;
  qmp.close();
  throw new HypervisorError('MACHINE_REFUSED', `adoption of ${name}: the QEMU there is ${found ?? 'without a name'}`);
}

function startFailed(spec: MachineSpec, why: string, cause?: unknown): HypervisorError {
  return new HypervisorError('START_FAILED', `start of ${spec.name}: ${why}`, { cause });
}
