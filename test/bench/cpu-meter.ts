// What some processes cost: user and system time between two moments, by /proc. A process that ends in between is
// counted up to the last look, so looks are frequent.
import { readdirSync, readFileSync } from 'node:fs';

/** proc(5): clock ticks per second as user space sees them (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** What a process that is killed at the end of a move may lose of its account. */
const LOOK_INTERVAL_MS = 100;
/** QEMU's name for a thread that runs the guest's own code (`debug-threads=on`). */
const GUEST_THREAD = /^CPU \d+\//;

/** Adds up the processes that `find` names, those that come later too. The guests' own processors are left out. */
export class CpuMeter {
  readonly #find: () => readonly number[];
  readonly #firstSeconds = new Map<number, number>();
  readonly #lastSeconds = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  /** Counts from here on. */
  constructor(find: () => readonly number[]) {
    this.#find = find;
    for (const pid of find()) this.#firstSeconds.set(pid, cpuSeconds(pid) ?? 0);
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
  }

  /** Ends the counting and answers the seconds. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    let sum = 0;
    for (const [pid, seconds] of this.#lastSeconds) sum += seconds - (this.#firstSeconds.get(pid) ?? 0);
    return sum;
  }

  #look(): void {
    for (const pid of this.#find()) {
      const seconds = cpuSeconds(pid);
      if (seconds !== undefined) this.#lastSeconds.set(pid, seconds);
    }
  }
}

/** Undefined when there is no such process any more. */
function cpuSeconds(pid: number): number | undefined {
  try {
    const whole = ticks(`/proc/${pid}/stat`).count;
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) => ticks(`/proc/${pid}/task/${thread}/stat`));
    const guest = threads.filter(({ name }) => GUEST_THREAD.test(name)).reduce((sum, { count }) => sum + count, 0);
    return (whole - guest) / TICKS_PER_SECOND;
  } catch {
    // It, or one of its threads, ended between two of these reads: the look before this one stands.
    return undefined;
  }
}

/** Fields 2, 14 and 15; the name in parentheses may hold anything. */
function ticks(file: string): { name: string; count: number } {
  const text = readFileSync(file, 'utf8');
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return { name: text.slice(text.indexOf('(') + 1, end), count: Number(fields[11]) + Number(fields[12]) };
}
