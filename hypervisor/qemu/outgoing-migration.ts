// The source's side of a live migration, on a QMP connection: up to the hold, and from there on or back. It must never
// leave the hold by itself.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  HypervisorError,
  type MachineState,
  type MigrateOutOptions,
  MigrationFailedError,
  type MigrationProgress,
  type WaitOptions,
} from '../driver.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';
import type { QemuMigrationStatus } from '../qmp/qmp-commands.ts';
import {
  isLive,
  machineState,
  migrationProgress,
  missingCapabilities,
  wantedCapabilities,
} from './migration-settings.ts';

const PROGRESS_INTERVAL_MS = 200;

/** A cancelled or failed migration leaves its last state in milliseconds; in seconds when a disk is slow to flush. */
const SETTLE_TIMEOUT_MS = 10_000;
const SETTLE_POLL_MS = 2;

/** The delta compression's cache; QEMU's default, named because parameters stick to a process as capabilities do. */
const DELTA_CACHE_BYTES = 64 * 1024 * 1024;

/** Sets every capability of this QEMU, for either end. Rejects with MACHINE_REFUSED if it has no hold. */
export async function setCapabilities(qmp: QmpClient, options: { readonly deltaCompression: boolean }): Promise<void> {
  const known = await qmp.execute('query-migrate-capabilities', {});
  const missing = missingCapabilities(known);
  if (missing.length > 0) {
    throw new HypervisorError(
      'MACHINE_REFUSED',
      `this QEMU cannot migrate with a hold: it lacks ${missing.join(', ')}`,
    );
  }
  await qmp.execute('migrate-set-capabilities', { capabilities: wantedCapabilities(known, options) });
}

export class OutgoingMigration {
  readonly #qmp: QmpClient;
  readonly #machine: string;

  constructor(qmp: QmpClient, machine: string) {
    this.#qmp = qmp;
    this.#machine = machine;
  }

  /** Runs to the hold. Rejects with MigrationFailedError, or with the signal's reason once the guest is as it was. */
  async toHold(options: MigrateOutOptions): Promise<void> {
    options.signal?.throwIfAborted();
    await this.#prepare(options);
    const stopReports = this.#report(options);
    const start = () => this.#qmp.execute('migrate', { uri: `unix:${options.socketPath}` });
    try {
      const status = await this.#until((now) => now === 'pre-switchover' || !isLive(now), start, options);
      if (status !== 'pre-switchover') throw await this.#failure('before the hold');
    } catch (error) {
      await this.cancel();
      throw error;
    } finally {
      stopReports();
    }
  }

  /** Leaves the hold; resolves when the destination has everything. */
  async go(options: WaitOptions = {}): Promise<void> {
    const start = () => this.#qmp.execute('migrate-continue', { state: 'pre-switchover' });
    const status = await this.#until((now) => !isLive(now), start, options);
    if (status !== 'completed') throw await this.#failure('after the hold');
    await this.#settledState();
  }

  /** Resolves when no migration is under way and the guest is as it was. Rejects if the migration is complete. */
  async cancel(): Promise<void> {
    const before = await this.#status();
    if (!isLive(before)) return;
    await this.#qmp.execute('migrate_cancel', {});
    const state = await this.#settledState();
    if (state === 'migrated') {
      throw new HypervisorError('MACHINE_REFUSED', `cancel of ${this.#machine}'s migration: it was complete already`);
    }
  }

  async progress(): Promise<MigrationProgress> {
    return migrationProgress(await this.#qmp.execute('query-migrate', {}));
  }

  async setBandwidth(bytesPerSecond: number): Promise<void> {
    await this.#qmp.execute('migrate-set-parameters', { 'max-bandwidth': Math.max(1, Math.floor(bytesPerSecond)) });
  }

  async setDowntimeLimit(limitMs: number): Promise<void> {
    await this.#qmp.execute('migrate-set-parameters', { 'downtime-limit': Math.ceil(limitMs) });
  }

  async #prepare(options: MigrateOutOptions): Promise<void> {
    await setCapabilities(this.#qmp, { deltaCompression: options.deltaCompression ?? false });
    await this.#qmp.execute('migrate-set-parameters', {
      'max-bandwidth': Math.max(1, Math.floor(options.maxBandwidthBytesPerSecond)),
      'downtime-limit': Math.ceil(options.downtimeLimitMs),
      'xbzrle-cache-size': DELTA_CACHE_BYTES,
    });
  }

  #report({ onProgress, progressIntervalMs = PROGRESS_INTERVAL_MS }: MigrateOutOptions): () => void {
    if (onProgress === undefined) return () => undefined;
    // A report that fails is the connection's end, which whoever waits for the hold is told.
    const report = () => void this.progress().then(onProgress, () => undefined);
    const timer = setInterval(report, progressIntervalMs);
    return () => clearInterval(timer);
  }

  /** Runs the command and waits for the status it leads to, listening from before the command on. */
  async #until(
    wanted: (status: QemuMigrationStatus) => boolean,
    command: () => Promise<unknown>,
    { signal, timeoutMs }: WaitOptions,
  ): Promise<QemuMigrationStatus> {
    const over = new AbortController();
    const either = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
    const options = { signal: either, ...(timeoutMs !== undefined && { timeoutMs }) };
    const change = this.#qmp.waitEvent('MIGRATION', ({ status }) => wanted(status), options);
    try {
      const [, { status }] = await Promise.all([command(), change]);
      return status;
    } finally {
      over.abort();
    }
  }

  async #status(): Promise<QemuMigrationStatus> {
    return (await this.#qmp.execute('query-migrate', {})).status ?? 'none';
  }

  async #failure(when: string): Promise<MigrationFailedError> {
    const sourceState = await this.#settledState();
    const info = await this.#qmp.execute('query-migrate', {});
    const reason = info['error-desc'] ?? `the stream ended (${info.status ?? 'no status'})`;
    const message = `migration of ${this.#machine} failed ${when}: ${reason}; the guest is ${sourceState} here`;
    return new MigrationFailedError(message, sourceState);
  }

  /**
   * The state once the migration's thread has let go of the guest. QEMU tells the migration's end first and resumes
   * or parks the guest after it.
   */
  async #settledState(): Promise<MachineState> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      const migration = await this.#status();
      const { status } = await this.#qmp.execute('query-status', {});
      if (!isLive(migration) && status !== 'finish-migrate') return machineState(status, migration);
      if (performance.now() > deadline) {
        const message = `end of ${this.#machine}'s migration: still ${migration}, ${status} after ${SETTLE_TIMEOUT_MS} ms`;
        throw new HypervisorError('TIMEOUT', message);
      }
      await sleep(SETTLE_POLL_MS);
    }
  }
}
