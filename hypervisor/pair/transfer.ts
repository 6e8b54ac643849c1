// How fast bytes come from another node: one stream, bounded in bytes and in time at both ends, whose receiver measures.
// Never two at once from one node, so that nobody loads a link by asking often.
import type { TLSSocket } from 'node:tls';
import { type Clock, type Timer, within } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Identity } from '../../common/membership/identity.ts';
import type { Target } from '../../common/membership/tls.ts';
import { openBulk } from '../../common/rpc/bulk.ts';
import type { RateFigures } from '../../wire/contracts/doctor.ts';

export const TRANSFER_BYTES_MAX = 8 * 1024 * 1024;
/** From the first byte on. */
const TRANSFER_MS_MAX = 2_000;
/** The connection and the first byte on a slow link, and the transfer. */
const WHOLE_MS_MAX = 8_000;
const CHUNK_BYTES = 64 * 1024;
/** The purpose of its streams. */
export const RATE_PURPOSE = 'rate';

/** So many bytes had come at that time. */
export interface Arrived {
  readonly atMs: number;
  readonly bytes: number;
}

/** Over the later half of the bytes: before, TCP was still finding its speed (RFC 5681, 3.1). Pure. */
export function steadyRate(arrived: readonly Arrived[]): RateFigures {
  const [first, last] = [arrived[0], arrived.at(-1)];
  if (first === undefined || last === undefined) return { bytes: 0, ms: 0, bytesPerSecond: 0 };
  const half = arrived.find(({ bytes }) => bytes >= last.bytes / 2) ?? first;
  const from = half === last ? first : half;
  const ms = last.atMs - from.atMs;
  const bytesPerSecond = ms > 0 ? ((last.bytes - from.bytes) * 1_000) / ms : 0;
  return { bytes: last.bytes, ms: last.atMs - first.atMs, bytesPerSecond };
}

/** Takes a transfer from a node. @throws OperationError UNREACHABLE, BULK_REFUSED, TRANSFER_EMPTY */
export async function measureRate(target: Target, identity: Identity, clock: Clock): Promise<RateFigures> {
  const arrived = await within(clock, WHOLE_MS_MAX, async (signal) =>
    receive(await openBulk(target, identity, RATE_PURPOSE, '', signal), clock, signal),
  );
  if (arrived.length < 2)
    throw new OperationError('TRANSFER_EMPTY', `nothing came of a transfer from ${target.node}`, {
      remedy: 'Look at the ports and the MTU first; if another transfer from there was under way, try again.',
    });
  return steadyRate(arrived);
}

function receive(socket: TLSSocket, clock: Clock, signal: AbortSignal): Promise<Arrived[]> {
  return new Promise((resolve) => {
    const arrived: Arrived[] = [];
    let bytes = 0;
    let timer: Timer | undefined;
    const stop = (): void => void socket.destroy();
    signal.addEventListener('abort', stop, { once: true });
    socket.on('data', (chunk: Buffer) => {
      timer ??= clock.setTimer(TRANSFER_MS_MAX, stop);
      bytes += chunk.length;
      arrived.push({ atMs: clock.nowMs(), bytes });
    });
    socket.once('close', () => {
      timer?.cancel();
      resolve(arrived);
    });
  });
}

/** The sending side: what other nodes may take from this one. */
export class RateSource {
  readonly #clock: Clock;
  #isSending = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Owns the stream from here on. */
  send(socket: TLSSocket): void {
    if (this.#isSending) return void socket.destroy();
    this.#isSending = true;
    const timer = this.#clock.setTimer(WHOLE_MS_MAX, () => socket.destroy());
    socket.once('close', () => {
      timer.cancel();
      this.#isSending = false;
    });
    // Its end is told only to who reads.
    socket.resume();
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let left = TRANSFER_BYTES_MAX;
    const fill = (): void => {
      while (left > 0) {
        left -= chunk.length;
        if (!socket.write(chunk) && left > 0) return;
      }
      socket.end();
    };
    socket.on('drain', () => left > 0 && fill());
    fill();
  }
}
