// What one disk was told, by sector: everything that it may read as now (promise S1). A flush that was answered, and a
// move, leave one content; what lost its power may have gone back to the last flush.

const SECTOR_BYTES = 512;

/** The contents a sector may have, the oldest first; the last is the newest that was asked for. */
interface Sector {
  contents: Uint8Array[];
  /** Contents from here on were not answered yet. */
  answered: number;
}

/** Which content of each sector a flush covers. */
export type Covered = readonly (Uint8Array | undefined)[];

/** The history of one disk of a few blocks. Offsets and lengths are whole sectors. */
export class DiskHistory {
  readonly bytes: number;
  readonly #sectors: Sector[];

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#sectors = Array.from({ length: bytes / SECTOR_BYTES }, () => ({
      contents: [new Uint8Array(SECTOR_BYTES)],
      answered: 1,
    }));
  }

  /** A change is asked for: its sectors are the old or the new until it is answered. */
  asked(offset: number, data: Uint8Array): void {
    this.#each(offset, data.length, (sector, at) => {
      sector.contents.push(data.slice(at, at + SECTOR_BYTES));
    });
  }

  /** The change was answered, and durably so with `fua`. */
  answered(offset: number, length: number, fua: boolean): void {
    this.#each(offset, length, (sector) => {
      sector.answered = sector.contents.length;
      if (fua) keepFrom(sector, sector.contents.length - 1);
    });
  }

  /** What a flush that is asked for now covers. */
  cover(): Covered {
    return this.#sectors.map(({ contents, answered }) => contents[answered - 1]);
  }

  /** The flush was answered: nothing older than what it covers is there any more. */
  flushed(covered: Covered): void {
    this.#sectors.forEach((sector, index) => {
      const content = covered[index];
      const at = content === undefined ? -1 : sector.contents.indexOf(content);
      if (at > 0) keepFrom(sector, at);
    });
  }

  /** Where a read differs from the newest answered content; -1 when it does not. For ranges that nothing changes now. */
  differsAt(offset: number, read: Uint8Array): number {
    let differs = -1;
    this.#each(offset, read.length, ({ contents, answered }, at) => {
      const wanted = contents[answered - 1] ?? new Uint8Array(0);
      if (differs < 0 && !isEqual(read.subarray(at, at + SECTOR_BYTES), wanted)) differs = offset + at;
    });
    return differs;
  }

  /**
   * The power was lost, or only the daemon died, and then it keeps all that was answered: the disk is what it reads as now.
   * Answers where that is nothing that it may be; -1 if nowhere.
   */
  restarted(read: Uint8Array, keeps: 'flushed' | 'answered' = 'flushed'): number {
    let differs = -1;
    this.#each(0, this.bytes, (sector, at) => {
      const now = read.slice(at, at + SECTOR_BYTES);
      const mayBe = keeps === 'flushed' ? sector.contents : sector.contents.slice(sector.answered - 1);
      if (!mayBe.some((content) => isEqual(content, now)) && differs < 0) differs = at;
      sector.contents = [now];
      sector.answered = 1;
    });
    return differs;
  }

  #each(offset: number, length: number, visit: (sector: Sector, at: number) => void): void {
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      const sector = this.#sectors[(offset + at) / SECTOR_BYTES];
      if (sector === undefined) throw new RangeError(`offset ${offset + at} is beyond the disk`);
      visit(sector, at);
    }
  }
}

function keepFrom(sector: Sector, at: number): void {
  sector.contents = sector.contents.slice(at);
  sector.answered -= at;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
