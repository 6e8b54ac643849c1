// What an image may read as after a crash: per sector the last flushed content or a later one (promise S1), and per
// published version exactly the content it was published with (promise S3).
import * as assert from 'uvu/assert';
import type { Image } from '../../blockd/image/image.ts';
import { BLOCK_BYTES, sequenceOf } from '../../blockd/table/block-version.ts';
import { readRuns } from '../../blockd/table/version-run.ts';
import { VersionTable } from '../../blockd/table/version-table.ts';
import { runsOf } from '../unit/blockd/table-runs.ts';

const SECTOR_BYTES = 512;

/** The model of one image of a few blocks. */
export class ImageModel {
  readonly bytes: number;
  #content: Buffer;
  readonly #allowed: Set<string>[];
  readonly #published = new Map<string, string>();
  /** By block: the highest sequence that somebody was told. */
  readonly #told = new Map<number, number>();
  #lastSequence = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#content = Buffer.alloc(bytes);
    this.#allowed = Array.from({ length: bytes / SECTOR_BYTES }, () => new Set([sectorOf(this.#content, 0)]));
  }

  /** The same history so far: what one loss leads to is not what another does. */
  fork(): ImageModel {
    const fork = new ImageModel(this.bytes);
    fork.#content = this.#content;
    for (const [sector, allowed] of this.#allowed.entries()) fork.#allowed[sector] = new Set(allowed);
    for (const [name, content] of this.#published) fork.#published.set(name, content);
    for (const [block, sequence] of this.#told) fork.#told.set(block, sequence);
    fork.#lastSequence = this.#lastSequence;
    return fork;
  }

  /** A change begins: from now on its sectors may read as before or as after it. */
  change(offset: number, data: Uint8Array): void {
    this.#content = Buffer.from(this.#content);
    this.#content.set(data, offset);
    this.#eachSector(offset, data.length, (sector) => this.#allowed[sector]?.add(sectorOf(this.#content, sector)));
  }

  /** What was changed in the range is durable. */
  flushed(offset = 0, length = this.bytes): void {
    this.#eachSector(offset, length, (sector) => {
      this.#allowed[sector] = new Set([sectorOf(this.#content, sector)]);
    });
  }

  /** The daemon was restarted: what was unflushed may be as before, and is from now on what it reads as. */
  restarted(image: Image): void {
    this.#content = this.#readAllowed(image);
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

  /** Checks everything that must hold of the image after a recovery. */
  async verify(image: Image): Promise<void> {
    this.#readAllowed(image);
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

  #readAllowed(image: Image): Buffer {
    const read = Buffer.alloc(this.bytes);
    assert.ok(image.tryRead(0, read), 'everything is local');
    this.#allowed.forEach((allowed, sector) => {
      assert.ok(allowed.has(sectorOf(read, sector)), `sector ${sector} reads as something older or foreign`);
    });
    return read;
  }

  #check(name: string, content: string): void {
    const before = this.#published.get(name);
    assert.ok(before === undefined || before === content, `block, epoch and number ${name} name two contents`);
    this.#published.set(name, content);
  }

  #eachSector(offset: number, length: number, visit: (sector: number) => void): void {
    const end = Math.ceil((offset + length) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector < end; sector++) visit(sector);
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

function sectorOf(content: Buffer, sector: number): string {
  return content.toString('latin1', sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}
