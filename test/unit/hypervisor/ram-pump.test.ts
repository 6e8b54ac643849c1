// The pump between real sockets: every byte, both ways, orderly ends, broken ends, backpressure and rate.
import { createHash, randomBytes } from 'node:crypto';
import { type EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock, Timer } from '../../../common/clock.ts';
import { RamPump, RamPumpError, type RamPumpOptions } from '../../../hypervisor/migration/ram-pump.ts';
import { dialRam, listenForRam } from '../../../hypervisor/qemu/ram-socket.ts';

const CHUNK_BYTES = 64 * 1024;

/** Only to end what would hang. */
const BOUND_MS = 60_000;

let folder: string;
let open: Socket[];

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sc-pump-'));
  open = [];
});

test.after.each(async () => {
  for (const socket of open) socket.destroy();
  await rm(folder, { recursive: true, force: true });
});

test('both directions arrive whole, and one ends before the other', async () => {
  const { hypervisor, peer, pump } = await pumped();
  const memory = randomBytes(5_000_000);
  const arrived = digestUntilEnd(peer);
  hypervisor.end(memory);
  assert.is(await arrived, createHash('sha256').update(memory).digest('hex'));
  const acknowledged = digestUntilEnd(hypervisor);
  peer.end('all is here');
  assert.is(await acknowledged, createHash('sha256').update('all is here').digest('hex'));
  await pump.done;
  assert.equal([pump.sentBytes, pump.receivedBytes], [memory.length, 11]);
});

test('a reader that stops holds the writer', async () => {
  const { hypervisor, peer, pump } = await pumped();
  peer.pause();
  const total = 64 * 1024 * 1024;
  let written = 0;
  while (written < total && hypervisor.write(Buffer.alloc(CHUNK_BYTES))) written += CHUNK_BYTES;
  while (hypervisor.writableLength > 0 && written < total) {
    const drained = await Promise.race([happens(hypervisor, 'drain').then(() => true), stalled(hypervisor, pump)]);
    if (!drained) break;
    while (written < total && hypervisor.write(Buffer.alloc(CHUNK_BYTES))) written += CHUNK_BYTES;
  }
  assert.ok(pump.sentBytes < total / 2, `${pump.sentBytes} bytes went into a stream that nobody reads`);
});

for (const victim of ['hypervisor', 'peer'] as const) {
  test(`when the ${victim}'s end is gone, the other's does not stay open`, async () => {
    const ends = await pumped();
    const other = victim === 'peer' ? ends.hypervisor : ends.peer;
    const closed = new Promise((resolve, reject) => {
      other.on('error', () => undefined).on('close', resolve);
      AbortSignal.timeout(BOUND_MS).addEventListener('abort', () => reject(new Error('it stayed open')));
    });
    ends.hypervisor.write('half a page');
    await happens(ends.peer, 'data');
    ends[victim].destroy();
    // What is written into nothing shows that nobody is there.
    const writing = setInterval(() => other.write('x'), 1);
    await closed.finally(() => clearInterval(writing));
    await ends.pump.done.then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(error instanceof RamPumpError),
    );
  });
}

test('cut breaks both sides at once and says how far it was', async () => {
  const { hypervisor, peer, pump } = await pumped();
  hypervisor.write('12345');
  await happens(peer, 'data');
  const ended = [hypervisor, peer].map((socket) => happens(socket.resume(), 'end'));
  pump.cut();
  pump.cut('again');
  await Promise.all(ended);
  const error = await pump.done.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RamPumpError && error.code === 'RAM_STREAM_BROKEN');
  assert.is(error.message, 'RAM stream: cut by us; 5 bytes sent, 0 received');
});

test('the rate holds a sender back by the clock, and is lifted', async () => {
  const clock = new HandClock();
  const { hypervisor, peer, pump } = await pumped({ rateBytesPerSecond: 1_000_000, clock });
  peer.resume();
  hypervisor.write(Buffer.alloc(3 * 1024 * 1024));
  await clock.waited();
  await stalled(hypervisor, pump);
  const first = pump.sentBytes;
  assert.ok(first > 0 && first <= 2 * CHUNK_BYTES, `${first} bytes before the first wait`);
  clock.pass(first / 1000);
  await clock.waited();
  await stalled(hypervisor, pump);
  assert.ok(pump.sentBytes > first && pump.sentBytes <= first + 2 * CHUNK_BYTES);
  pump.setRate(undefined);
  assert.is(clock.timers, 0);
  hypervisor.end();
  peer.end();
  await Promise.all([pump.done, happens(hypervisor.resume(), 'close')]);
  assert.is(pump.sentBytes, 3 * 1024 * 1024);
});

test('the listener takes one connection and leaves no file', async () => {
  const path = join(folder, 'r');
  const listener = await listenForRam(path);
  await listener.close();
  await listener.close();
  await listener.accepted.then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, 'closed before the source connected'),
  );
  await dialRam(path).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, 'ENOENT'),
  );
});

/** The pump's clock, which the test moves. */
class HandClock implements Clock {
  #now = 0;
  #due: { atMs: number; fire: () => void }[] = [];
  #waiting = Promise.withResolvers<void>();

  get timers(): number {
    return this.#due.length;
  }

  nowMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const entry = { atMs: this.#now + delayMs, fire };
    this.#due.push(entry);
    this.#waiting.resolve();
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== entry);
      },
    };
  }

  /** Resolves when a timer is set. */
  async waited(): Promise<void> {
    await this.#waiting.promise;
    this.#waiting = Promise.withResolvers<void>();
  }

  pass(ms: number): void {
    this.#now += ms;
    const ripe = this.#due.filter(({ atMs }) => atMs <= this.#now);
    this.#due = this.#due.filter((entry) => !ripe.includes(entry));
    for (const { fire } of ripe) fire();
  }
}

/** hypervisor <-> pump <-> peer. */
async function pumped(options: RamPumpOptions = {}) {
  const path = join(folder, `${open.length}`);
  const listener = await listenForRam(path);
  const hypervisor = await dialRam(path);
  const [near, peer] = await pair(join(folder, `${open.length}-far`));
  const local = await listener.accepted;
  await listener.close();
  open.push(hypervisor, near, peer, local);
  return { hypervisor, peer, pump: new RamPump(local, near, options) };
}

async function pair(path: string): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = happens(server, 'connection');
  const near = connect({ path, allowHalfOpen: true });
  const [far] = await accepted;
  server.close();
  if (!(far instanceof Socket)) throw new Error('no socket came');
  return [near, far];
}

function happens(emitter: EventEmitter, event: string): Promise<unknown[]> {
  return once(emitter, event, { signal: AbortSignal.timeout(BOUND_MS) });
}

async function digestUntilEnd(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (bytes: Buffer) => hash.update(bytes));
  await happens(socket, 'end');
  return hash.digest('hex');
}

/** False when nothing has moved between two turns of the event loop, ten times over. */
async function stalled(socket: Socket, pump: RamPump): Promise<boolean> {
  for (let still = 0; still < 10; still++) {
    const before = [socket.writableLength, pump.sentBytes].join();
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (before !== [socket.writableLength, pump.sentBytes].join()) still = 0;
  }
  return false;
}

test.run();
