// The machines of this node: which were ordered, which processes they live in, also after a restart of the agent. It
// must never start a guest whose journal entry is not durable, nor touch one that a migration has in hand.
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Result } from '../wire/contract.ts';
import type { hypervisorContract } from '../wire/contracts/hypervisor.ts';
import type { AgentJournal } from './agent-journal.ts';
import type { MachineRecord } from './agent-records.ts';
import type { Driver, MachineSpec as DriverSpec, IncomingMachine, Machine, MachineState } from './driver.ts';
import type { Neighbours } from './neighbours.ts';

/** What fits into one page of a person's screen several times over. */
const CONSOLE_BYTES_MAX = 16 * 1024;
/** Kernel ticks per second as user space sees them (proc(5), USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Before a disk request that failed is tried again, ms: the disk's daemon restarts. */
const IO_RETRY_MS = 1_000;

type ListedMachine = Result<typeof hypervisorContract, 'machine.list'>['machines'][number];

export interface MachinesParts {
  readonly driver: Driver;
  readonly journal: AgentJournal;
  readonly neighbours: Neighbours;
  /** The parent of the machines' run directories; short, because sockets' names are. */
  readonly directory: string;
  readonly mtuBytes: number;
  /** Whether a migration has the machine in hand. */
  readonly isMoving: (vm: string) => boolean;
  readonly log: Log;
}

export class Machines {
  readonly #parts: MachinesParts;
  readonly #living = new Map<string, Machine>();

  constructor(parts: MachinesParts) {
    this.#parts = parts;
  }

  /** Takes up what lives from before; the others are reported as stopped. */
  async adoptAll(): Promise<void> {
    for (const { spec } of this.#parts.journal.state.machines.values()) await this.#adopt(spec.vm);
  }

  async #adopt(name: string): Promise<void> {
    const { log } = this.#parts;
    try {
      const machine = await this.find(name);
      log.info({ vm: name, pid: machine?.pid }, machine ? 'adopted' : 'its process is gone');
    } catch (error) {
      log.error({ vm: name, err: error }, 'a machine could not be taken up');
    }
  }

  runDirectory(vm: string): string {
    return join(this.#parts.directory, vm);
  }

  /** The machine's process as far as it has been taken up. */
  living(vm: string): Machine | undefined {
    return this.#living.get(vm);
  }

  /** The machine's process, taken up if need be; undefined only when there is none. */
  async find(vm: string): Promise<Machine | undefined> {
    const known = this.#living.get(vm);
    if (known) return known;
    const machine = await this.#parts.driver.adopt({ name: vm, runDirectory: this.runDirectory(vm) });
    if (machine) this.#keep(machine);
    return machine;
  }

  record(vm: string): MachineRecord | undefined {
    return this.#parts.journal.state.machines.get(vm);
  }

  /** Boots a machine; again under the same epoch makes sure that it runs. @throws OperationError, HypervisorError */
  async create(record: MachineRecord): Promise<void> {
    const { vm } = record.spec;
    if (this.record(vm) && this.record(vm)?.epoch !== record.epoch)
      throw new OperationError('MACHINE_EXISTS', `VM ${vm} is here already under epoch ${this.record(vm)?.epoch}`);
    if (!(await this.find(vm))) await this.#start(record);
    await this.#parts.neighbours.port('port.open', vm);
    await this.#living.get(vm)?.cont();
  }

  async #start(record: MachineRecord): Promise<void> {
    const { driver, journal } = this.#parts;
    await journal.append(record);
    // What an earlier VM of that name said is not this one's console.
    await rm(this.#consoleFile(record.spec.vm), { force: true });
    try {
      this.#keep(await driver.create(this.#driverSpec(record)));
    } catch (error) {
      await journal.append({ kind: 'gone', vm: record.spec.vm });
      throw error;
    }
  }

  /** The waiting end of a migration; its record is durable already. */
  async incoming(record: MachineRecord, signal: AbortSignal): Promise<IncomingMachine> {
    const machine = await this.#parts.driver.incoming(this.#driverSpec(record), { signal });
    this.#keep(machine);
    return machine;
  }

  /** Ends the process, if it lives. */
  async kill(vm: string): Promise<void> {
    const machine = await this.find(vm);
    await machine?.destroy();
    this.#living.delete(vm);
  }

  async delete(vm: string): Promise<void> {
    await this.kill(vm);
    if (this.record(vm)) await this.#parts.journal.append({ kind: 'gone', vm });
  }

  /** One of its images is larger now. @throws OperationError NO_MACHINE, EXPORT_BUSY; HypervisorError */
  async resize(vm: string, image: string, bytes: number): Promise<void> {
    const { journal, neighbours } = this.#parts;
    const record = this.record(vm);
    const index = record?.spec.disks.findIndex((disk) => disk.image === image) ?? -1;
    if (record === undefined || index < 0)
      throw new OperationError('NO_MACHINE', `no VM ${vm} with image ${image} is on this node`);
    const machine = await this.find(vm);
    if (machine !== undefined) {
      await neighbours.renewExport(image);
      await machine.growDisk(index, bytes);
    }
    const disks = record.spec.disks.map((disk) => (disk.image === image ? { ...disk, bytes } : disk));
    await journal.append({ ...record, spec: { ...record.spec, disks } });
  }

  async list(): Promise<ListedMachine[]> {
    const records = [...this.#parts.journal.state.machines.values()];
    return Promise.all(records.map((record) => this.#stateOf(record)));
  }

  async #stateOf({ spec: { vm }, epoch }: MachineRecord): Promise<ListedMachine> {
    const machine = this.#living.get(vm);
    if (!machine) return { vm, state: 'stopped', epoch, cpuSeconds: 0 };
    try {
      const { state } = await machine.status();
      return { vm, state: wireState(state), epoch, cpuSeconds: await cpuSeconds(machine.pid) };
    } catch (error) {
      this.#parts.log.warn({ vm, reason: messageOf(error) }, 'a machine does not say how it is');
      return { vm, state: 'stopped', epoch, cpuSeconds: 0 };
    }
  }

  /** The end of the guest's serial console, at most 16 KiB. */
  async console(vm: string): Promise<string> {
    if (!this.record(vm)) throw new OperationError('NO_MACHINE', `VM ${vm} is not on this node`);
    const path = this.#consoleFile(vm);
    try {
      return await tail(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    }
  }

  /** Lets go of the machines; they go on. */
  detach(): void {
    for (const machine of this.#living.values()) machine.detach();
    this.#living.clear();
  }

  #consoleFile(vm: string): string {
    return join(this.runDirectory(vm), 'console.log');
  }

  #keep(machine: Machine): void {
    const { log } = this.#parts;
    this.#living.set(machine.name, machine);
    machine.on('exited', ({ reason }) => {
      log.warn({ vm: machine.name, reason }, 'a machine ended');
      if (this.#living.get(machine.name) === machine) this.#living.delete(machine.name);
    });
    machine.on('ioError', (event) => {
      log.warn({ vm: machine.name, ...event }, 'a disk request failed; the guest waits and it is tried again');
      this.#retryIoLater(machine);
    });
  }

  #retryIoLater(machine: Machine): void {
    setTimeout(() => void this.#retryIo(machine), IO_RETRY_MS).unref();
  }

  /** One that moves is continued where it comes to; here it is when that comes to nothing. */
  async #retryIo(machine: Machine): Promise<void> {
    if (this.#living.get(machine.name) !== machine) return;
    if (this.#parts.isMoving(machine.name)) {
      this.#retryIoLater(machine);
      return;
    }
    try {
      if ((await machine.status()).state === 'io-error') await machine.cont();
    } catch (error) {
      this.#parts.log.warn({ vm: machine.name, reason: messageOf(error) }, 'the guest could not be continued');
    }
  }

  #driverSpec({ spec, sockets, port }: MachineRecord): DriverSpec {
    if (sockets.length !== spec.disks.length)
      throw new OperationError(
        'BAD_DISKS',
        `VM ${spec.vm} has ${spec.disks.length} disks and ${sockets.length} sockets`,
      );
    const disks = spec.disks.map(({ image, bytes }, index) => {
      return { nbdSocket: sockets[index] ?? '', exportName: image, bytes };
    });
    const { vm: name, memoryMB, cpus, machine, cpuModel, boot } = spec;
    const nics = [{ mac: spec.mac, tap: port, mtuBytes: this.#parts.mtuBytes }];
    const serial = { logFile: this.#consoleFile(name) };
    return {
      name,
      memoryMB,
      cpus,
      machine,
      cpuModel,
      disks,
      nics,
      boot,
      serial,
      runDirectory: this.runDirectory(name),
    };
  }
}

function wireState(state: MachineState): ListedMachine['state'] {
  switch (state) {
    case 'running':
    case 'paused':
    case 'held':
    case 'incoming':
      return state;
    case 'migrated':
    case 'io-error':
      return 'paused';
    case 'ended':
      return 'stopped';
  }
}

/** User and system time of a process (proc(5), fields 14 and 15 of stat; the name in field 2 may hold spaces). */
async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function tail(path: string): Promise<string> {
  const { size } = await stat(path);
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.min(size, CONSOLE_BYTES_MAX));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
