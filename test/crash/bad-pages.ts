// Pages of data files that a platter cannot read any more, until they are written again. Not a test itself.

const PAGE_BYTES = 4096;

/** The bad pages of a disk's data files. */
export class BadPages {
  readonly #pages = new Set<number>();

  add(page: number): void {
    this.#pages.add(page);
  }

  get count(): number {
    return this.#pages.size;
  }

  wrote(offset: number, bytes: number): void {
    if (this.#pages.size === 0) return;
    for (const page of pagesOf(offset, bytes)) this.#pages.delete(page);
  }

  /** @throws Error EIO */
  read(path: string, offset: number, bytes: number): void {
    if (
      this.#pages.size === 0 ||
      !path.endsWith('.data') ||
      !pagesOf(offset, bytes).some((page) => this.#pages.has(page))
    )
      return;
    throw Object.assign(new Error(`EIO: ${path}`), { code: 'EIO' });
  }
}

function pagesOf(offset: number, bytes: number): number[] {
  const first = Math.floor(offset / PAGE_BYTES);
  return Array.from({ length: Math.ceil((offset + bytes) / PAGE_BYTES) - first }, (_, index) => first + index);
}
