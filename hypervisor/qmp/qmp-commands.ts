// The QMP commands and events we use, in one table each: arguments in, return value out, as QEMU 7.2's qapi/*.json has
// them. Nothing here runs; a command that is not in the table cannot be sent.

/** QEMU's own run states (qapi/run-state.json, RunState). */
export type QemuRunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked'
  | 'colo';

/** qapi/migration.json, MigrationStatus. */
export type QemuMigrationStatus =
  | 'none'
  | 'setup'
  | 'cancelling'
  | 'cancelled'
  | 'active'
  | 'postcopy-active'
  | 'postcopy-paused'
  | 'postcopy-recover'
  | 'completed'
  | 'failed'
  | 'colo'
  | 'pre-switchover'
  | 'device'
  | 'wait-unplug';

/** qapi/migration.json, MigrationStats: the fields we read. Sizes in bytes, `dirty-pages-rate` in pages a second. */
export interface QemuRamStats {
  readonly transferred: number;
  readonly remaining: number;
  readonly total: number;
  readonly 'dirty-pages-rate': number;
  readonly 'dirty-sync-count': number;
  readonly 'page-size': number;
}

/** qapi/migration.json, MigrationInfo. Everything is absent in a process that has never migrated. Times in ms. */
export interface QemuMigrationInfo {
  readonly status?: QemuMigrationStatus;
  readonly ram?: QemuRamStats;
  readonly 'total-time'?: number;
  readonly downtime?: number;
  readonly 'error-desc'?: string;
}

export interface QemuMigrationCapability {
  readonly capability: string;
  readonly state: boolean;
}

type NoArguments = Record<string, never>;
type NoReturn = Record<string, never>;

/** Command name to its arguments and its return value. */
export interface QmpCommands {
  qmp_capabilities: { arguments: NoArguments; return: NoReturn };
  'query-status': { arguments: NoArguments; return: { running: boolean; status: QemuRunState } };
  'query-name': { arguments: NoArguments; return: { name?: string } };
  'query-version': {
    arguments: NoArguments;
    return: { qemu: { major: number; minor: number; micro: number }; package: string };
  };
  'query-machines': { arguments: NoArguments; return: { name: string; alias?: string; deprecated: boolean }[] };
  'query-cpu-definitions': {
    arguments: NoArguments;
    /** `unavailable-features` is what this node, under this accelerator, cannot give. */
    return: { name: string; 'migration-safe'?: boolean; 'unavailable-features'?: string[] }[];
  };
  cont: { arguments: NoArguments; return: NoReturn };
  stop: { arguments: NoArguments; return: NoReturn };
  quit: { arguments: NoArguments; return: NoReturn };
  system_powerdown: { arguments: NoArguments; return: NoReturn };
  'query-migrate': { arguments: NoArguments; return: QemuMigrationInfo };
  'query-migrate-capabilities': { arguments: NoArguments; return: QemuMigrationCapability[] };
  'migrate-set-capabilities': { arguments: { capabilities: QemuMigrationCapability[] }; return: NoReturn };
  'migrate-set-parameters': {
    arguments: { 'max-bandwidth'?: number; 'downtime-limit'?: number; 'xbzrle-cache-size'?: number };
    return: NoReturn;
  };
  migrate: { arguments: { uri: string }; return: NoReturn };
  'migrate-incoming': { arguments: { uri: string }; return: NoReturn };
  'migrate-continue': { arguments: { state: 'pre-switchover' }; return: NoReturn };
  block_resize: { arguments: { 'node-name': string; size: number }; return: NoReturn };
  /** The monitor for people: answers what it prints, also of a command that failed. */
  'human-monitor-command': { arguments: { 'command-line': string }; return: string };
  migrate_cancel: { arguments: NoArguments; return: NoReturn };
  /** Times in ms. */
  'announce-self': {
    arguments: { initial: number; max: number; rounds: number; step: number };
    return: NoReturn;
  };
}

/** Event name to its data. */
export interface QmpEvents {
  STOP: NoArguments;
  RESUME: NoArguments;
  RESET: { guest: boolean; reason: string };
  POWERDOWN: NoArguments;
  SHUTDOWN: { guest: boolean; reason: string };
  MIGRATION: { status: QemuMigrationStatus };
  BLOCK_IO_ERROR: {
    device: string;
    'node-name'?: string;
    operation: 'read' | 'write';
    action: string;
    reason: string;
    nospace?: boolean;
  };
}

export type QmpCommandName = keyof QmpCommands;
export type QmpEventName = keyof QmpEvents;
