// What a daemon says while it runs: one JSON line per event on stderr, or a sentence where a person has started it. Never a secret: the fields that could hold one
// are cut out here as well as left out by the callers.
import { styleText } from 'node:util';
import { destination, type Level, type Logger, pino, stdTimeFunctions } from 'pino';

export type Log = Logger;

/** Fields whose values never reach a log, at the top or one level down (promise X5). */
const SECRET_FIELDS = ['secret', 'token', 'key', 'password'];

const REDACT = { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[cut]' };
/** What a person who started the program knows. */
const KNOWN_FIELDS = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'err', 'reason']);
const WARN = 40;
const ERROR = 50;

/** A logger to stderr under the daemon's name; writes are synchronous so that a crash keeps its last line. */
export function createLog(name: string, level: Level | 'silent' = 'info'): Log {
  return pino({ name, level, redact: REDACT, timestamp: stdTimeFunctions.isoTime }, destination({ fd: 2, sync: true }));
}

/** The same for a program that a person has in a terminal: a sentence per event. */
export function createPlainLog(name: string, level: Level | 'silent' = 'warn'): Log {
  const out = destination({ fd: 2, sync: true });
  // A terminal that is closed must not end what serves.
  out.on('error', () => undefined);
  return pino({ name, level, redact: REDACT }, { write: (line: string) => void out.write(plainText(line)) });
}

/** A line of pino's as a sentence: what, why, where, and what can be done; a stack only of what nobody foresaw. */
export function plainText(line: string): string {
  const { level, msg = '', err, reason, ...fields }: Event = JSON.parse(line);
  const word = level >= ERROR ? styleText('red', 'error') : level >= WARN ? 'warning' : 'note';
  const why = [err?.message, reason].filter((one) => one !== undefined && one !== msg).map((one) => `: ${one}`);
  const where = Object.entries(fields).filter(([field]) => !KNOWN_FIELDS.has(field));
  const place = where.map(([field, value]) => `${field} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const lines = [`${word} ${msg}${why.join('')}${place.length === 0 ? '' : ` (${place.join(', ')})`}`];
  if (err?.remedy !== undefined && err.remedy !== '') lines.push(`  ${err.remedy}`);
  if (err !== undefined && err.type !== 'OperationError' && err.stack !== undefined) lines.push(err.stack);
  return `${lines.join('\n')}\n`;
}

interface Event {
  readonly level: number;
  readonly msg?: string;
  readonly reason?: string;
  readonly err?: { readonly type: string; readonly message: string; readonly stack?: string; readonly remedy?: string };
  readonly [field: string]: unknown;
}
