// A link to our own server's session, with a time that only the test moves. Not a test itself.
import { COMMAND, REQUEST_BYTES } from '../../../blockd/nbd/nbd-protocol.ts';
import { NbdLink } from '../../../blockd/nbd-client/nbd-link.ts';
import { PairServer } from './nbd-pair.ts';

/** How long its requests wait. */
export const WAIT_MS = 1_000;

interface LinkAnswer {
  readonly error: number;
  readonly data: string;
}

/** A link, its server, and a time that only the test moves. */
export class LinkStand {
  readonly server = new PairServer();
  readonly link: NbdLink;
  readonly answers: LinkAnswer[] = [];
  nowMs = 0;

  constructor(name = 'web') {
    this.link = new NbdLink(name, this.server.dial, WAIT_MS, () => this.nowMs);
  }

  /** Requests whose payloads the link keeps. */
  kept = 0;

  ask(type: number, offset = 0, length = 0, flags = 0, fill = 0): void {
    const payload = type === COMMAND.WRITE ? Buffer.alloc(REQUEST_BYTES + length, fill) : undefined;
    const answered = (error: number, reply: Buffer, isGivenUp = false): void => {
      this.answers.push({ error, data: reply.toString('hex', 16) });
      if (isGivenUp) this.kept++;
    };
    this.link.submit({ type, flags, offset, length, payload, answered });
  }

  async later(ms: number): Promise<void> {
    this.nowMs += ms;
    if (this.link.timerMs !== undefined && this.link.timerMs <= this.nowMs) this.link.tick();
    await this.server.pump();
  }

  get errors(): number[] {
    return this.answers.map(({ error }) => error);
  }
}
