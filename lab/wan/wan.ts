// The lab's handle on the WAN emulator: starts its process, names links by cloud, and asks for figures. It holds no
// frame and keeps no time itself.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnIn } from '../namespace.ts';
import { type LabTopology, LINK_RATE_MBIT, ROUND_TRIPS_MS } from '../topology.ts';
import type { LinkCounters, LinkSettings } from './link.ts';
import { type Answer, checkSettings, type WanReport } from './order.ts';

/** Longer than any answer takes: the emulator answers between two passes, at once. */
const ANSWER_TIMEOUT_MS = 10_000;
/** How long the emulator may take to end; it needs some ms. */
const STOP_TIMEOUT_MS = 3_000;
/** How much of what the emulator complains about is kept for the error's message, in characters. */
const COMPLAINT_CHARACTERS_MAX = 4_000;
/**
 * A collector's helper threads would have no real-time priority and be waited for, so it has none; and a small young
 * generation makes its pauses short.
 */
const RUNTIME_FLAGS = ['--single-threaded-gc', '--max-semi-space-size=1'];

/** One direction of one link, by the names of its ports; settings left out keep the default. */
export interface WanLink extends Partial<LinkSettings> {
  readonly from: string;
  readonly to: string;
}

export interface WanOptions {
  readonly namespace: string;
  /** The WAN's ports: a name for each device in its namespace. */
  readonly ports: readonly { readonly name: string; readonly device: string }[];
  readonly links?: readonly WanLink[];
  /** Seeds the losses; the same seed and the same frames lose the same ones. */
  readonly seed?: number;
}

export interface WanStatistics extends Omit<WanReport, 'links'> {
  readonly perLink: readonly (LinkSettings & LinkCounters & { readonly from: string; readonly to: string })[];
}

/** The emulator ended, or did not answer; the message says what it printed at the end. */
export class WanFailed extends Error {
  readonly code = 'WAN_FAILED';
  override readonly name = 'WanFailed';
}

/** How many bytes a path of that rate and round trip has under way (the bandwidth-delay product). */
export function bandwidthDelayBytes(rateMbit: number, roundTripMs: number): number {
  return Math.ceil(rateMbit * 125 * roundTripMs);
}

/** What a link is unless said: no delay, 200 Mbit/s, no loss, and a queue of one bandwidth-delay product of 150 ms. */
export const DEFAULT_LINK: LinkSettings = {
  delayMs: 0,
  rateMbit: LINK_RATE_MBIT,
  queueBytes: bandwidthDelayBytes(LINK_RATE_MBIT, 150),
  lossPercent: 0,
  up: true,
};

/** The lab's links: the round trips of its topology, half of each in each direction. */
export function labLinks(roundTripsMs: LabTopology['roundTripsMs'] = ROUND_TRIPS_MS): readonly WanLink[] {
  return roundTripsMs.flatMap(({ between: [a, b], rttMs }) => [
    { from: a, to: b, delayMs: rttMs / 2 },
    { from: b, to: a, delayMs: rttMs / 2 },
  ]);
}

/** Starts the emulator; resolves when all links are as asked. Rejects with `WanFailed` or, for settings, `RangeError`. */
export async function startWan(options: WanOptions): Promise<Wan> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const devices = options.ports.map(({ device }) => device);
  const args = [...RUNTIME_FLAGS, main, String(options.seed ?? 1), ...devices];
  const child = spawnIn(options.namespace, process.execPath, args, { stdio: 'pipe' });
  const names = options.ports.map(({ name }) => name);
  const wan = new Wan(child, names, options.links ?? []);
  await wan.ready;
  await wan.resetAll();
  return wan;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class Wan {
  readonly #child: ChildProcess;
  readonly #ports: readonly string[];
  readonly #links: readonly WanLink[];
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<unknown>;
  /** Resolves when the emulator forwards. */
  readonly ready: Promise<Answer>;
  #nextId = 1;
  #complaint = '';
  #failure: WanFailed | undefined;

  /** For `startWan`. */
  constructor(child: ChildProcess, ports: readonly string[], links: readonly WanLink[]) {
    this.#child = child;
    this.#ports = ports;
    this.#links = links;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    this.ready = this.#expect(0);
    if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => this.#receive(line));
    child.stderr?.on('data', (chunk) => {
      this.#complaint = (this.#complaint + String(chunk)).slice(-COMPLAINT_CHARACTERS_MAX);
    });
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.on('close', (code, signal) => this.#fail(`ended (${code ?? signal})`));
    child.on('error', (error) => this.#fail(`did not start: ${error.message}`));
  }

  /** The emulator's process id. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The names of its ports. */
  get ports(): readonly string[] {
    return this.#ports;
  }

  /** Changes one direction while frames flow; resolves when it holds. Rejects with `RangeError` or `WanFailed`. */
  async set(from: string, to: string, change: Partial<LinkSettings>): Promise<void> {
    checkSettings(change);
    await this.#ask({ order: 'set', from: this.#port(from), to: this.#port(to), change });
  }

  /** Changes both directions between two ports; see `set`. */
  async setBoth(a: string, b: string, change: Partial<LinkSettings>): Promise<void> {
    await Promise.all([this.set(a, b, change), this.set(b, a, change)]);
  }

  /** Makes every direction what it was at the start. */
  async resetAll(): Promise<void> {
    const pairs = this.#ports.flatMap((from) =>
      this.#ports.filter((to) => to !== from).map((to) => [from, to] as const),
    );
    await Promise.all(pairs.map(([from, to]) => this.reset(from, to)));
  }

  /** Makes one direction what it was at the start. */
  async reset(from: string, to: string): Promise<void> {
    const { from: _from, to: _to, ...asked } = this.#links.find((link) => link.from === from && link.to === to) ?? {};
    await this.set(from, to, { ...DEFAULT_LINK, ...asked });
  }

  /** What every link is and did since the start, and how late frames left since the last reset. */
  async stats(): Promise<WanStatistics> {
    const { report } = await this.#ask({ order: 'report' });
    if (report === undefined) throw new WanFailed('the WAN emulator answered without a report');
    const { links, ...rest } = report;
    const perLink = links.map((link) => ({ ...link, from: this.#name(link.from), to: this.#name(link.to) }));
    return { perLink, ...rest };
  }

  /** Forgets the lateness so far, to measure one stretch of time. */
  async resetLateness(): Promise<void> {
    await this.#ask({ order: 'reset-lateness' });
  }

  /** Ends the emulator; what is on the way is lost. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  async #ask(order: object): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId++;
    const answer = this.#expect(id);
    this.#child.stdin?.write(`${JSON.stringify({ id, ...order })}\n`);
    return answer;
  }

  #expect(id: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const late = () => this.#fail(`did not answer within ${ANSWER_TIMEOUT_MS} ms`);
      const timer = setTimeout(late, ANSWER_TIMEOUT_MS);
      const settled = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        settle();
      };
      this.#waiting.set(id, {
        resolve: (answer) => settled(() => resolve(answer)),
        reject: (error) => settled(() => reject(error)),
      });
    });
  }

  #receive(line: string): void {
    const answer = JSON.parse(line) as Answer;
    this.#waiting.get(answer.id)?.resolve(answer);
  }

  #fail(how: string): void {
    const failure = new WanFailed(`the WAN emulator ${how} ${this.#complaint.trim()}`.trim());
    this.#failure ??= failure;
    for (const waiting of this.#waiting.values()) waiting.reject(failure);
  }

  #port(name: string): number {
    const port = this.#ports.indexOf(name);
    if (port < 0) throw new RangeError(`the WAN has no port ${name}, only ${this.#ports.join(', ')}`);
    return port;
  }

  #name(port: number): string {
    return this.#ports[port] ?? String(port);
  }
}
