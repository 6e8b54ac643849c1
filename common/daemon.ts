// The life of a daemon's process: its configuration, the line that says it is ready, an orderly stop within a bound,
// and a crash that says why. Holds nothing of what a daemon does.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Static, TSchema } from '#typebox';
import { messageOf, OperationError } from './errors.ts';
import { createLog, type Log } from './log.ts';
import { endAtOnce } from './process-end.ts';
import { SchemaCheck } from './schema-check.ts';
import { STOP_SIGNALS, servesUnread } from './terminal/terminal.ts';

/** What a daemon's main is given beside its configuration. */
export interface DaemonContext {
  readonly log: Log;
  /** Aborted when the daemon was told to stop. */
  readonly signal: AbortSignal;
}

/** What a daemon's main leaves running. */
export interface Running {
  close(): Promise<void>;
}

/** Longer than any journal write or closing handshake; what takes longer is cut off and found again in the journals. */
const STOP_TIMEOUT_MS = 10_000;

const EXIT_FAILED = 1;
/** The convention of sysexits.h for a configuration error: a supervisor need not try again. */
const EXIT_CONFIG = 78;

/**
 * Runs a daemon: reads `--config FILE`, calls main, prints `READY` on stdout once it has resolved, and on SIGTERM,
 * SIGINT or SIGHUP closes what main left and exits 0. Exits 78 on a bad configuration, 1 on anything unexpected. Never rejects.
 */
export async function runDaemon<S extends TSchema>(
  name: string,
  configSchema: S,
  main: (config: Static<S>, context: DaemonContext) => Promise<Running>,
): Promise<void> {
  const log = createLog(name);
  crashLoudly(log);
  try {
    await start(configSchema, main, log);
  } catch (error) {
    log.fatal({ err: error }, messageOf(error));
    process.exit(isConfigError(error) ? EXIT_CONFIG : EXIT_FAILED);
  }
}

/** Reads a daemon's configuration. @throws OperationError CONFIG_UNREADABLE or CONFIG_BAD, in one sentence */
export async function readConfig<S extends TSchema>(path: string, schema: S): Promise<Static<S>> {
  const config = parseJson(path, await readText(path));
  const check = new SchemaCheck(schema);
  if (!check.accepts(config))
    throw new OperationError('CONFIG_BAD', `the configuration ${path}: ${check.fault(config)}`);
  return config;
}

async function start<S extends TSchema>(
  schema: S,
  main: (config: Static<S>, context: DaemonContext) => Promise<Running>,
  log: Log,
): Promise<void> {
  const config = await readConfig(configPath(), schema);
  await runUntilStopped(log, (context) => main(config, context));
  process.stdout.write('READY\n');
}

/**
 * Starts what is to run; answers when it does, and from then on SIGTERM, SIGINT or SIGHUP closes it and exits 0. A second
 * signal, or a close that takes too long, ends the process at once. @throws what main throws
 */
export async function runUntilStopped(log: Log, main: (context: DaemonContext) => Promise<Running>): Promise<void> {
  const stop = new AbortController();
  stopOnSignals(stop, log);
  const running = await main({ log, signal: stop.signal });
  const close = (): Promise<void> => closeAndExit(running, log);
  if (stop.signal.aborted) return close();
  stop.signal.addEventListener('abort', () => void close(), { once: true });
}

function configPath(): string {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  if (values.config !== undefined) return values.config;
  throw new OperationError('CONFIG_UNREADABLE', 'no configuration: say --config FILE');
}

/** The first signal asks; a second one, or a stop that takes too long, ends it at once. */
function stopOnSignals(stop: AbortController, log: Log): void {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      // The kernel and the shell both tell of a closed terminal, which is one wish.
      if (signal === 'SIGHUP') return;
      process.exit(EXIT_FAILED);
    }
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.fatal(`the stop took longer than ${STOP_TIMEOUT_MS} ms`);
      process.exit(EXIT_FAILED);
    }, STOP_TIMEOUT_MS).unref();
    stop.abort(new OperationError('STOPPING', `the daemon was told to stop by ${signal}`));
  };
  servesUnread();
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
}

async function closeAndExit(running: Running, log: Log): Promise<void> {
  try {
    await running.close();
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    log.fatal({ err: error }, 'the stop failed');
    process.exit(EXIT_FAILED);
  }
}

/** A state that nobody foresaw is worse than a restart: the journals are made for that. However it ends, it ends at once. */
export function crashLoudly(log: Log): void {
  endAtOnce();
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'crashed');
    process.exit(EXIT_FAILED);
  };
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
}

function isConfigError(error: unknown): boolean {
  return error instanceof OperationError && error.code.startsWith('CONFIG_');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperationError('CONFIG_UNREADABLE', `cannot read the configuration ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperationError('CONFIG_BAD', `the configuration ${path} is not JSON: ${messageOf(cause)}`, { cause });
  }
}
