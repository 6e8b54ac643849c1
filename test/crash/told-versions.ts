// What may never come again of an image's versions: each names the content that it was told with (promise S3), no block is
// older than somebody was told, no number is used twice. Not a test itself.
import * as assert from 'uvu/assert';
import type { Image } from '../../blockd/image/image.ts';
import { BLOCK_BYTES, sequenceOf } from '../../blockd/table/block-version.ts';
import { readRuns } from '../../blockd/table/version-run.ts';
import { VersionTable } from '../../blockd/table/version-table.ts';
import { runsOf } from '../unit/blockd/table-runs.ts';

/** The versions of one image. */
export class ToldVersions {
  readonly #published = new Map<string, string>();
  /** By block: the highest sequence that somebody was told. */
  readonly #told = new Map<number, number>();
  #lastSequence = 0;

  /** The same history so far. */
  fork(): ToldVersions {
    const fork = new ToldVersions();
    for (const [name, content] of this.#published) fork.#published.set(name, content);
    for (const [block, sequence] of this.#told) fork.#told.set(block, sequence);
    fork.#lastSequence = this.#lastSequence;
    return fork;
  }

  /** Numbers up to this one were given out, whether anyone saw them or not. */
  used(sequence: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence);
  }

  /** These entries left the store: what they name can never be anything else. */
  published(runs: Uint8Array, image: Image): void {
    for (const run of readRuns(runs)) {
      for (let block = run.first; block < run.first + run.count; block++) {
        // An entry that was overwritten meanwhile names what can no longer be read.
        if (!image.store.table.equals(block, run.high, run.low)) continue;
        this.#check(`${block} ${run.high} ${run.low}`, contentOf(image, block));
        this.#told.set(block, Math.max(this.#told.get(block) ?? 0, sequenceOf(run.high, run.low)));
      }
    }
  }

  /** Checks everything that must hold of an image's table after a recovery; the image uses a number for it. */
  async verify(image: Image): Promise<void> {
    checkSums(image.store.table);
    for (const run of readRuns(runsOf(image.store.table))) {
      for (let block = run.first; block < run.first + run.count; block++) {
        const isOlder = sequenceOf(run.high, run.low) < (this.#told.get(block) ?? 0);
        assert.not(isOlder, `block ${block} is older than somebody was told`);
      }
    }
    this.published(runsOf(image.store.table), image);
    if (image.store.takeSequence() === undefined) await image.store.reserve();
    assert.ok((image.store.takeSequence() ?? 0) > this.#lastSequence, 'a write number is used again');
  }

  #check(name: string, content: string): void {
    const before = this.#published.get(name);
    assert.ok(before === undefined || before === content, `block, epoch and number ${name} name two contents`);
    this.#published.set(name, content);
  }
}

/** What the table adds up to is what its entries do. @throws Error */
export function checkSums(table: VersionTable): void {
  const anew = new VersionTable(table.blocks);
  anew.restore([runsOf(table)]);
  assert.equal([anew.mark.digest, anew.census()], [table.mark.digest, table.census()], 'the sums are of other entries');
}

function contentOf(image: Image, block: number): string {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  image.tryRead(block * BLOCK_BYTES, bytes);
  return bytes.toString('latin1');
}
