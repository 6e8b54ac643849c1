// What a destination is told of a source's requests, so that it fetches the hottest first: per region of 64 blocks a level
// of how often it was read, the lowest for one that was only written; two bytes for most regions. A codec and the survey
// that fills it; rubbish is refused.

import { GROUP_BLOCKS } from '../table/group-index.ts';
import type { BlockHeat } from './block-heat.ts';

const FORMAT = 1;
/** A region is one request of the background pull: 256 KiB. */
export const REGION_BLOCKS = 64;
/** The hottest 16 GiB; the rest is fetched after them in its order. At most some 200 KB on the wire. */
const REGIONS_MAX = 2 ** 16;
/** Levels of reads: half octaves from 1/16 event on. */
const HOT_LEVELS = 32;
const VARINT_BYTES_MAX = 5;

/** The level of a count of reads in events, 1 to 31; 0 for less than a sixteenth. */
export function heatLevelOf(reads: number): number {
  if (reads < 1 / 16) return 0;
  return Math.min(HOT_LEVELS - 1, 1 + Math.floor(2 * (Math.log2(reads) + 4)));
}

/** Goes over an image's heat in steps. */
export class HeatSurvey {
  readonly #heat: BlockHeat;
  readonly #regions: number[][] = Array.from({ length: HOT_LEVELS }, () => []);
  #cursor = 0;
  #region = -1;
  #reads = 0;
  #writes = 0;

  constructor(heat: BlockHeat) {
    this.#heat = heat;
  }

  /** Looks at so many more groups; true when that was all. */
  step(groupsMax: number): boolean {
    const { index } = this.#heat;
    for (let seen = 0; seen < groupsMax; seen++) {
      const first = index.nextGroup(this.#cursor);
      if (first >= index.blocks) {
        this.#close(-1);
        return true;
      }
      this.#cursor = first + GROUP_BLOCKS;
      this.#look(first);
    }
    return false;
  }

  /** Of what was looked at, the hottest regions. */
  summary(): Uint8Array {
    return encodeHeat(this.#regions);
  }

  #look(first: number): void {
    const region = Math.floor(first / REGION_BLOCKS);
    if (region !== this.#region) this.#close(region);
    const slot = this.#heat.index.slotOf(first);
    for (let at = 0; at < GROUP_BLOCKS; at++) {
      this.#reads += this.#heat.readsOf(slot + at);
      this.#writes += this.#heat.writesOf(slot + at);
    }
  }

  #close(region: number): void {
    // What was written lately is worked with: it comes behind what is read, and before what nobody touches.
    const level = Math.max(heatLevelOf(this.#reads / this.#heat.unit), this.#writes > 0 ? 1 : 0);
    if (level > 0) this.#regions[level]?.push(this.#region);
    this.#region = region;
    this.#reads = 0;
    this.#writes = 0;
  }
}

/** The hottest regions of those given by level, each level's in ascending order. */
export function encodeHeat(regionsByLevel: readonly (readonly number[])[]): Uint8Array {
  const bytes: number[] = [FORMAT];
  let left = REGIONS_MAX;
  for (let level = HOT_LEVELS - 1; level > 0; level--) {
    const regions = (regionsByLevel[level] ?? []).slice(0, left);
    left -= regions.length;
    putVarint(bytes, regions.length);
    let before = -1;
    for (const region of regions) {
      putVarint(bytes, region - before - 1);
      before = region;
    }
  }
  return Uint8Array.from(bytes);
}

/** The regions of an image of so many blocks, the hottest first; undefined when the bytes are no such summary. */
export function decodeHeat(blocks: number, bytes: Uint8Array): Uint32Array | undefined {
  const regions: number[] = [];
  const reader = new VarintReader(bytes, 1);
  if (bytes[0] !== FORMAT) return undefined;
  for (let level = HOT_LEVELS - 1; level > 0; level--) {
    const count = reader.next();
    if (count === undefined || regions.length + count > REGIONS_MAX) return undefined;
    let region = -1;
    for (let at = 0; at < count; at++) {
      const gap = reader.next();
      if (gap === undefined) return undefined;
      region += gap + 1;
      if (region * REGION_BLOCKS >= blocks) return undefined;
      regions.push(region);
    }
  }
  return reader.isAtEnd ? Uint32Array.from(regions) : undefined;
}

/** Numbers of seven bits a byte, the lowest first, as in Protocol Buffers' encoding. */
class VarintReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): number | undefined {
    let value = 0;
    for (let place = 0; place < VARINT_BYTES_MAX; place++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    return undefined;
  }
}

function putVarint(bytes: number[], value: number): void {
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
}
