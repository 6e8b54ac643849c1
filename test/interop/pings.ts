// Pings of which every one counts, on a machine that does much else. Not a test itself.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { runIn, spawnIn } from '../../lab/namespace.ts';

/** For one answer; the rest of it is for a busy machine. */
const ANSWER_SECONDS = 20;

/**
 * How many pings came back of so many from a namespace to an address, up to the first that did not. One ping(8) for each:
 * one that sends several waits for the last of them no longer than twice the longest that another has taken, or one
 * interval (iputils 20221126), and counts as lost what a busy switch has under way.
 */
export async function answeredPings(
  namespace: string,
  address: string,
  count: number,
  options: readonly string[] = [],
): Promise<number> {
  const script = `for n in $(seq ${count}); do
  ping -n -q -c 1 -W ${ANSWER_SECONDS} ${options.join(' ')} ${address} > /dev/null || break
  echo answered
done`;
  const text = await runIn(namespace, 'sh', ['-c', script], { timeoutMs: 2_000 * ANSWER_SECONDS });
  return text.split('\n').filter((line) => line === 'answered').length;
}

const INTERVAL_SECONDS = '0.05';
const REPLY = /icmp_seq=(\d+) ttl=/;

/** Pings that run: numbered, one each 50 ms. An answer that comes twice is seen, whichever of the two was doubled on its way. */
export class RunningPings {
  /** The highest number of an answer that has come. */
  newest = 0;
  /** Answers that had come before. */
  readonly twice: number[] = [];
  readonly #came = new Set<number>();
  readonly #child: ChildProcess;

  constructor(namespace: string, address: string) {
    this.#child = spawnIn(namespace, 'ping', ['-n', '-i', INTERVAL_SECONDS, address], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (this.#child.stdout === null) throw new TypeError('ping is started with its standard output piped');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#read(line));
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    if (this.#child.kill('SIGKILL')) await ended;
  }

  #read(line: string): void {
    const number = Number(REPLY.exec(line)?.[1] ?? 0);
    if (number === 0) return;
    if (this.#came.has(number)) this.twice.push(number);
    this.#came.add(number);
    this.newest = Math.max(this.newest, number);
  }
}
