// What is set in a QEMU before it migrates, and what its words for a migration mean. Capabilities stick to a process
// for life, so both ends always get the whole list, `false` included: a destination that becomes a source would
// otherwise keep what it had (it then hangs).
import type { MachineState, MigrationProgress } from '../driver.ts';
import type {
  QemuMigrationCapability,
  QemuMigrationInfo,
  QemuMigrationStatus,
  QemuRunState,
} from '../qmp/qmp-commands.ts';

/** qapi/migration.json, MigrationCapability. */
const WANTED: ReadonlySet<string> = new Set([
  // MIGRATION events instead of polling.
  'events',
  // The hold: stop before the last pass until we say `migrate-continue`.
  'pause-before-switchover',
  // The source is complete only when the destination says so.
  'return-path',
  // The destination touches no disk before `cont`.
  'late-block-activate',
]);

const DELTA_COMPRESSION = 'xbzrle';

/** Every capability this QEMU knows, each with the state we want. */
export function wantedCapabilities(
  known: readonly QemuMigrationCapability[],
  options: { readonly deltaCompression: boolean },
): QemuMigrationCapability[] {
  return known.map(({ capability }) => ({
    capability,
    state: WANTED.has(capability) || (capability === DELTA_COMPRESSION && options.deltaCompression),
  }));
}

/** The names of wanted capabilities that this QEMU does not know; with any missing there is no hold. */
export function missingCapabilities(known: readonly QemuMigrationCapability[]): string[] {
  const names = new Set(known.map(({ capability }) => capability));
  return [...WANTED].filter((capability) => !names.has(capability));
}

const LIVE: ReadonlySet<QemuMigrationStatus> = new Set([
  'setup',
  'active',
  'pre-switchover',
  'device',
  'cancelling',
  'wait-unplug',
  'postcopy-active',
  'postcopy-paused',
  'postcopy-recover',
]);

/** Whether a migration with this status may still go one way or the other. */
export function isLive(status: QemuMigrationStatus): boolean {
  return LIVE.has(status);
}

const MACHINE_STATES: Record<QemuRunState, MachineState> = {
  running: 'running',
  debug: 'paused',
  paused: 'paused',
  prelaunch: 'paused',
  suspended: 'paused',
  'restore-vm': 'paused',
  'save-vm': 'paused',
  watchdog: 'paused',
  colo: 'paused',
  'finish-migrate': 'held',
  inmigrate: 'incoming',
  postmigrate: 'migrated',
  'io-error': 'io-error',
  shutdown: 'ended',
  'internal-error': 'ended',
  'guest-panicked': 'ended',
};

/**
 * The state by QEMU's run state. `postmigrate` is also what a machine is in that was paused when its migration failed:
 * only a migration that is `completed` has taken the guest elsewhere.
 */
export function machineState(runState: QemuRunState, migration: QemuMigrationStatus): MachineState {
  if (runState === 'postmigrate' && migration !== 'completed') return 'paused';
  return MACHINE_STATES[runState];
}

/** Zeros for what QEMU does not say yet. */
export function migrationProgress(info: QemuMigrationInfo): MigrationProgress {
  const ram = info.ram;
  return {
    transferredBytes: ram?.transferred ?? 0,
    remainingBytes: ram?.remaining ?? 0,
    totalBytes: ram?.total ?? 0,
    dirtyBytesPerSecond: (ram?.['dirty-pages-rate'] ?? 0) * (ram?.['page-size'] ?? 0),
    passCount: ram?.['dirty-sync-count'] ?? 0,
    elapsedMs: info['total-time'] ?? 0,
  };
}
