// What one disk was told, by sector: everything that it may read as now (promise S1). A flush that was answered, and a
// move, leave one content; what lost its power may have gone back to the last flush. And everything that its copies may be:
// only answers that mean copies leave less of that.

const SECTOR_BYTES = 512;

/** The contents a sector may have, the oldest first; the last is the newest that was asked for. */
interface Sector {
  contents: Uint8Array[];
  /** Contents from here on were not answered yet. */
  answered: number;
  /** Contents that a copy may have. */
  copied: Uint8Array[];
}

/** Which content of each sector a flush covers. */
export type Covered = readonly (Uint8Array | undefined)[];

/** The history of one disk of a few blocks. Offsets and lengths are whole sectors. */
export class DiskHistory {
  readonly #sectors: Sector[] = [];
  /** Cuts that are being made: what each sector may be at some moment since they were asked for. */
  readonly #cuts = new Set<Uint8Array[][]>();

  constructor(bytes: number) {
    this.grow(bytes);
  }

  get bytes(): number {
    return this.#sectors.length * SECTOR_BYTES;
  }

  /** It has this size from now on: what is new is zeros. */
  grow(bytes: number): void {
    while (this.bytes < bytes) {
      const zeros = new Uint8Array(SECTOR_BYTES);
      this.#sectors.push({ contents: [zeros], answered: 1, copied: [zeros] });
    }
  }

  /** It was closed, or handed over, with all that was answered: nothing older is there any more. */
  moved(): void {
    this.flushed(this.cover());
  }

  /** What it was closed with; `hasLostPower`: then it may have gone back to the last flush before. */
  closed(hasLostPower: boolean): ClosedVersion {
    const sectors = this.#sectors.map((sector) => ({
      contents: hasLostPower ? sector.contents : sector.contents.slice(sector.answered - 1, sector.answered),
      learn: (content: Uint8Array): void => {
        sector.contents = [content];
        sector.answered = 1;
      },
    }));
    return new ClosedVersion(sectors);
  }

  /** A cut is asked for. The answered function says what the disk was at some moment until then. */
  beginCut(): (hasLostPower: boolean) => ClosedVersion {
    const cut = this.#sectors.map(({ contents, answered }) => contents.slice(answered - 1));
    this.#cuts.add(cut);
    return (hasLostPower) => {
      this.#cuts.delete(cut);
      // What was cut after a power cut is older than what was answered before.
      const mayBe = cut.map((contents, index) => [
        ...contents,
        ...(hasLostPower ? (this.#sectors[index]?.contents ?? []) : []),
      ]);
      return new ClosedVersion(mayBe.map((contents) => ({ contents, learn: () => undefined })));
    };
  }

  /** A change is asked for: its sectors are the old or the new until it is answered. */
  asked(offset: number, data: Uint8Array): void {
    const copy = data.slice();
    this.#each(offset, data.length, (sector, at) => {
      const content = copy.subarray(at, at + SECTOR_BYTES);
      for (const cut of this.#cuts) cut[(offset + at) / SECTOR_BYTES]?.push(content);
      sector.contents.push(content);
      sector.copied.push(content);
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

  /** The answer to a flush that covers this meant copies. */
  flushedOnCopies(covered: Covered): void {
    this.#sectors.forEach((sector, index) => {
      const content = covered[index];
      const at = content === undefined ? -1 : sector.copied.lastIndexOf(content);
      if (at > 0) sector.copied = sector.copied.slice(at);
    });
  }

  /** The answer to the newest change of these meant copies. */
  changedOnCopies(offset: number, length: number): void {
    this.#each(offset, length, (sector) => {
      sector.copied = sector.copied.slice(-1);
    });
  }

  /** What copies may have at this moment, to be compared later. */
  onCopies(): CopiedContents {
    return new CopiedContents(this.#sectors.map(({ copied }) => copied.slice()));
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
   * The power was lost, or only the daemon died, and then it keeps all that was answered: the disk is what it reads as now,
   * and what was not flushed is still not. Answers where that is nothing that it may be; -1 if nowhere.
   */
  restarted(read: Uint8Array, keeps: 'flushed' | 'answered' = 'flushed'): number {
    let differs = -1;
    this.#each(0, this.bytes, (sector, at) => {
      const now = read.slice(at, at + SECTOR_BYTES);
      const newest = sector.contents.findLastIndex((content) => isEqual(content, now));
      const isWell = newest >= (keeps === 'flushed' ? 0 : sector.answered - 1);
      if (!isWell && differs < 0) differs = at;
      sector.contents = keeps === 'answered' && isWell ? sector.contents.slice(0, newest + 1) : [now];
      sector.answered = sector.contents.length;
      sector.copied.push(now);
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

/** What each sector may be on a copy. */
export class CopiedContents {
  readonly #sectors: readonly (readonly Uint8Array[])[];

  constructor(sectors: readonly (readonly Uint8Array[])[]) {
    this.#sectors = sectors;
  }

  get bytes(): number {
    return this.#sectors.length * SECTOR_BYTES;
  }

  /** Whether what was read from the offset on, whole sectors, is a copy. */
  hasCopy(offset: number, read: Uint8Array): boolean {
    for (let at = 0; at < read.length; at += SECTOR_BYTES) {
      const now = read.subarray(at, at + SECTOR_BYTES);
      const mayBe = this.#sectors[(offset + at) / SECTOR_BYTES] ?? [];
      if (!mayBe.some((content) => isEqual(content, now))) return false;
    }
    return true;
  }
}

/** A sector of a disk that was closed. */
interface ClosedSector {
  /** All that it may be. */
  contents: readonly Uint8Array[];
  /** It is this one. */
  readonly learn: (content: Uint8Array) => void;
}

/** What a disk was closed with, for ever. */
export class ClosedVersion {
  /** Somebody may have written since. */
  isOver = false;
  readonly #sectors: readonly ClosedSector[];

  constructor(sectors: readonly ClosedSector[]) {
    this.#sectors = sectors;
  }

  get bytes(): number {
    return this.#sectors.length * SECTOR_BYTES;
  }

  /** Whether what was read from the offset on, whole sectors, may be of it. */
  mayBe(offset: number, read: Uint8Array): boolean {
    return this.#each(offset, read, ({ contents }, now) => contents.some((content) => isEqual(content, now)));
  }

  /** What was read is of it: these sectors are never anything else, nor are they to whoever opens the disk next. */
  settle(offset: number, read: Uint8Array): void {
    this.#each(offset, read, (sector, now) => {
      if (sector.contents.length === 1) return true;
      const content = now.slice();
      sector.contents = [content];
      if (!this.isOver) sector.learn(content);
      return true;
    });
  }

  #each(offset: number, read: Uint8Array, look: (sector: ClosedSector, now: Uint8Array) => boolean): boolean {
    for (let at = 0; at < read.length; at += SECTOR_BYTES) {
      const sector = this.#sectors[(offset + at) / SECTOR_BYTES];
      if (sector === undefined || !look(sector, read.subarray(at, at + SECTOR_BYTES))) return false;
    }
    return true;
  }
}

function keepFrom(sector: Sector, at: number): void {
  sector.contents = sector.contents.slice(at);
  sector.answered -= at;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
