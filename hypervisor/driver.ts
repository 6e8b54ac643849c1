// The interface between the node's agent and a hypervisor: what a machine is and what may be done to it. It must never
// start a guest by itself: every machine is born paused, and only `cont()` lets it run.

/** A VM moves live only inside one family: the machine state of one means nothing to another. */
export type DriverFamily = 'tcg' | 'kvm' | 'xen';

/** One disk: an NBD export on a unix socket. `bytes` is a multiple of 512 and the same at both ends of a migration. */
export interface DiskSpec {
  readonly nbdSocket: string;
  readonly exportName: string;
  readonly bytes: number;
}

/** One network card on a tap device that exists already. `mtuBytes`, if given, is what the guest is told. */
export interface NicSpec {
  readonly mac: string;
  readonly tap: string;
  readonly mtuBytes?: number;
}

/** Direct boot. Both ends of a migration need the same files: after a reset the guest loads them where it then is. */
export interface BootSpec {
  readonly kernel: string;
  readonly initrd?: string;
  readonly commandLine: string;
}

/** The guest's first serial port: a socket for one client, a log that only grows, both or neither. */
export interface SerialSpec {
  readonly socketPath?: string;
  readonly logFile?: string;
}

/** Everything a machine is made from. Apart from paths and taps both ends of a migration must be given the same. */
export interface MachineSpec {
  readonly name: string;
  readonly memoryMB: number;
  readonly cpus: number;
  /** Versioned machine type, the same on every node, e.g. `pc-q35-7.2`. */
  readonly machine: string;
  /** CPU model, the same on every node, e.g. `Nehalem`. The hypervisor does not compare models in a migration. */
  readonly cpuModel: string;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  /** Without it the guest boots from its first disk. */
  readonly boot?: BootSpec;
  readonly serial?: SerialSpec;
  /** The machine's own directory: pid file, sockets and log. Created if missing, mode 0700. Absolute and short. */
  readonly runDirectory: string;
}

/**
 * `held`: stopped by a migration, at its hold or in its last pass. `incoming`: waits for a migration's state.
 * `migrated`: the whole state has gone elsewhere; `cont()` would bring this copy back. `io-error`: stopped because a
 * disk request failed; `cont()` repeats the request. `ended`: the guest is off but the process is still there.
 */
export type MachineState = 'running' | 'paused' | 'held' | 'incoming' | 'migrated' | 'io-error' | 'ended';

export interface MachineStatus {
  readonly state: MachineState;
  /** The hypervisor's own word for it, for people. */
  readonly detail: string;
}

export interface MigrationProgress {
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  readonly totalBytes: number;
  /** How fast the guest dirties its memory. */
  readonly dirtyBytesPerSecond: number;
  /** Count of passes over the memory that have begun. */
  readonly passCount: number;
  readonly elapsedMs: number;
}

export interface MigrateOutOptions {
  /** A unix socket that somebody of ours listens on: the RAM stream goes there, both ways. */
  readonly socketPath: string;
  readonly maxBandwidthBytesPerSecond: number;
  /** The hold is reached when what remains can be sent within this at the bandwidth measured. */
  readonly downtimeLimitMs: number;
  /** Compress changed pages against their last version; for narrow links. Default false. */
  readonly deltaCompression?: boolean;
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** Default 200. */
  readonly progressIntervalMs?: number;
  /** Aborting before the hold cancels the migration; the promise rejects when the guest is back as it was. */
  readonly signal?: AbortSignal;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** How a machine's process came to its end. */
export type ExitReason = 'guest-shutdown' | 'destroyed' | 'crashed';

/** What a machine tells, by name: the details that its listeners get. */
export interface MachineEvents {
  /** The guest's processors stopped, for whatever reason; `status()` says which. */
  stopped: undefined;
  /**
   * The guest runs. `asked` is false when the hypervisor did it by itself: the source of a migration that failed or was
   * cancelled resumes if it ran before, also after `continueMigration()`, also when the destination has it all.
   */
  resumed: { readonly asked: boolean };
  /** A disk request failed and the guest is stopped. */
  ioError: { readonly diskIndex: number; readonly operation: 'read' | 'write'; readonly reason: string };
  /** The migration's state as the hypervisor names it, each change once. */
  migration: { readonly status: string };
  /** The guest has reset itself. */
  reset: undefined;
  exited: { readonly reason: ExitReason };
}

export type MachineListener<E extends keyof MachineEvents> = (details: MachineEvents[E]) => void;

/** A machine that lives in a process of its own and outlives us. All methods reject with a HypervisorError. */
export interface Machine {
  readonly name: string;
  readonly pid: number;
  readonly runDirectory: string;

  /** Calls back until the returned function is called. Listeners must not throw. */
  on<E extends keyof MachineEvents>(event: E, listener: MachineListener<E>): () => void;

  status(): Promise<MachineStatus>;
  /** Lets the guest run: first start, resume, after an io-error, or as the winner of a migration. */
  cont(): Promise<void>;
  pause(): Promise<void>;
  /** Asks the guest to switch itself off and waits for the process to end; rejects at the timeout, guest untouched. */
  powerdown(options?: WaitOptions): Promise<void>;
  /** A disk's export has become larger, and let its clients go: the guest sees the size. Again is no error. */
  growDisk(diskIndex: number, bytes: number): Promise<void>;
  /** Ends the process, whatever it does, and removes its pid file and sockets. Again is no error. */
  destroy(): Promise<void>;
  /** Lets go of a machine that goes on by itself; `Driver.adopt` takes it up again. No event comes after it. */
  detach(): void;

  /** Resolves at the hold: guest stopped, disks drained and flushed, last pass of the memory not yet sent. */
  migrateOut(options: MigrateOutOptions): Promise<void>;
  /** For the governor of several machines on one link, while `migrateOut` runs. */
  setMigrationBandwidth(bytesPerSecond: number): Promise<void>;
  /** Changes `downtimeLimitMs` while `migrateOut` runs. */
  setMigrationDowntimeLimit(limitMs: number): Promise<void>;
  migrationProgress(): Promise<MigrationProgress>;
  /**
   * Leaves the hold. Resolves when the destination has acknowledged the whole state: this copy is `migrated`, that one
   * paused. Rejects with MigrationFailedError, whose `sourceState` says whether the guest resumed here by itself; when
   * aborted or timed out the migration goes on, and may still succeed.
   */
  continueMigration(options?: WaitOptions): Promise<void>;
  /** Ends a migration that is not complete. Resolves when the guest is as it was before it, running or paused. */
  cancelMigration(): Promise<void>;
  /** Tells the switches where the guest's cards are now; only after `cont()`. */
  announce(): Promise<void>;
}

/** A machine that waits for a migration's state. It runs only by `cont()`, and only after `loaded()`. */
export interface IncomingMachine extends Machine {
  /** The unix socket on which the machine waits for its RAM stream; one connection. */
  readonly ramSocketPath: string;
  /** Resolves when the state is complete and the guest paused. Rejects if it breaks off; the machine is then dead. */
  loaded(options?: WaitOptions): Promise<void>;
}

/** What a node's hypervisor can run. */
export interface DriverCapabilities {
  readonly version: string;
  /** Machine types that may be named in a spec. */
  readonly machines: readonly string[];
  /** CPU models that a guest gets here with all their features, and whose guests may move. */
  readonly cpuModels: readonly string[];
}

export interface Driver {
  readonly family: DriverFamily;
  /** Asks the hypervisor; a few tenths of a second, so keep the answer. */
  capabilities(options?: WaitOptions): Promise<DriverCapabilities>;
  /** A new machine, paused. */
  create(spec: MachineSpec, options?: WaitOptions): Promise<Machine>;
  /** Takes up a machine that an earlier process of ours made; undefined if none lives there. Changes nothing in it. */
  adopt(
    vm: { readonly name: string; readonly runDirectory: string },
    options?: WaitOptions,
  ): Promise<Machine | undefined>;
  /** The destination of a migration, listening on its `ramSocketPath` when this resolves. */
  incoming(spec: MachineSpec, options?: WaitOptions): Promise<IncomingMachine>;
}

export type HypervisorErrorCode =
  | 'BAD_SPEC'
  | 'START_FAILED'
  | 'MACHINE_GONE'
  | 'MACHINE_REFUSED'
  | 'MIGRATION_FAILED'
  | 'TIMEOUT';

export class HypervisorError extends Error {
  override readonly name: string = 'HypervisorError';
  readonly code: HypervisorErrorCode;

  constructor(code: HypervisorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The migration is over and this end still has the guest, in `sourceState`. */
export class MigrationFailedError extends HypervisorError {
  override readonly name = 'MigrationFailedError';
  readonly sourceState: MachineState;

  constructor(message: string, sourceState: MachineState, options?: ErrorOptions) {
    super('MIGRATION_FAILED', message, options);
    this.sourceState = sourceState;
  }
}
