// What a daemon says while it runs: one JSON line per event on stderr. Never a secret: the fields that could hold one
// are cut out here as well as left out by the callers.
import { destination, type Level, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

/** Fields whose values never reach a log, at the top or one level down (promise X5). */
const SECRET_FIELDS = ['secret', 'token', 'key', 'password'];

/** A logger to stderr under the daemon's name; writes are synchronous so that a crash keeps its last line. */
export function createLog(name: string, level: Level | 'silent' = 'info'): Log {
  const redact = { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[cut]' };
  return pino({ name, level, redact, timestamp: stdTimeFunctions.isoTime }, destination({ fd: 2, sync: true }));
}
