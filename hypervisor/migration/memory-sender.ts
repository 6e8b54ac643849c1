// Sends a machine's memory to the destination's agent: the way to the other node, the pump, the figures. It runs up to
// the hold and, when told, ends the stream; leaving the hold is the hold's business.
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { beginBulk, openBulk } from '../../common/rpc/bulk.ts';
import type { MemoryProgress } from '../../wire/contracts/hypervisor.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { Machine, MigrationProgress } from '../driver.ts';
import type { Neighbours } from '../neighbours.ts';
import { listenForRam } from '../qemu/ram-socket.ts';
import { joinStreams } from './memory-stream.ts';
import type { RamPump } from './ram-pump.ts';
import { downtimeLimitMs } from './switchover-limit.ts';
import type { WarmStreams } from './warm-streams.ts';

/** How often the memory's progress is told, ms. */
const PROGRESS_MS = 250;

export interface MemorySenderParts {
  readonly migration: string;
  readonly destination: Endpoint;
  readonly maxBandwidthBytesPerSecond: number;
  readonly downtimeLimitMs: number;
  readonly neighbours: Neighbours;
  readonly streams: Pick<WarmStreams, 'take'>;
  readonly log: Log;
  readonly clock: Clock;
}

export class MemorySender {
  readonly #parts: MemorySenderParts;
  readonly #tell: (progress: MemoryProgress) => void;
  readonly #giveUp = new AbortController();
  #pump: RamPump | undefined;
  #streamMs = 0;
  #totalBytes = 0;
  #limitMs: number;
  #lastRate = { atMs: 0, bytes: 0 };

  constructor(parts: MemorySenderParts, tell: (progress: MemoryProgress) => void) {
    this.#parts = parts;
    this.#limitMs = parts.downtimeLimitMs;
    this.#tell = tell;
  }

  /** Bytes of the stream, both directions' frames of TLS not counted. */
  get sentBytes(): number {
    return this.#pump?.sentBytes ?? 0;
  }

  /** How long the way to the other node took to open. */
  get streamMs(): number {
    return this.#streamMs;
  }

  /** Resolves at the hold. Rejects when the stream or the machine fails; the guest then is as it was. */
  async send(machine: Machine): Promise<void> {
    const { clock } = this.#parts;
    const begunMs = clock.nowMs();
    const remote = await this.#open();
    this.#streamMs = clock.nowMs() - begunMs;
    const socketPath = join(machine.runDirectory, 'out.sock');
    const listener = await listenForRam(socketPath);
    const joined = listener.accepted.then((local) => {
      this.#pump = joinStreams(local, remote);
    });
    try {
      await Promise.all([joined, this.#migrateOut(machine, socketPath)]);
    } catch (error) {
      remote.destroy();
      throw error;
    } finally {
      await listener.close();
    }
  }

  async #open(): Promise<TLSSocket> {
    const { neighbours, destination, migration, streams, log } = this.#parts;
    const { signal } = this.#giveUp;
    const target = neighbours.agentTarget(destination);
    const opening = { target, identity: neighbours.identity, purpose: 'memory', subject: migration, signal };
    const dialled = await streams.take(migration);
    try {
      if (dialled !== undefined) return await beginBulk(dialled, opening);
    } catch (error) {
      signal.throwIfAborted();
      log.info({ migration, reason: messageOf(error) }, 'the connection dialled ahead was dead; dialling anew');
    }
    return openBulk(target, opening.identity, opening.purpose, migration, signal);
  }

  /** Ends the sending and the stream, wherever they are. */
  stop(reason: string): void {
    this.#giveUp.abort(new Error(reason));
    this.#pump?.cut(reason);
  }

  /** The figures of a phase in which the hypervisor is not asked. */
  progressAt(phase: 'hold' | 'decided'): MemoryProgress {
    const none = { remainingBytes: 0, rateBytesPerSecond: 0, dirtyBytesPerSecond: 0, iteration: 0 };
    return { ...none, phase, transferredBytes: this.sentBytes, totalBytes: this.#totalBytes };
  }

  async #migrateOut(machine: Machine, socketPath: string): Promise<void> {
    const { maxBandwidthBytesPerSecond, downtimeLimitMs, clock } = this.#parts;
    this.#lastRate = { atMs: clock.nowMs(), bytes: 0 };
    await machine.migrateOut({
      socketPath,
      maxBandwidthBytesPerSecond,
      downtimeLimitMs,
      progressIntervalMs: PROGRESS_MS,
      onProgress: (progress) => {
        this.#report(progress);
        this.#adjust(machine, progress.passCount);
      },
      signal: this.#giveUp.signal,
    });
  }

  /** A guest that does not converge gets a longer last pass, step by step. */
  #adjust(machine: Machine, passCount: number): void {
    const limitMs = downtimeLimitMs(this.#parts.downtimeLimitMs, passCount);
    if (limitMs === this.#limitMs) return;
    this.#limitMs = limitMs;
    // Fails only with the machine or its connection, which ends the migration by itself.
    machine.setMigrationDowntimeLimit(limitMs).catch((error: unknown) => this.stop(messageOf(error)));
  }

  /** Bytes and rate are those of the stream itself: the hypervisor's own count leaves things out. */
  #report(progress: MigrationProgress): void {
    this.#totalBytes = progress.totalBytes;
    const nowMs = this.#parts.clock.nowMs();
    const { atMs, bytes } = this.#lastRate;
    this.#lastRate = { atMs: nowMs, bytes: this.sentBytes };
    this.#tell({
      phase: 'memory',
      transferredBytes: this.sentBytes,
      remainingBytes: progress.remainingBytes,
      totalBytes: progress.totalBytes,
      rateBytesPerSecond: Math.round(((this.sentBytes - bytes) * 1000) / Math.max(1, nowMs - atMs)),
      dirtyBytesPerSecond: Math.round(progress.dirtyBytesPerSecond),
      iteration: progress.passCount,
    });
  }
}
