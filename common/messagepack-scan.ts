// A walk over MessagePack bytes before anything is built from them: lengths that lie, nesting without end and
// extension types are found while they are still only bytes. Builds no value. (MessagePack specification, "Formats".)

/** Deeper than any contract's shapes (6 at most), far below what would exhaust the stack of the decoder. */
const DEPTH_MAX = 32;

/** Extension and never-used formats: c1, c7-c9 (ext), d4-d8 (fixext). */
const REFUSED = new Set([0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]);

/** Bytes that follow a format's first byte, where that is all there is to it: nil, booleans, floats, integers. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc0, 0],
  [0xc2, 0],
  [0xc3, 0],
  [0xca, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
]);

/** Formats with a length in front: how many bytes it has, and how many items or bytes each count of it stands for. */
const COUNTED: ReadonlyMap<number, { readonly lengthBytes: number; readonly kind: 'bytes' | 'array' | 'map' }> =
  new Map([
    [0xc4, { lengthBytes: 1, kind: 'bytes' }],
    [0xc5, { lengthBytes: 2, kind: 'bytes' }],
    [0xc6, { lengthBytes: 4, kind: 'bytes' }],
    [0xd9, { lengthBytes: 1, kind: 'bytes' }],
    [0xda, { lengthBytes: 2, kind: 'bytes' }],
    [0xdb, { lengthBytes: 4, kind: 'bytes' }],
    [0xdc, { lengthBytes: 2, kind: 'array' }],
    [0xdd, { lengthBytes: 4, kind: 'array' }],
    [0xde, { lengthBytes: 2, kind: 'map' }],
    [0xdf, { lengthBytes: 4, kind: 'map' }],
  ]);

/** Why the bytes are not exactly one plain value, or undefined if they are. */
export function messagePackFault(bytes: Uint8Array): string | undefined {
  const scan = new Scan(bytes);
  const fault = scan.value();
  if (fault !== undefined) return fault;
  return scan.offset === bytes.length ? undefined : `${bytes.length - scan.offset} bytes follow the value`;
}

interface Container {
  readonly kind: 'array' | 'map';
  /** Items that are still to come; a map's keys and values count one each. */
  left: number;
}

class Scan {
  offset = 0;
  readonly #bytes: Uint8Array;
  readonly #open: Container[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Walks one value with all that it contains. */
  value(): string | undefined {
    do {
      const fault = this.#keyFault() ?? this.#item();
      if (fault !== undefined) return fault;
    } while (this.#next());
    return undefined;
  }

  /** Goes to the next item of the innermost container that has one. */
  #next(): boolean {
    for (let inner = this.#open.at(-1); inner !== undefined; inner = this.#open.at(-1)) {
      if (inner.left > 0) {
        inner.left -= 1;
        return true;
      }
      this.#open.pop();
    }
    return false;
  }

  /** A map's keys are texts: an object has no others. */
  #keyFault(): string | undefined {
    const inner = this.#open.at(-1);
    const isKey = inner?.kind === 'map' && inner.left % 2 === 1;
    const format = this.#bytes[this.offset];
    if (!isKey || format === undefined || isText(format)) return undefined;
    return `the key at byte ${this.offset} is not a text`;
  }

  #item(): string | undefined {
    const format = this.#bytes[this.offset];
    if (format === undefined) return this.#truncated();
    this.offset += 1;
    if (format <= 0x7f || format >= 0xe0) return undefined;
    if (format <= 0x8f) return this.#container('map', (format & 0x0f) * 2);
    if (format <= 0x9f) return this.#container('array', format & 0x0f);
    if (format <= 0xbf) return this.#skip(format & 0x1f);
    return this.#sized(format);
  }

  #sized(format: number): string | undefined {
    if (REFUSED.has(format)) return `format 0x${format.toString(16)} at byte ${this.offset - 1} is not plain data`;
    const fixedBytes = FIXED_BYTES.get(format);
    if (fixedBytes !== undefined) return this.#skip(fixedBytes);
    const counted = COUNTED.get(format);
    return counted === undefined ? this.#truncated() : this.#counted(counted.lengthBytes, counted.kind);
  }

  #counted(lengthBytes: number, kind: 'bytes' | 'array' | 'map'): string | undefined {
    const at = this.offset;
    const fault = this.#skip(lengthBytes);
    if (fault !== undefined) return fault;
    let length = 0;
    for (const byte of this.#bytes.subarray(at, this.offset)) length = length * 256 + byte;
    if (kind === 'bytes') return this.#skip(length);
    return this.#container(kind, kind === 'map' ? length * 2 : length);
  }

  #container(kind: 'array' | 'map', items: number): string | undefined {
    // Each item takes at least one byte: a count beyond what is left is a lie, found before anything is made for it.
    if (items > this.#bytes.length - this.offset) return this.#truncated();
    if (this.#open.length >= DEPTH_MAX) return `nesting deeper than ${DEPTH_MAX} at byte ${this.offset - 1}`;
    this.#open.push({ kind, left: items });
    return undefined;
  }

  #skip(count: number): string | undefined {
    if (count > this.#bytes.length - this.offset) return this.#truncated();
    this.offset += count;
    return undefined;
  }

  #truncated(): string {
    return `the value does not end within ${this.#bytes.length} bytes`;
  }
}

/** fixstr, str 8, str 16, str 32. */
function isText(format: number): boolean {
  return (format >= 0xa0 && format <= 0xbf) || (format >= 0xd9 && format <= 0xdb);
}
