// Our own server's session on a device in memory, behind a link's dial: bytes go over when the test says so. Not a test
// itself.

import {
  OPTION,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY,
  optionReply,
} from '../../../blockd/nbd/nbd-protocol.ts';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import type { Connection, ConnectionEvents, Dial } from '../../../blockd/nbd-client/nbd-link.ts';
import { FakeDevice, SIZE } from './nbd-client.ts';

const UNSUPPORTED = optionReply(OPTION.STRUCTURED_REPLY, OPTION_REPLY.ERR_UNSUP);
/** Larger than any run of a test. */
const ROUNDS_MAX = 1_000;
/** What a device promised settles in them. */
const IDLE_ROUNDS = 3;

/** A server that can go away and come back. */
export class PairServer {
  readonly device = new FakeDevice();
  isThere = true;
  isReadOnly = false;
  /** It knows no structured replies, as older servers. */
  isPlain = false;
  /** It stands still: it takes nothing and says nothing. */
  isSilent = false;
  bytes = SIZE;
  dials = 0;
  /** At most so many bytes are given to the client at once. */
  cutBytes = Number.POSITIVE_INFINITY;
  readonly #pairs = new Set<Pair>();

  readonly dial: Dial = (events) => {
    this.dials++;
    if (!this.isThere) return undefined;
    const pair = new Pair(this, events, () => void this.#pairs.delete(pair));
    this.#pairs.add(pair);
    return pair;
  };

  /** Lets both sides have what was sent, until nothing more comes. */
  async pump(): Promise<void> {
    let idle = 0;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const moved = this.isSilent ? [] : [...this.#pairs].map((pair) => pair.move(this.cutBytes));
      idle = moved.includes(true) ? 0 : idle + 1;
      if (idle === IDLE_ROUNDS) return;
      await new Promise(setImmediate);
    }
    throw new Error('it never came to rest');
  }

  /** The connection breaks; nobody serves until `isThere`. */
  die(): void {
    this.isThere = false;
    for (const pair of this.#pairs) pair.break();
  }
}

class Pair implements Connection {
  readonly #events: ConnectionEvents;
  readonly #gone: () => void;
  readonly #session: NbdSession;
  #toClient = Buffer.alloc(0);
  #unread = Buffer.alloc(0);
  #toServer: Buffer[] = [];
  #isOpen = true;
  readonly #isPlain: boolean;

  constructor(server: PairServer, events: ConnectionEvents, gone: () => void) {
    this.#events = events;
    this.#gone = gone;
    const { bytes, isReadOnly, isPlain } = server;
    this.#isPlain = isPlain;
    this.#session = new NbdSession(
      server.device,
      { name: 'web', bytes, isReadOnly },
      {
        send: (sent, done) => {
          this.#toClient = Buffer.concat([this.#toClient, sent]);
          done();
        },
        end: () => this.break(),
        drop: () => this.break(),
        resume: () => undefined,
      },
    );
  }

  send(bytes: Buffer): void {
    const sent = Buffer.from(bytes);
    const isOption = sent.length >= OPTION_HEADER_BYTES && sent.readBigUInt64BE(0) === OPTION_MAGIC;
    if (this.#isPlain && isOption && sent.readUInt32BE(8) === OPTION.STRUCTURED_REPLY) {
      this.#toClient = Buffer.concat([this.#toClient, UNSUPPORTED]);
      return;
    }
    this.#toServer.push(sent);
  }

  close(): void {
    this.#isOpen = false;
    this.#session.close();
    this.#gone();
  }

  break(): void {
    if (!this.#isOpen) return;
    this.close();
    this.#events.lost();
  }

  move(cutBytes: number): boolean {
    const before = this.#toServer.length + this.#toClient.length;
    for (const bytes of this.#toServer.splice(0)) this.#session.receive(bytes);
    const cut = Math.min(cutBytes, this.#toClient.length);
    const given = Buffer.concat([this.#unread, this.#toClient.subarray(0, cut)]);
    this.#toClient = this.#toClient.subarray(cut);
    if (!this.#isOpen || given.length === 0) return before > 0;
    this.#unread = given.subarray(this.#events.receive(given));
    return before > 0;
  }
}
