// The kernel's side of FUSE in bytes, for tests of sessions: messages as linux/fuse.h lays them out, and a reader of the
// answers. Not a test itself.
import * as assert from 'uvu/assert';
import { FuseSession } from '../../../blockd/fuse/fuse-session.ts';
import { ImageDirectory } from '../../../blockd/fuse/image-directory.ts';
import { NbdLink } from '../../../blockd/nbd-client/nbd-link.ts';
import { PairServer } from './nbd-pair.ts';

export const OWNER = { uid: 7, gid: 8 };
export const STARTED_SECONDS = 1_000;
const WAIT_MS = 1_000;

/** An answer: a positive error number or 0, and what follows the header. */
export interface KernelAnswer {
  readonly error: number;
  readonly body: Buffer;
}

type Field = number | bigint | string | Buffer;

/** A message of fields: a number is 32 bits, a bigint 64, a string ends with a zero. */
export function fields(...values: readonly Field[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      if (typeof value === 'string') return Buffer.from(`${value}\0`);
      if (typeof value !== 'number' && typeof value !== 'bigint') return value;
      const bytes = Buffer.alloc(typeof value === 'number' ? 4 : 8);
      if (typeof value === 'number') bytes.writeUInt32LE(value);
      else bytes.writeBigUInt64LE(value);
      return bytes;
    }),
  );
}

/** A kernel with one mount, whose images are served by sessions of our own. */
export class FakeKernel {
  readonly servers = new Map<string, PairServer>();
  readonly links = new Map<string, NbdLink>();
  /** Messages that the session keeps. */
  kept = 0;
  /** Messages that it gave away. */
  abandoned = 0;
  readonly session: FuseSession;
  nowMs = 0;
  nowSeconds = STARTED_SECONDS;
  readonly #answers = new Map<bigint, KernelAnswer>();
  /** Beyond 32 bits, as after a long time. */
  #unique = 2n ** 32n - 3n;

  constructor(...images: readonly string[]) {
    for (const image of images) this.servers.set(image, new PairServer());
    const source = {
      list: () => [...this.servers.keys()].sort(),
      has: (name: string) => this.servers.has(name),
      link: (name: string) => this.#link(name),
      statusLink: (name: string) => this.#link(name, true),
    };
    this.session = new FuseSession(new ImageDirectory(source, STARTED_SECONDS), OWNER, {
      answer: (bytes) => this.#take(Buffer.from(bytes)),
      release: () => void this.kept--,
      abandon: () => {
        this.kept--;
        this.abandoned++;
      },
      nowSeconds: () => this.nowSeconds,
    });
  }

  /** The server of an image, which must be there. */
  server(name: string): PairServer {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`no server of ${name}`);
    return server;
  }

  /** Sends a request and answers its number. */
  send(opcode: number, node: number, body: Buffer = Buffer.alloc(0)): bigint {
    const unique = ++this.#unique;
    const header = fields(40 + body.length, opcode, unique, BigInt(node), 0, 0, 1, 0);
    if (this.session.handle(Buffer.concat([header, body]))) this.kept++;
    return unique;
  }

  /** Undefined while there is none. */
  answerTo(unique: bigint): KernelAnswer | undefined {
    return this.#answers.get(unique);
  }

  /** Sends a request and waits for its answer. */
  async ask(opcode: number, node: number, ...values: readonly Field[]): Promise<KernelAnswer> {
    const unique = this.send(opcode, node, fields(...values));
    await this.pump();
    const answer = this.answerTo(unique);
    if (answer === undefined) throw new Error(`request ${opcode} was not answered`);
    return answer;
  }

  async pump(): Promise<void> {
    for (const server of this.servers.values()) await server.pump();
  }

  async later(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const link of this.links.values()) link.tick();
    await this.pump();
  }

  /** Looks an image up and answers its node. */
  async lookup(name: string): Promise<number> {
    const { error, body } = await this.ask(1, 1, name);
    assert.is(error, 0);
    return Number(body.readBigUInt64LE(0));
  }

  /** Opens a node and answers its handle. */
  async open(node: number, flags = 2): Promise<bigint> {
    const { error, body } = await this.ask(14, node, flags, 0);
    assert.is(error, 0);
    return body.readBigUInt64LE(0);
  }

  #link(name: string, withStatus = false): NbdLink {
    const quiet = (): void => undefined;
    const link = new NbdLink('web', this.server(name).dial, WAIT_MS, () => this.nowMs, quiet, withStatus);
    this.links.set(withStatus ? `${name}'s status` : name, link);
    return link;
  }

  #take(bytes: Buffer): void {
    assert.is(bytes.readUInt32LE(0), bytes.length);
    const unique = bytes.readBigUInt64LE(8);
    assert.not(this.#answers.has(unique));
    this.#answers.set(unique, { error: 0 - bytes.readInt32LE(4), body: bytes.subarray(16) });
  }
}
