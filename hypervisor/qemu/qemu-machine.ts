// A machine that is a QEMU process, driven over QMP. It must never let the guest run but by `cont()`, nor let a
// machine that still waits for a migration's state be continued (QEMU would take that for "start when loaded").
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ExitReason,
  HypervisorError,
  type Machine,
  type MachineEvents,
  type MachineListener,
  type MachineStatus,
  type MigrateOutOptions,
  type MigrationProgress,
  type WaitOptions,
} from '../driver.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';
import { diskIndex, diskNodeName } from './command-line.ts';
import { growDisk } from './disk-growth.ts';
import { MachineListeners } from './machine-listeners.ts';
import { machineState } from './migration-settings.ts';
import { OutgoingMigration } from './outgoing-migration.ts';
import { isAlive, killAndWait, type ProcessIdentity } from './qemu-process.ts';
import { asHypervisorError } from './qmp-failure.ts';
import { runFiles } from './run-directory.ts';

/** A systemd guest under emulation takes some 20 s to go down. */
const POWERDOWN_TIMEOUT_MS = 90_000;

/** QMP is closed; how often we look whether the process is gone as well. */
const EXIT_POLL_MS = 20;

/** RARP at 50 ms after the first, then 150, 250, 350 ms later: QEMU's own rhythm. */
const ANNOUNCEMENT = { initial: 50, max: 550, rounds: 5, step: 100 };

export interface QemuMachineParts {
  readonly name: string;
  readonly runDirectory: string;
  readonly identity: ProcessIdentity;
  readonly qmp: QmpClient;
}

export class QemuMachine implements Machine {
  readonly name: string;
  readonly runDirectory: string;
  protected readonly qmp: QmpClient;
  readonly #identity: ProcessIdentity;
  readonly #outgoing: OutgoingMigration;
  readonly #listeners = new MachineListeners();
  #contAsked = false;
  #detached = false;
  #exitReason: ExitReason = 'crashed';
  readonly #exited = Promise.withResolvers<ExitReason>();

  constructor({ name, runDirectory, identity, qmp }: QemuMachineParts) {
    this.name = name;
    this.runDirectory = runDirectory;
    this.qmp = qmp;
    this.#identity = identity;
    this.#outgoing = new OutgoingMigration(qmp, name);
    this.#listen();
    void qmp.closed.then(() => this.#watchExit());
  }

  get pid(): number {
    return this.#identity.pid;
  }

  on<E extends keyof MachineEvents>(event: E, listener: MachineListener<E>): () => void {
    return this.#listeners.add(event, listener);
  }

  status(): Promise<MachineStatus> {
    return this.named('status', async () => {
      const { status } = await this.qmp.execute('query-status', {});
      const migration = await this.qmp.execute('query-migrate', {});
      return { state: machineState(status, migration.status ?? 'none'), detail: status };
    });
  }

  cont(): Promise<void> {
    return this.named('cont', async () => {
      const { status } = await this.qmp.execute('query-status', {});
      if (status === 'inmigrate') {
        throw new HypervisorError('MACHINE_REFUSED', `cont of ${this.name}: it still waits for a migration's state`);
      }
      this.#contAsked = true;
      await this.qmp.execute('cont', {});
    });
  }

  pause(): Promise<void> {
    return this.named('pause', async () => {
      this.#contAsked = false;
      await this.qmp.execute('stop', {});
    });
  }

  powerdown({ signal, timeoutMs = POWERDOWN_TIMEOUT_MS }: WaitOptions = {}): Promise<void> {
    return this.named('powerdown', async () => {
      const cutoff = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const onAbort = () => reject(signal?.aborted ? signal.reason : this.#stillUp(timeoutMs));
      cutoff.addEventListener('abort', onAbort, { once: true });
      try {
        const ended = this.qmp.execute('system_powerdown', {}).then(() => this.#exited.promise);
        await Promise.race([ended, aborted]);
      } finally {
        cutoff.removeEventListener('abort', onAbort);
      }
    });
  }

  growDisk(index: number, bytes: number): Promise<void> {
    return this.named('growDisk', () => growDisk(this.qmp, diskNodeName(index), bytes));
  }

  async destroy(): Promise<void> {
    this.#exitReason = 'destroyed';
    await killAndWait(this.#identity);
    this.qmp.close();
    const { pidFile, agentSocket, peopleSocket, ramSocket } = runFiles(this.runDirectory);
    await Promise.all([pidFile, agentSocket, peopleSocket, ramSocket].map((path) => rm(path, { force: true })));
  }

  detach(): void {
    this.#detached = true;
    this.qmp.close();
  }

  migrateOut(options: MigrateOutOptions): Promise<void> {
    return this.named('migration', () => this.#outgoing.toHold(options));
  }

  setMigrationBandwidth(bytesPerSecond: number): Promise<void> {
    return this.named("the migration's bandwidth", () => this.#outgoing.setBandwidth(bytesPerSecond));
  }

  setMigrationDowntimeLimit(limitMs: number): Promise<void> {
    return this.named("the migration's bandwidth", () => this.#outgoing.setDowntimeLimit(limitMs));
  }

  migrationProgress(): Promise<MigrationProgress> {
    return this.named("the migration's progress", () => this.#outgoing.progress());
  }

  continueMigration(options?: WaitOptions): Promise<void> {
    return this.named('migration from the hold', () => this.#outgoing.go(options));
  }

  cancelMigration(): Promise<void> {
    return this.named("the migration's cancel", () => this.#outgoing.cancel());
  }

  announce(): Promise<void> {
    return this.named('announcement', async () => {
      await this.qmp.execute('announce-self', ANNOUNCEMENT);
    });
  }

  /** Resolves, once and for all, when the process is gone. */
  protected get exited(): Promise<ExitReason> {
    return this.#exited.promise;
  }

  /** Runs an operation so that its failure names the machine and itself. */
  protected async named<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw asHypervisorError(error, this.name, operation);
    }
  }

  #listen(): void {
    this.qmp.on('STOP', () => {
      this.#contAsked = false;
      this.#listeners.tell('stopped', undefined);
    });
    this.qmp.on('RESUME', () => this.#listeners.tell('resumed', { asked: this.#contAsked }));
    this.qmp.on('RESET', ({ guest }) => guest && this.#listeners.tell('reset', undefined));
    this.qmp.on('MIGRATION', ({ status }) => this.#listeners.tell('migration', { status }));
    this.qmp.on('SHUTDOWN', ({ guest }) => {
      this.#exitReason = guest ? 'guest-shutdown' : 'destroyed';
    });
    this.qmp.on('BLOCK_IO_ERROR', ({ 'node-name': node = '', operation, reason }) => {
      this.#listeners.tell('ioError', { diskIndex: diskIndex(node) ?? -1, operation, reason });
    });
  }

  async #watchExit(): Promise<void> {
    while (await isAlive(this.#identity)) {
      if (this.#detached) return;
      await sleep(EXIT_POLL_MS, undefined, { ref: false });
    }
    if (this.#detached) return;
    this.#exited.resolve(this.#exitReason);
    this.#listeners.tell('exited', { reason: this.#exitReason });
  }

  #stillUp(timeoutMs: number): HypervisorError {
    return new HypervisorError('TIMEOUT', `powerdown of ${this.name}: the guest is still up after ${timeoutMs} ms`);
  }
}
