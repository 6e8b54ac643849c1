// How much of an image is no hole, which is what stat(2) counts as its blocks (du, ls -s): added up from what its server
// says of it, on the link that seeks use. Looked at anew when it is asked for and a second old; whoever asks hears the
// last sum, and only the very first one waits. A state machine: it reads no byte of the image.
import { COMMAND, TRANSMISSION } from '../nbd/nbd-protocol.ts';
import type { NbdLink } from '../nbd-client/nbd-link.ts';
import { extentsOf } from '../nbd-client/status-replies.ts';
import type { ImageFile } from './image-directory.ts';

/** A length of a request has 32 bits; a whole number of anybody's blocks. */
const STATUS_BYTES_MAX = 2 ** 30;
/** A terabyte of whole gibibytes. Of an image in more pieces the rest counts as data: nobody asks on for ever. */
const QUESTIONS_MAX = 1_024;
const FRESH_SECONDS = 1;

interface Sum {
  usedBytes: number | undefined;
  atSeconds: number;
  isRunning: boolean;
  readonly waiting: (() => void)[];
}

/** The sums of one mount's images. */
export class ImageSpace {
  readonly #nowSeconds: () => number;
  readonly #sums = new Map<number, Sum>();

  constructor(nowSeconds: () => number) {
    this.#nowSeconds = nowSeconds;
  }

  /** As it was looked at last; the whole size before that. */
  usedBytes({ node, link }: ImageFile): number {
    const bytes = link.facts?.bytes ?? 0;
    return Math.min(bytes, this.#sums.get(node)?.usedBytes ?? bytes);
  }

  /** Whether it was looked at once. */
  knows({ node }: ImageFile): boolean {
    return this.#sums.get(node)?.usedBytes !== undefined;
  }

  /** Looks, unless it is being done or was a moment ago; calls back when that is over. */
  look(file: ImageFile, status: () => NbdLink, seen?: () => void): void {
    const sum = this.#sumOf(file.node);
    if (seen !== undefined) sum.waiting.push(seen);
    const isFresh = this.knows(file) && this.#nowSeconds() - sum.atSeconds < FRESH_SECONDS;
    if (sum.isRunning || isFresh) return;
    sum.isRunning = true;
    const link = status();
    link.reach((facts) => {
      const canTell = facts?.hasStatus === true && (facts.flags & TRANSMISSION.CAN_MULTI_CONN) !== 0;
      if (canTell) this.#ask(file, link, { offset: 0, used: 0, questions: 0 });
      else this.#end(file, file.link.facts?.bytes ?? 0);
    });
  }

  #ask(file: ImageFile, link: NbdLink, so: { offset: number; used: number; questions: number }): void {
    const bytes = file.link.facts?.bytes ?? 0;
    const { offset, used, questions } = so;
    const left = Math.max(0, bytes - offset);
    if (left === 0 || questions === QUESTIONS_MAX) {
      this.#end(file, used + left);
      return;
    }
    const answered = (error: number, reply: Buffer): void => {
      const extents = error === 0 ? extentsOf(reply) : [];
      const told = extents.reduce((sum, extent) => sum + extent.bytes, 0);
      const data = extents.reduce((sum, extent) => sum + (extent.isZero ? 0 : extent.bytes), 0);
      // Who says nothing of it would be asked for ever.
      if (told === 0) this.#end(file, used + left);
      else this.#ask(file, link, { offset: offset + told, used: used + data, questions: questions + 1 });
    };
    const length = Math.min(left, STATUS_BYTES_MAX);
    link.submit({ type: COMMAND.BLOCK_STATUS, flags: 0, offset, length, answered });
  }

  #end({ node }: ImageFile, usedBytes: number): void {
    const sum = this.#sumOf(node);
    sum.usedBytes = usedBytes;
    sum.atSeconds = this.#nowSeconds();
    sum.isRunning = false;
    for (const seen of sum.waiting.splice(0)) seen();
  }

  #sumOf(node: number): Sum {
    const known = this.#sums.get(node) ?? { usedBytes: undefined, atSeconds: 0, isRunning: false, waiting: [] };
    this.#sums.set(node, known);
    return known;
  }
}
