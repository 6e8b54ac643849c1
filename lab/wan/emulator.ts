// The WAN emulator's loop: frames in from the packet sockets, through the fabric, out when they are due. It sleeps in
// one poll and never spins; between two sleeps it must do nothing that takes long, since that is every frame's lateness.
import { BATCH_FRAMES, FRAME_BYTES_MAX, type FrameMemory, type PacketSocket } from './af-packet.ts';
import type { Fabric, FrameReferences } from './fabric.ts';

/**
 * While frames move, the least time between two passes: a batch costs hardly more than a frame, so this bounds the CPU
 * use under load, at the price of as much lateness.
 */
const PASS_INTERVAL_MS = 0.2;
/** The longest sleep: it bounds nothing but the reach of a clock jump. */
const SLEEP_MS_MAX = 10_000;
/** Batches read from one port in one pass, so that no port keeps the others waiting. */
const BATCHES_PER_PASS = 4;

export interface EmulatorParts {
  readonly sockets: readonly PacketSocket[];
  readonly memory: FrameMemory;
  readonly references: FrameReferences;
  readonly fabric: Fabric;
  /** The descriptor from which orders come; `obey` reads it and returns false to stop. */
  readonly control: { readonly descriptor: number; obey(): boolean };
  /** A monotonic clock, in ms. */
  readonly now: () => number;
}

export class Emulator {
  readonly #parts: EmulatorParts;
  /** The frames that the next receive reads into: always as many as a batch, so that reading never waits for memory. */
  readonly #waiting: number[] = [];
  readonly #lengths: Uint16Array;
  #overruns = 0;

  constructor(parts: EmulatorParts) {
    this.#parts = parts;
    for (let slot = 0; slot < BATCH_FRAMES; slot++) this.#waitWith(slot, parts.references.claim());
    this.#lengths = new Uint16Array(parts.memory.frames);
    parts.memory.watch([parts.control.descriptor, ...parts.sockets.map((socket) => socket.descriptor)]);
  }

  /** Frames that got lost in the emulator itself: no buffer free, too long, or refused by the device. */
  get overruns(): number {
    return this.#overruns;
  }

  /** Runs until told to stop. */
  run(): void {
    const { memory, control } = this.#parts;
    for (let busy = false; ; ) {
      if (busy) memory.poll(1, PASS_INTERVAL_MS);
      else memory.poll(1 + this.#parts.sockets.length, this.#sleepMs());
      if (memory.isReady(0) && !control.obey()) return;
      const received = this.#receiveAll();
      const sent = this.#sendAll();
      busy = received + sent > 0;
    }
  }

  #sleepMs(): number {
    const untilDueMs = this.#parts.fabric.nextDueMs() - this.#parts.now();
    return Math.min(Math.max(untilDueMs, 0), SLEEP_MS_MAX);
  }

  #receiveAll(): number {
    let received = 0;
    for (const [port, socket] of this.#parts.sockets.entries()) {
      for (let batch = 0; batch < BATCHES_PER_PASS; batch++) {
        const count = this.#receiveBatch(port, socket);
        received += count;
        if (count < BATCH_FRAMES) break;
      }
    }
    return received;
  }

  #receiveBatch(port: number, socket: PacketSocket): number {
    const { memory, now } = this.#parts;
    const count = socket.receive(BATCH_FRAMES);
    if (count === 0) return 0;
    const nowMs = now();
    for (let slot = 0; slot < count; slot++) this.#takeIn(port, slot, memory.reading.received(slot), nowMs);
    return count;
  }

  #takeIn(port: number, slot: number, bytes: number, nowMs: number): void {
    const { references, fabric, memory } = this.#parts;
    const fresh = bytes < 0 ? -1 : references.claim();
    if (fresh < 0) {
      this.#overruns++;
      return;
    }
    const frame = this.#waiting[slot] ?? 0;
    this.#waitWith(slot, fresh);
    this.#lengths[frame] = bytes;
    fabric.receive(port, frame, bytes, memory.bytes, frame * FRAME_BYTES_MAX, nowMs);
  }

  #waitWith(slot: number, frame: number): void {
    this.#waiting[slot] = frame;
    this.#parts.memory.reading.place(slot, frame, FRAME_BYTES_MAX);
  }

  #sendAll(): number {
    let sent = 0;
    for (const [port, socket] of this.#parts.sockets.entries()) {
      for (let count = BATCH_FRAMES; count === BATCH_FRAMES; sent += count) count = this.#sendBatch(port, socket);
    }
    return sent;
  }

  #sendBatch(port: number, socket: PacketSocket): number {
    const { fabric, memory, now } = this.#parts;
    const nowMs = now();
    const batch: number[] = [];
    while (batch.length < BATCH_FRAMES) {
      const frame = fabric.take(port, nowMs);
      if (frame < 0) break;
      memory.sending.place(batch.length, frame, this.#lengths[frame] ?? 0);
      batch.push(frame);
    }
    if (batch.length > 0) this.#transmit(socket, batch);
    return batch.length;
  }

  // A frame that the device refuses (it is down, or gone with its namespace) is lost, as on a dead wire.
  #transmit(socket: PacketSocket, batch: readonly number[]): void {
    this.#overruns += batch.length - socket.send(batch.length);
    for (const frame of batch) this.#parts.references.release(frame);
  }
}
