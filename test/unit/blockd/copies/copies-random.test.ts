// Random writes, flushes, outages and deaths: whenever a flush has been answered, and at every moment since, the other store
// has each block as it was flushed or newer, whatever its own power cut would leave (SOUNDNESS A13; promise S1).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { seededRandom } from '../../common/seeded-random.ts';
import { BLOCKS, blockOf, CopyStores, contentAfter, LAYER, SYNC } from './copy-stores.ts';

const seed = Number(process.env.COPIES_SEED ?? Date.now() % 2 ** 31);
const WORLDS = Number(process.env.COPIES_WORLDS ?? 10);
const STEPS = 120;
const TOP = 'l0000000000000002';

/** What each block was written with, the newest last. */
class History {
  readonly #values = Array.from({ length: BLOCKS }, () => [0]);
  /** Per block, which of its values an answered flush covers. */
  readonly #flushed = new Array<number>(BLOCKS).fill(0);

  write(block: number, fill: number): void {
    this.#values[block]?.push(fill);
  }

  /** What a flush that begins now covers. */
  begin(): number[] {
    return this.#values.map((values) => values.length - 1);
  }

  answered(covered: readonly number[]): void {
    for (const [block, index] of covered.entries()) this.#flushed[block] = Math.max(this.#flushed[block] ?? 0, index);
  }

  /** What each block may be if everything stops at this moment. */
  allowed(): number[][] {
    return this.#values.map((values, block) => values.slice(this.#flushed[block]));
  }

  static check(content: readonly number[], may: readonly number[][], what: string): void {
    for (const [block, value] of content.entries()) {
      const allowed = may[block] ?? [];
      assert.ok(allowed.includes(value), `${what}: block ${block} is ${value}, may be ${allowed.join(', ')}`);
    }
  }
}

class Run {
  readonly #random: () => number;
  readonly #stores: CopyStores;
  readonly #history = new History();
  #fill = 0;
  #isCut = false;
  checks = 0;
  answers = 0;

  constructor(random: () => number, stores: CopyStores) {
    this.#random = random;
    this.#stores = stores;
  }

  async run(): Promise<void> {
    await this.#stores.openAtA(SYNC);
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      if (this.#below(4) === 0) await this.#checkCopy('at some moment');
    }
    this.#stores.held.clear();
    if (this.#stores.away.has('b')) await this.#boot();
    await this.#stores.release('b', 'a');
    await this.#stores.release('a', 'b');
    this.#stores.tamper = (bytes) => bytes;
    await this.#stores.clock.advance(60_000);
    await this.#flush();
    await this.#stores.clock.advance(60_000);
    await this.#checkCopy('at the end');
    assert.is(
      this.#stores.shelf('a').get('web').copies.show().copies?.waitingFlushes,
      0,
      'a flush waits though nothing is wrong',
    );
  }

  async #step(): Promise<void> {
    const kind = this.#below(100);
    if (kind < 45) await this.#write();
    else if (kind < 70) await this.#flush();
    else if (kind < 80) await this.#stores.clock.advance(this.#below(3_000));
    else if (kind < 84) this.#stores.hold(...this.#way());
    else if (kind < 90) await this.#stores.release(...this.#way());
    else if (kind < 93) this.#stores.cutStreams();
    else if (kind < 95 && !this.#isCut) await this.#cut();
    else if (this.#stores.away.has('b')) await this.#boot();
    else if (kind < 97) this.#stores.kill('b');
    await this.#stores.calm();
  }

  #way(): readonly ['a' | 'b', 'a' | 'b'] {
    return this.#below(2) === 0 ? ['a', 'b'] : ['b', 'a'];
  }

  async #write(): Promise<void> {
    const first = this.#below(BLOCKS);
    const count = 1 + this.#below(Math.min(4, BLOCKS - first));
    this.#fill = (this.#fill % 250) + 1;
    const fill = this.#below(5) === 0 ? 0 : this.#fill;
    for (let block = first; block < first + count; block++) this.#history.write(block, fill);
    const image = this.#stores.image('a');
    if (fill === 0) await image.trim(first * BLOCK_BYTES, count * BLOCK_BYTES, false);
    else await image.write(first * BLOCK_BYTES, Buffer.concat(new Array(count).fill(blockOf(fill))), false);
  }

  async #flush(): Promise<void> {
    const covered = this.#history.begin();
    const flush = Promise.resolve(this.#stores.image('a').flush());
    const answered = flush.then(async () => {
      // While the copies form an answer means none.
      if (this.#stores.shelf('a').get('web').copies.show().copies?.forming !== false) return;
      this.answers++;
      this.#history.answered(covered);
      await this.#checkCopy('after an answer');
    });
    answered.catch((error: unknown) => {
      this.failure ??= error;
    });
    await this.#stores.calm();
  }

  failure: unknown;

  /** The image is cut: its copy's layers are two then. */
  async #cut(): Promise<void> {
    this.#isCut = true;
    await this.#stores.shelf('a').cuts.cut({ id: '00000000000000c1', images: [{ image: 'web', layer: TOP }] });
  }

  async #boot(): Promise<void> {
    const losses = this.#stores.disk('b').losses();
    const loss = losses[this.#below(losses.length)];
    if (loss !== undefined) await this.#stores.start('b', this.#stores.disk('b').afterCut(loss));
  }

  /** What is left of the image if its writer's disk is lost now, and the power of the other store fails too. */
  async #checkCopy(when: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const disk = this.#stores.disk('b');
    const losses = disk.losses();
    for (const loss of [losses[0], losses[this.#below(losses.length)]]) {
      if (loss === undefined) continue;
      const allowed = this.#history.allowed();
      History.check(await contentAfter(disk, loss, TOP, LAYER), allowed, `${when}, ${JSON.stringify(loss)}`);
      this.checks++;
    }
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }
}

async function runWorlds(first: number, spoil: (stores: CopyStores, random: () => number) => void): Promise<void> {
  let [checks, answers] = [0, 0];
  for (let world = 0; world < WORLDS; world++) {
    const random = seededRandom(first + world);
    const stores = await CopyStores.make(['a', 'b']);
    spoil(stores, random);
    const run = new Run(random, stores);
    await run.run().catch((error: unknown) => {
      throw new Error(`COPIES_SEED=${first}, world ${world}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    });
    checks += run.checks;
    answers += run.answers;
  }
  assert.ok(answers > WORLDS * 3 && checks > WORLDS * 20, `${answers} answers, ${checks} checks`);
}

test('in random worlds each flush that was answered is on the other store', () => runWorlds(seed, () => undefined));

test('the same on streams that change, lose and double bytes', () =>
  runWorlds(seed, (stores, random) => {
    stores.tamper = (bytes) => {
      const kind = random();
      if (kind > 0.03) return bytes;
      if (kind < 0.01) return new Uint8Array(0);
      if (kind < 0.02) return Buffer.concat([bytes, bytes]);
      const changed = Buffer.from(bytes);
      const end = random() < 0.5 ? changed.length : Math.min(changed.length, 64);
      changed[Math.floor(random() * end)] = Math.floor(random() * 256);
      return changed;
    };
  }));

test.run();
