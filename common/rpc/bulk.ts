// Streams beside the calls: block frames, version entries, guest memory. A first line names purpose and subject, the
// other side answers `ok` or why not, and from then on the bytes are the two ends' own business.
import type { TLSSocket } from 'node:tls';
import { realClock } from '../clock.ts';
import { codeOf, messageOf, OperationError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Identity, Peer } from '../membership/identity.ts';
import {
  BULK_PROTOCOL,
  connectTls,
  hangUpReason,
  type PathTarget,
  type Target,
  unreachable,
} from '../membership/tls.ts';
import { BulkIntake } from './bulk-intake.ts';

/**
 * Takes a stream over. Errors of the socket are logged already: the owner learns of the end by 'close'. There is no
 * ping inside: who needs to notice a silent peer sends something himself.
 */
export type BulkHandler = (socket: TLSSocket, peer: Peer, subject: string) => void;
/** By purpose. */
export type BulkHandlers = Readonly<Record<string, BulkHandler>>;

/** A purpose, an image's or migration's name and a few numbers; a longer first line is refused. */
const LINE_BYTES_MAX = 1024;
/** One round trip on the slowest supported link. */
const LINE_TIMEOUT_MS = 10_000;
/** A server cuts off who says nothing for 10 s (its `UPGRADE_TIMEOUT_MS`); a slow link's way is in the difference. */
export const DIALLED_MS_MAX = 7_000;
const NEWLINE = 0x0a;
const ACCEPTED = 'ok';

/**
 * Opens a stream to a daemon for a purpose of its table. Answers once the other side has accepted.
 * @throws OperationError UNREACHABLE, or BULK_REFUSED with the other side's reason
 */
export async function openBulk(
  target: Target | PathTarget,
  identity: Identity,
  purpose: string,
  subject: string,
  signal?: AbortSignal,
): Promise<TLSSocket> {
  // A mistake of ours is told before anything is opened.
  firstLine(purpose, subject);
  return beginBulk(await dialBulk(target, identity, signal), { target, identity, purpose, subject, signal });
}

/** As `openBulk`, for who takes much: what comes is in the intake, and none of it in the socket. @throws as `openBulk` */
export async function openBulkIntake(
  target: Target | PathTarget,
  identity: Identity,
  purpose: string,
  subject: string,
): Promise<{ readonly socket: TLSSocket; readonly intake: BulkIntake }> {
  firstLine(purpose, subject);
  const intake = new BulkIntake();
  const dialled = await dialBulk(target, identity, undefined, intake);
  return { socket: await beginBulk(dialled, { target, identity, purpose, subject, intake }), intake };
}

/**
 * The first half of opening a stream, two round trips of three: a connection without a purpose yet. The other side
 * keeps one for DIALLED_MS_MAX.
 * @throws OperationError UNREACHABLE
 */
export async function dialBulk(
  target: Target | PathTarget,
  identity: Identity,
  signal?: AbortSignal,
  intake?: BulkIntake,
): Promise<TLSSocket> {
  const socket = await connectTls(target, identity, BULK_PROTOCOL, signal, intake?.onread);
  socket.on('error', () => socket.destroy());
  return socket;
}

/** What a dialled connection is to be. */
export interface BulkOpening {
  readonly target: Target | PathTarget;
  readonly identity: Identity;
  readonly purpose: string;
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
  /** With which the connection was dialled. */
  readonly intake?: BulkIntake;
}

/** The second half: says the purpose, and answers once the other side has accepted. @throws as `openBulk` */
export async function beginBulk(socket: TLSSocket, opening: BulkOpening): Promise<TLSSocket> {
  const { target, identity, purpose, subject, signal, intake } = opening;
  const line = firstLine(purpose, subject);
  if (signal?.aborted) {
    socket.destroy();
    throw signal.reason;
  }
  const stop = (): void => void socket.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  socket.write(line);
  try {
    const answer = await readLine(socket, intake === undefined ? bytesOf(socket) : bytesIn(socket, intake));
    if (answer !== ACCEPTED)
      throw new OperationError('BULK_REFUSED', `node ${target.node} refused a stream for ${purpose}: ${answer}`);
    return socket;
  } catch (error) {
    socket.destroy();
    if (signal?.aborted) throw signal.reason;
    if (error instanceof OperationError) throw error;
    const hungUp = codeOf(error) === 'ECONNRESET';
    throw unreachable(target, hungUp ? hangUpReason(identity, realClock.wallMs()) : messageOf(error), error);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Reads an accepted stream's first line and hands it to the purpose's handler. Operators have no streams. */
export async function acceptBulk(socket: TLSSocket, peer: Peer, handlers: BulkHandlers, log: Log): Promise<void> {
  try {
    const line = await readLine(socket, bytesOf(socket));
    const space = line.indexOf(' ');
    const purpose = line.slice(0, Math.max(space, 0));
    const handler = Object.hasOwn(handlers, purpose) ? handlers[purpose] : undefined;
    if (handler === undefined || peer.role === 'operator') return refuse(socket, peer, purpose, log);
    socket.removeAllListeners('timeout').setTimeout(0);
    socket.write(`${ACCEPTED}\n`);
    handler(socket, peer, line.slice(space + 1));
  } catch (error) {
    log.warn({ err: error, peer }, 'a stream failed at its start');
    socket.destroy();
  }
}

function refuse(socket: TLSSocket, peer: Peer, purpose: string, log: Log): void {
  const reason =
    peer.role === 'operator' ? 'operators have no streams' : `there is no purpose ${JSON.stringify(purpose)}`;
  log.warn({ peer, reason }, 'a stream was refused');
  socket.end(`${reason}\n`);
}

function firstLine(purpose: string, subject: string): string {
  const line = `${purpose} ${subject}\n`;
  if (/[ \n]/.test(purpose) || subject.includes('\n') || Buffer.byteLength(line) > LINE_BYTES_MAX) {
    throw new TypeError(`${JSON.stringify(line)} cannot be the first line of a stream`);
  }
  return line;
}

/** Where a first line comes from. */
interface LineSource {
  take(onBytes: (bytes: Buffer) => void): void;
  /** No more is taken; what was taken and not needed goes back. */
  leave(rest: Buffer): void;
}

function bytesOf(socket: TLSSocket): LineSource {
  let onReadable = (): void => undefined;
  return {
    take(onBytes) {
      onReadable = () => onBytes(Buffer.concat([...chunksOf(socket)]));
      socket.on('readable', onReadable);
    },
    leave(rest) {
      socket.off('readable', onReadable);
      if (rest.length > 0) socket.unshift(rest);
    },
  };
}

function bytesIn(socket: TLSSocket, intake: BulkIntake): LineSource {
  return {
    take(onBytes) {
      intake.deliver((chunk) => onBytes(Buffer.from(chunk)));
      // Without this its end would not be told.
      socket.resume();
    },
    leave: (rest) => intake.hold(rest),
  };
}

/** The first line without its newline; the bytes behind it stay where they came from. */
function readLine(socket: TLSSocket, source: LineSource): Promise<string> {
  return new Promise((resolve, reject) => {
    let line: Buffer = Buffer.alloc(0);
    const settle = (rest: Buffer = Buffer.alloc(0)): void => {
      clearTimeout(timer);
      socket.off('close', onClose);
      source.leave(rest);
    };
    const fail = (why: string, code = 'EPROTO'): void => {
      settle();
      reject(Object.assign(new Error(why), { code }));
    };
    const onClose = (): void => fail('the stream ended in its first line', 'ECONNRESET');
    const onBytes = (bytes: Buffer): void => {
      line = Buffer.concat([line, bytes]);
      const end = line.indexOf(NEWLINE);
      if (end >= LINE_BYTES_MAX || (end < 0 && line.length >= LINE_BYTES_MAX)) {
        fail(`the first line is longer than ${LINE_BYTES_MAX} bytes`);
      } else if (end >= 0) {
        settle(line.subarray(end + 1));
        resolve(line.toString('utf8', 0, end));
      }
    };
    const timer = setTimeout(() => fail(`no first line within ${LINE_TIMEOUT_MS} ms`), LINE_TIMEOUT_MS);
    socket.on('close', onClose);
    source.take(onBytes);
  });
}

function* chunksOf(socket: TLSSocket): Generator<Buffer> {
  for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) yield chunk;
}
