// What a client asked a disk and what it was answered, one event after the other, so that the history up to any moment can
// be made again. Not a test itself.
import { type Covered, DiskHistory } from '../sim/block-history.ts';

/** Offsets and lengths in bytes, whole sectors. */
export type DiskEvent =
  | { readonly kind: 'asked'; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: 'answered'; readonly offset: number; readonly length: number; readonly fua: boolean }
  | { readonly kind: 'flush asked' | 'flush answered'; readonly flush: number };

/** A history that is told by events. */
export class ToldHistory {
  readonly disk: DiskHistory;
  readonly #covered = new Map<number, Covered>();

  constructor(bytes: number) {
    this.disk = new DiskHistory(bytes);
  }

  tell(event: DiskEvent): void {
    switch (event.kind) {
      case 'asked':
        this.disk.asked(event.offset, event.data);
        break;
      case 'answered':
        this.disk.answered(event.offset, event.length, event.fua);
        break;
      case 'flush asked':
        this.#covered.set(event.flush, this.disk.cover());
        break;
      case 'flush answered':
        this.disk.flushed(this.#covered.get(event.flush) ?? []);
        this.#covered.delete(event.flush);
        break;
    }
  }
}
