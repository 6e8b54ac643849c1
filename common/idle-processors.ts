// How much of the machine's processor time nobody used of late, by proc(5). What a hypervisor took away counts as used.
import { readFileSync } from 'node:fs';
import { type Clock, realClock } from './clock.ts';

/** Shorter times say little: the kernel counts in hundredths of a second. */
const LOOK_MS = 200;
const IDLE_FIELD = 3;
const IO_WAIT_FIELD = 4;
/** What guests of this machine used is in its user time already. */
const FIELDS = 8;

/** Ticks of all processors since the start. */
interface Ticks {
  readonly idle: number;
  readonly all: number;
}

/** The first line of /proc/stat; undefined when it is no such line. */
export function parseTicks(text: string): Ticks | undefined {
  const [name, ...fields] = text.slice(0, text.indexOf('\n')).split(/ +/);
  const ticks = fields.slice(0, FIELDS).map(Number);
  if (name !== 'cpu' || ticks.length < FIELDS || !ticks.every(Number.isFinite)) return undefined;
  const idle = (ticks[IDLE_FIELD] ?? 0) + (ticks[IO_WAIT_FIELD] ?? 0);
  return { idle, all: ticks.reduce((sum, one) => sum + one, 0) };
}

/** The processors of one machine; it looks when it is asked. */
export class IdleProcessors {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #read: () => string;
  #last: Ticks | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #share = 1;

  constructor(clock: Pick<Clock, 'nowMs'> = realClock, read = (): string => readFileSync('/proc/stat', 'latin1')) {
    this.#clock = clock;
    this.#read = read;
  }

  /** The share, 0 to 1, since the look before; 1 where the kernel does not tell. */
  idleShare(): number {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lastMs < LOOK_MS) return this.#share;
    this.#lastMs = nowMs;
    const now = this.#ticks();
    const before = this.#last;
    this.#last = now;
    if (now === undefined || before === undefined) this.#share = 1;
    else if (now.all > before.all) this.#share = (now.idle - before.idle) / (now.all - before.all);
    return this.#share;
  }

  #ticks(): Ticks | undefined {
    try {
      return parseTicks(this.#read());
    } catch {
      // Not every sandbox has it.
      return undefined;
    }
  }
}
