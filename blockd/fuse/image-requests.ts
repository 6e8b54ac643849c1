// What the kernel asks of an image's bytes, as NBD requests and back: ranges are cut at the image's end, errors become
// the system's, an fsync tells of writes that may be lost. A state machine; data are never copied.
import { COMMAND, COMMAND_FLAG, NBD_ERROR, REQUEST_BYTES, TRANSMISSION } from '../nbd/nbd-protocol.ts';
import { emptyAnswer, type Unique, writeHeader, writtenAnswer } from './fuse-answer.ts';
import { FALLOCATE, FUSE_ERROR } from './fuse-protocol.ts';
import type { ImageFile } from './image-directory.ts';

/** A length of a request has 32 bits; a whole number of anybody's blocks. */
const ZEROES_BYTES_MAX = 2 ** 30;

/** An open file. */
export interface OpenImage {
  readonly file: ImageFile;
  /** Losses of its link that it knows of. */
  seenLosses: number;
}

/** A write as it came: the data begin at `dataAt` of a message that is kept until `written`. */
export interface ImageWrite {
  readonly offset: number;
  readonly length: number;
  readonly message: Buffer;
  readonly dataAt: number;
  /** O_DSYNC: durable before it is answered. */
  readonly isDurable: boolean;
}

/** The message of a write is free again; `isGivenUp`: nobody knows when it will be. */
type Written = (isGivenUp: boolean) => void;

/** The system's number for the server's error ("Error values"), 0 for none. */
export function errorOf(error: number, { link }: ImageFile): number {
  switch (error) {
    case NBD_ERROR.EPERM:
      return link.isReadOnly ? FUSE_ERROR.EROFS : FUSE_ERROR.EPERM;
    case NBD_ERROR.ENOTSUP:
      return FUSE_ERROR.EOPNOTSUPP;
    case 0:
    case FUSE_ERROR.ENOMEM:
    case FUSE_ERROR.EOVERFLOW:
    case NBD_ERROR.EINVAL:
    case NBD_ERROR.ENOSPC:
    case NBD_ERROR.ESHUTDOWN:
      return error;
    default:
      return FUSE_ERROR.EIO;
  }
}

const bytesOf = ({ link }: ImageFile): number => link.facts?.bytes ?? 0;
const can = ({ link }: ImageFile, flag: number): boolean => ((link.facts?.flags ?? 0) & flag) !== 0;

/** Each request is answered with a whole message: in the call's result, or later. */
export class ImageRequests {
  readonly #answer: (bytes: Buffer) => void;
  readonly #nowSeconds: () => number;

  constructor(answer: (bytes: Buffer) => void, nowSeconds: () => number) {
    this.#answer = answer;
    this.#nowSeconds = nowSeconds;
  }

  read(to: Unique, file: ImageFile, offset: number, wanted: number): Buffer | undefined {
    const length = Math.min(wanted, bytesOf(file) - offset);
    if (length <= 0) return emptyAnswer(to);
    file.link.submit({
      type: COMMAND.READ,
      flags: 0,
      offset,
      length,
      // The room of the server's header is that of ours.
      answered: (error, reply) =>
        this.#answer(error === 0 ? writeHeader(reply, to) : emptyAnswer(to, errorOf(error, file))),
    });
    return undefined;
  }

  /** As on a full disk: what lies behind the end is not written, and where nothing is left it is ENOSPC. */
  write(to: Unique, file: ImageFile, write: ImageWrite, written: Written): Buffer | undefined {
    const { offset, message, dataAt, isDurable } = write;
    const length = Math.min(write.length, bytesOf(file) - offset);
    if (write.length === 0) return writtenAnswer(to, 0);
    if (length <= 0) return emptyAnswer(to, FUSE_ERROR.ENOSPC);
    const hasFua = can(file, TRANSMISSION.SEND_FUA);
    const answer = (error: number): void =>
      this.#answer(error === 0 ? writtenAnswer(to, length) : emptyAnswer(to, error));
    file.link.submit({
      type: COMMAND.WRITE,
      flags: isDurable && hasFua ? COMMAND_FLAG.FUA : 0,
      offset,
      length,
      payload: message.subarray(dataAt - REQUEST_BYTES, dataAt + length),
      answered: (error, _reply, isGivenUp = false) => {
        written(isGivenUp);
        file.changedSeconds = this.#nowSeconds();
        if (error === 0 && isDurable && !hasFua) this.#flush(file, answer);
        else answer(errorOf(error, file));
      },
    });
    return undefined;
  }

  /** Everything that was answered is durable, or this says that it may not be: once to each who has the file open. */
  sync(to: Unique, open: OpenImage): undefined {
    const { file } = open;
    this.#flush(file, (error) => {
      const isLost = open.seenLosses < file.link.losses;
      if (error === 0 && isLost) {
        open.seenLosses = file.link.losses;
        file.toldLosses = file.link.losses;
      }
      this.#answer(emptyAnswer(to, error === 0 && isLost ? FUSE_ERROR.EIO : error));
    });
  }

  #flush(file: ImageFile, done: (error: number) => void): void {
    const answered = (error: number): void => done(errorOf(error, file));
    if (!can(file, TRANSMISSION.SEND_FLUSH)) done(0);
    else file.link.submit({ type: COMMAND.FLUSH, flags: 0, offset: 0, length: 0, answered });
  }

  /** fallocate(2): holes and zeros. Room ahead of a write cannot be promised over NBD. */
  allocate(to: Unique, file: ImageFile, mode: number, offset: number, length: number): Buffer | undefined {
    const isPunch = mode === (FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE);
    const isZero = (mode & ~FALLOCATE.KEEP_SIZE) === FALLOCATE.ZERO_RANGE;
    const isPossible = (isPunch || isZero) && can(file, TRANSMISSION.SEND_WRITE_ZEROES);
    if (!isPossible) return emptyAnswer(to, FUSE_ERROR.EOPNOTSUPP);
    const end = Math.min(offset + length, bytesOf(file));
    if (mode === FALLOCATE.ZERO_RANGE && offset + length > end) return emptyAnswer(to, FUSE_ERROR.EFBIG);
    file.changedSeconds = this.#nowSeconds();
    this.#zero(to, file, offset, end, isZero ? COMMAND_FLAG.NO_HOLE : 0);
    return undefined;
  }

  /** Not NBD_CMD_TRIM: what was trimmed need not read as zeros, and a hole must. */
  #zero(to: Unique, file: ImageFile, offset: number, end: number, flags: number): void {
    const length = Math.min(end - offset, ZEROES_BYTES_MAX);
    const next = (error: number): void => {
      if (error !== 0) this.#answer(emptyAnswer(to, errorOf(error, file)));
      else this.#zero(to, file, offset + length, end, flags);
    };
    if (length <= 0) this.#answer(emptyAnswer(to));
    else file.link.submit({ type: COMMAND.WRITE_ZEROES, flags, offset, length, answered: next });
  }
}
