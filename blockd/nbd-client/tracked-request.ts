// A request on its way over a link: since when it waits, what it changes, and what it fails as. It may be sent more than
// once.
import { COMMAND, COMMAND_FLAG, NBD_ERROR } from '../nbd/nbd-protocol.ts';
import type { ClientRequest } from './nbd-client-session.ts';

/** What a tracked request tells its link, and asks of it. */
export interface RequestKeeper {
  /** Changes that were answered so far and not made durable with their answer. */
  readonly answeredChanges: number;
  settle(tracked: TrackedRequest, error: number, reply: Buffer): void;
}

export class TrackedRequest implements ClientRequest {
  readonly request: ClientRequest;
  /** When it was made. */
  readonly sinceMs: number;
  /** What it is answered with when it waited too long. */
  lateError: number = NBD_ERROR.EIO;
  /** Of a flush: the changes that were answered before it was sent. */
  coveredChanges = 0;
  readonly #keeper: RequestKeeper;

  constructor(request: ClientRequest, sinceMs: number, keeper: RequestKeeper) {
    this.request = request;
    this.sinceMs = sinceMs;
    this.#keeper = keeper;
  }

  /** It is sent now. */
  begun(): this {
    this.coveredChanges = this.#keeper.answeredChanges;
    return this;
  }

  get type(): number {
    return this.request.type;
  }

  get flags(): number {
    return this.request.flags;
  }

  get offset(): number {
    return this.request.offset;
  }

  get length(): number {
    return this.request.length;
  }

  get payload(): Buffer | undefined {
    return this.request.payload;
  }

  get isChange(): boolean {
    return this.type === COMMAND.WRITE || this.type === COMMAND.WRITE_ZEROES || this.type === COMMAND.TRIM;
  }

  /** It changes the image, and a crash may take the change back. */
  get isVolatileChange(): boolean {
    return this.isChange && (this.flags & COMMAND_FLAG.FUA) === 0;
  }

  answered(error: number, reply: Buffer): void {
    this.#keeper.settle(this, error, reply);
  }
}
