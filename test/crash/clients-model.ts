// What an image with several clients may read as after a crash, where changes of one may be under way beside those of
// another: per sector any change that none that counts came after. Of two that overlapped in time either may have been the
// later. Not a test itself.
import * as assert from 'uvu/assert';
import type { Image } from '../../blockd/image/image.ts';
import { ToldVersions } from './told-versions.ts';

const SECTOR_BYTES = 512;

/** A change or a flush of some client, by the ticks of a clock that counts what clients ask for and hear. */
export interface Asked {
  readonly asked: number;
  answered: number;
  isDurable: boolean;
}

/** One content of a sector, and the change that it came with. */
interface Content {
  readonly change: Asked;
  readonly bytes: Uint8Array;
}

/** What a crash leaves: with the power all that was made durable, with a kill of the daemon all that was answered. */
export type Kept = 'durable' | 'answered';

export class ClientsModel {
  readonly versions: ToldVersions;
  readonly #sectors: Content[][];
  readonly #changes: Asked[];
  #ticks: number;

  /** An image that reads so, durably. */
  constructor(content: Uint8Array) {
    const change = { asked: 0, answered: 0, isDurable: true };
    this.versions = new ToldVersions();
    this.#changes = [change];
    this.#ticks = 0;
    this.#sectors = Array.from({ length: content.length / SECTOR_BYTES }, (_, sector) => [
      { change, bytes: content.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES) },
    ]);
  }

  get bytes(): number {
    return this.#sectors.length * SECTOR_BYTES;
  }

  /**
   * A client asks for a change of whole sectors.
   * @throws RangeError where they are beyond the image
   */
  change(offset: number, data: Uint8Array): Asked {
    const change = this.#ask();
    this.#changes.push(change);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      const sector = this.#sectors[(offset + at) / SECTOR_BYTES];
      if (sector === undefined) throw new RangeError(`offset ${offset + at} is no sector of the image`);
      sector.push({ change, bytes: data.slice(at, at + SECTOR_BYTES) });
    }
    return change;
  }

  /** The change was answered, and durably so with `isDurable`. */
  changed(change: Asked, isDurable: boolean): void {
    change.answered = ++this.#ticks;
    change.isDurable = isDurable;
  }

  /** A client asks that everything that was answered before be durable. */
  flush(): Asked {
    return this.#ask();
  }

  flushed({ asked }: Asked): void {
    for (const change of this.#changes) change.isDurable ||= change.answered < asked;
  }

  /** Nothing is under way: what it reads as is what came last. @throws AssertionError where that cannot be */
  settled(image: Image): void {
    const read = this.#readAllowed(image, 'answered');
    this.#sectors.forEach((contents, sector) => {
      const now = read.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      const at = contents.findLastIndex(({ bytes }) => Buffer.compare(bytes, now) === 0);
      contents.push(...contents.splice(at, 1).map(({ change, bytes }) => ({ bytes, change: this.#again(change) })));
    });
  }

  /** Checks everything that must hold of the image after a recovery. @throws AssertionError */
  async verify(image: Image, kept: Kept, versions: ToldVersions): Promise<void> {
    this.#readAllowed(image, kept);
    await versions.verify(image);
  }

  #ask(): Asked {
    return { asked: ++this.#ticks, answered: Number.POSITIVE_INFINITY, isDurable: false };
  }

  /** The same change as if it were asked for and answered now. */
  #again({ isDurable }: Asked): Asked {
    const change = { asked: ++this.#ticks, answered: this.#ticks, isDurable };
    this.#changes.push(change);
    return change;
  }

  #readAllowed(image: Image, kept: Kept): Buffer {
    const read = Buffer.alloc(this.bytes);
    assert.ok(image.tryRead(0, read), 'everything is local');
    this.#sectors.forEach((contents, sector) => {
      const now = read.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      const isAllowed = allowed(contents, kept).some(({ bytes }) => Buffer.compare(bytes, now) === 0);
      assert.ok(isAllowed, `sector ${sector} reads as something older or foreign`);
    });
    return read;
  }
}

/** The contents that no change that counts came surely after. */
function allowed(contents: readonly Content[], kept: Kept): Content[] {
  const counts = ({ isDurable, answered }: Asked): boolean =>
    kept === 'durable' ? isDurable : answered < Number.POSITIVE_INFINITY;
  const newest = Math.max(...contents.map(({ change }) => (counts(change) ? change.asked : -1)));
  return contents.filter(({ change }) => change.answered >= newest);
}
