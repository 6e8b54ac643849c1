// What an image may read as after a crash: per sector the last flushed content or a later one (promise S1), and per
// published version exactly the content it was published with (promise S3).
import * as assert from 'uvu/assert';
import type { Image } from '../../blockd/image/image.ts';
import { ToldVersions } from './told-versions.ts';

const SECTOR_BYTES = 512;

/** The model of one image of a few blocks. */
export class ImageModel {
  readonly bytes: number;
  #content: Buffer;
  readonly #allowed: Set<string>[];
  #versions = new ToldVersions();

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
    fork.#versions = this.#versions.fork();
    return fork;
  }

  /** A change begins: from now on its sectors may read as before or as after it. Answers the content after it. */
  change(offset: number, data: Uint8Array): Buffer {
    this.#content = Buffer.from(this.#content);
    this.#content.set(data, offset);
    this.#eachSector(offset, data.length, (sector) => this.#allowed[sector]?.add(sectorOf(this.#content, sector)));
    return this.#content;
  }

  /** What was changed in the range is durable; `upTo`: to that content: what was asked for later may have been done since. */
  flushed(offset = 0, length = this.bytes, upTo = this.#content): void {
    this.#eachSector(offset, length, (sector) => {
      this.#allowed[sector] = new Set([sectorOf(upTo, sector), sectorOf(this.#content, sector)]);
    });
  }

  /** The daemon was restarted: what was unflushed may be as before, and is from now on what it reads as. */
  restarted(image: Image): void {
    this.#content = this.#readAllowed(image);
  }

  /** Numbers up to this one were given out, whether anyone saw them or not. */
  used(sequence: number): void {
    this.#versions.used(sequence);
  }

  /** These entries left the store: what they name can never be anything else. */
  published(runs: Uint8Array, image: Image): void {
    this.#versions.published(runs, image);
  }

  /** Checks everything that must hold of the image after a recovery. */
  async verify(image: Image): Promise<void> {
    this.#readAllowed(image);
    await this.#versions.verify(image);
  }

  #readAllowed(image: Image): Buffer {
    const read = Buffer.alloc(this.bytes);
    assert.ok(image.tryRead(0, read), 'everything is local');
    this.#allowed.forEach((allowed, sector) => {
      assert.ok(allowed.has(sectorOf(read, sector)), `sector ${sector} reads as something older or foreign`);
    });
    return read;
  }

  #eachSector(offset: number, length: number, visit: (sector: number) => void): void {
    const end = Math.ceil((offset + length) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector < end; sector++) visit(sector);
  }
}

function sectorOf(content: Buffer, sector: number): string {
  return content.toString('latin1', sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}
