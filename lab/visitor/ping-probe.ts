// The system's own ping, a hundred a second, and what it felt: the longest wait between two replies.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { spawnIn } from '../namespace.ts';

const INTERVAL_MS = 10;
/** A reply as iputils prints it with -D: the time of its arrival in seconds since 1970, its number, its round trip. */
const REPLY = /^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms/;

/** What the pings felt since the last mark. Times in ms. */
export interface PingFigures {
  readonly replies: number;
  readonly lost: number;
  readonly longestGapMs: number;
  /** When that gap began, from the mark before. */
  readonly longestGapAtMs: number;
  readonly medianRttMs: number;
}

export class PingProbe {
  readonly #child: ChildProcess;
  #arrivals: number[] = [];
  #roundTrips: number[] = [];
  #numbers: number[] = [];
  #lastArrivalMs = 0;
  #lastNumber = 0;
  #markedMs = Date.now();

  /** Starts pinging from inside a namespace. */
  constructor(namespace: string, address: string) {
    const args = ['-n', '-D', '-i', String(INTERVAL_MS / 1000), address];
    this.#child = spawnIn(namespace, 'ping', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new TypeError('ping is started with its standard output piped');
    createInterface({ input: stdout }).on('line', (line) => this.#read(line));
  }

  #read(line: string): void {
    const match = REPLY.exec(line);
    if (match === null) return;
    this.#arrivals.push(Number(match[1]) * 1000);
    this.#numbers.push(Number(match[2]));
    this.#roundTrips.push(Number(match[3]));
  }

  /** The figures since the last mark; counting begins anew. */
  mark(): PingFigures {
    const arrivals = this.#lastArrivalMs === 0 ? this.#arrivals : [this.#lastArrivalMs, ...this.#arrivals];
    let longestGapMs = 0;
    let longestGapAtMs = 0;
    for (let i = 1; i < arrivals.length; i += 1) {
      const before = arrivals[i - 1] ?? 0;
      const gapMs = (arrivals[i] ?? 0) - before - INTERVAL_MS;
      if (gapMs <= longestGapMs) continue;
      longestGapMs = gapMs;
      longestGapAtMs = before - this.#markedMs;
    }
    const newest = Math.max(this.#lastNumber, ...this.#numbers);
    const figures = {
      replies: this.#numbers.length,
      // ICMP sequence numbers are 16 bits; a mark is made long before they come round twice.
      lost: Math.max(0, ((newest - this.#lastNumber + 65_536) % 65_536) - this.#numbers.length),
      longestGapMs,
      longestGapAtMs,
      medianRttMs: this.#roundTrips.sort((a, b) => a - b)[Math.floor(this.#roundTrips.length / 2)] ?? 0,
    };
    this.#lastArrivalMs = this.#arrivals.at(-1) ?? this.#lastArrivalMs;
    this.#lastNumber = newest;
    this.#arrivals = [];
    this.#numbers = [];
    this.#roundTrips = [];
    this.#markedMs = Date.now();
    return figures;
  }

  stop(): void {
    this.#child.kill('SIGINT');
  }
}
