// Where an image has data and where it has holes (lseek(2) with SEEK_DATA and SEEK_HOLE), as its server's status says. A
// server that says nothing of it has data everywhere. A state machine: it reads no byte of the image.
import { COMMAND, TRANSMISSION } from '../nbd/nbd-protocol.ts';
import type { ExportFacts } from '../nbd-client/nbd-client-handshake.ts';
import type { NbdLink } from '../nbd-client/nbd-link.ts';
import { extentsOf } from '../nbd-client/status-replies.ts';
import { emptyAnswer, seekAnswer, type Unique } from './fuse-answer.ts';
import { FUSE_ERROR, SEEK } from './fuse-protocol.ts';
import type { ImageFile } from './image-directory.ts';
import { errorOf } from './image-requests.ts';

/** A length of a request has 32 bits; a whole number of anybody's blocks. */
const STATUS_BYTES_MAX = 2 ** 30;

/** What is looked for. */
export interface Seek {
  /** Of SEEK. */
  readonly whence: number;
  readonly offset: number;
}

/** The status comes on a connection of its own: only where all of them see one state it is that of what was written. */
const canTell = ({ flags, hasStatus }: ExportFacts): boolean =>
  hasStatus && (flags & TRANSMISSION.CAN_MULTI_CONN) !== 0;

/** Each is answered with a whole message: in the call's result, or later. */
export class ImageSeeks {
  readonly #answer: (bytes: Buffer) => void;

  constructor(answer: (bytes: Buffer) => void) {
    this.#answer = answer;
  }

  /** `status`: the link on which the server tells it. */
  seek(to: Unique, file: ImageFile, status: NbdLink, { whence, offset }: Seek): Buffer | undefined {
    if (whence !== SEEK.DATA && whence !== SEEK.HOLE) return emptyAnswer(to, FUSE_ERROR.EINVAL);
    const bytes = file.link.facts?.bytes ?? 0;
    if (offset >= bytes) return emptyAnswer(to, FUSE_ERROR.ENXIO);
    status.reach((facts) => {
      if (facts === undefined) this.#answer(emptyAnswer(to, FUSE_ERROR.EIO));
      else if (canTell(facts)) this.#look(to, file, status, { whence, offset });
      else this.#answer(seekAnswer(to, whence === SEEK.DATA ? offset : bytes));
    });
    return undefined;
  }

  /** The end counts as a hole. */
  #look(to: Unique, file: ImageFile, status: NbdLink, { whence, offset }: Seek): void {
    const end = file.link.facts?.bytes ?? 0;
    if (offset >= end) {
      this.#answer(whence === SEEK.HOLE ? seekAnswer(to, end) : emptyAnswer(to, FUSE_ERROR.ENXIO));
      return;
    }
    const answered = (error: number, reply: Buffer): void => {
      if (error !== 0) this.#answer(emptyAnswer(to, errorOf(error, file)));
      else this.#take(to, file, status, { whence, offset }, reply);
    };
    const length = Math.min(end - offset, STATUS_BYTES_MAX);
    status.submit({ type: COMMAND.BLOCK_STATUS, flags: 0, offset, length, answered });
  }

  #take(to: Unique, file: ImageFile, status: NbdLink, { whence, offset }: Seek, reply: Buffer): void {
    let at = offset;
    for (const { bytes, isZero } of extentsOf(reply)) {
      if (isZero === (whence === SEEK.HOLE)) {
        this.#answer(seekAnswer(to, at));
        return;
      }
      at += bytes;
    }
    // Who says nothing of it would be asked for ever.
    if (at === offset) this.#answer(emptyAnswer(to, FUSE_ERROR.EIO));
    else this.#look(to, file, status, { whence, offset: at });
  }
}
