// Keeps the tables by which a node's guests are counted: one for each port, read every 10 s, and once more before it goes.
// A node without nftables counts nothing, and does all else.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Clock, Timer } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import type { SentFigures } from '../../wire/contracts/traffic.ts';
import type { HostPort } from '../agent/host-ports.ts';
import { deviceIndex } from './device-index.ts';
import { deleteTapTable, makeTapTable, readTapTables, type Tap, tapTableName } from './tap-tables.ts';
import { TrafficBook, TrafficState } from './traffic-book.ts';

const FILE = 'traffic.json';
const CHECK = new SchemaCheck(TrafficState);
const READ_EVERY_MS = 10_000;
/** What the machine's end may cost; that of the agent costs nothing, since the kernel goes on counting. */
const KEEP_EVERY_MS = 60_000;
/** Each takes some 10 ms; a loaded machine may need seconds. */
const COMMAND_TIMEOUT_MS = 10_000;
/** 300 ports whose tables are full. */
const COMMAND_OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

/** Runs `nft` with these words and this input, and answers what it said. */
export type RunNft = (words: readonly string[], input: string) => Promise<string>;

export interface TrafficKeeperParts {
  readonly directory: string;
  readonly disk: Pick<Disk, 'readWhole' | 'replace'>;
  /** Those that there should be now; one whose device is not there is looked at again with the next look. */
  readonly ports: () => readonly HostPort[];
  /** Others in tests. */
  readonly run?: RunNft;
  readonly indexOf?: (device: string) => number;
  readonly clock: Clock;
  readonly log: Log;
}

export class TrafficKeeper {
  readonly #parts: TrafficKeeperParts;
  readonly #run: RunNft;
  readonly #path: string;
  readonly #book: TrafficBook;
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #keptMs: number;
  #isStopped = false;
  /** What was logged last, so that a machine without nftables says it once. */
  #trouble = '';

  private constructor(parts: TrafficKeeperParts, path: string, book: TrafficBook) {
    this.#parts = parts;
    this.#run = parts.run ?? runNft;
    this.#path = path;
    this.#book = book;
    this.#keptMs = parts.clock.nowMs();
  }

  /** Begins with what was kept; looks for the first time at once. */
  static async start(parts: TrafficKeeperParts): Promise<TrafficKeeper> {
    const path = join(parts.directory, FILE);
    const keeper = new TrafficKeeper(parts, path, new TrafficBook(await readState(parts, path)));
    keeper.look();
    return keeper;
  }

  /** A port came or went. */
  look(): void {
    void this.#inTurn();
  }

  /** All that was counted until now. */
  async sent(): Promise<SentFigures[]> {
    await this.#inTurn();
    return this.#book.sent;
  }

  /** The kernel goes on counting. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #inTurn(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#isStopped) return;
      this.#timer?.cancel();
      await this.#lookNow().then(
        () => this.#tell(''),
        (error: unknown) => this.#tell(messageOf(error)),
      );
      this.#timer = this.#parts.clock.setTimer(READ_EVERY_MS, () => this.look());
    });
    return this.#turn;
  }

  async #lookNow(): Promise<void> {
    const taps = this.#taps();
    const found = readTapTables(await this.#run(['-j', 'list', 'ruleset', 'netdev'], ''));
    this.#book.take(found, (table) => taps.get(table)?.owner);
    const names = new Set(found.map(({ name }) => name));
    const past = [...names].filter((name) => !taps.has(name));
    const isDue = this.#parts.clock.nowMs() - this.#keptMs >= KEEP_EVERY_MS;
    // What a table has counted is on the disk before it goes.
    if (past.length > 0 || isDue) await this.#keep();
    const news = [...taps].filter(([name]) => !names.has(name));
    const changes = [...past.map(deleteTapTable), ...news.map(([, { tap }]) => makeTapTable(tap))];
    if (changes.length > 0) await this.#run(['-f', '-'], changes.join(''));
  }

  #taps(): Map<string, { readonly owner: string; readonly tap: Tap }> {
    const { ports, indexOf = deviceIndex } = this.#parts;
    const all = ports().map(({ owner, mac, name: device }) => ({
      owner,
      tap: { device, index: indexOf(device), mac },
    }));
    return new Map(all.filter(({ tap }) => tap.index > 0).map((one) => [tapTableName(one.tap), one]));
  }

  async #keep(): Promise<void> {
    await this.#parts.disk.replace(this.#path, Buffer.from(JSON.stringify(this.#book.state)));
    this.#keptMs = this.#parts.clock.nowMs();
  }

  #tell(trouble: string): void {
    if (trouble !== '' && trouble !== this.#trouble)
      this.#parts.log.warn({ reason: trouble }, 'what guests send is not counted now');
    this.#trouble = trouble;
  }
}

async function readState({ disk, log }: TrafficKeeperParts, path: string): Promise<TrafficState | undefined> {
  try {
    const value: unknown = JSON.parse(Buffer.from(await disk.readWhole(path)).toString());
    if (CHECK.accepts(value)) return value;
    log.warn({ file: path, fault: CHECK.fault(value) }, 'what was counted is passed over');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      log.warn({ file: path, reason: messageOf(error) }, 'what was counted is passed over');
  }
  return undefined;
}

function runNft(words: readonly string[], input: string): Promise<string> {
  const limits = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_BYTES_MAX };
  return new Promise((resolve, reject) => {
    const child = execFile('nft', [...words], limits, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`nft ${words.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
    });
    // A command that ends before it has read its input is judged by its exit status alone.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(input);
  });
}
