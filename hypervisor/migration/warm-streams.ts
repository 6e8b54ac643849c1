// Connections for memory streams, dialled while the destination makes ready: two of a stream's three round trips are
// then over when the memory is to go. One that failed or came to nothing is never missed: whoever needs it dials anew.
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { DIALLED_MS_MAX } from '../../common/rpc/bulk.ts';

export interface WarmStreamsParts {
  readonly clock: Clock;
  readonly log: Log;
}

export class WarmStreams {
  readonly #clock: Clock;
  readonly #log: Log;
  /** By migration. */
  readonly #dialled = new Map<string, Promise<TLSSocket>>();

  constructor({ clock, log }: WarmStreamsParts) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Dials for a migration, once; it is hung up if nobody takes it in time. */
  begin(migration: string, dial: () => Promise<TLSSocket>): void {
    if (this.#dialled.has(migration)) return;
    const dialled = dial();
    this.#dialled.set(migration, dialled);
    dialled.then(
      () => this.#clock.setTimer(DIALLED_MS_MAX, () => this.#hangUp(migration, dialled)),
      (error: unknown) => {
        this.#forget(migration, dialled);
        this.#log.info({ migration, reason: messageOf(error) }, 'no stream was opened ahead');
      },
    );
  }

  /** The migration's connection, which is the caller's from now on; undefined when there is none that lives. */
  async take(migration: string): Promise<TLSSocket | undefined> {
    const dialled = this.#dialled.get(migration);
    this.#dialled.delete(migration);
    const [outcome] = await Promise.allSettled([dialled]);
    if (outcome.status === 'rejected') return undefined;
    return outcome.value?.destroyed === false ? outcome.value : undefined;
  }

  /** Hangs all up that nobody took. */
  close(): void {
    for (const [migration, dialled] of this.#dialled) this.#hangUp(migration, dialled);
  }

  #hangUp(migration: string, dialled: Promise<TLSSocket>): void {
    if (!this.#forget(migration, dialled)) return;
    dialled.then(
      (socket) => socket.destroy(),
      () => undefined, // It never came about: that was told.
    );
  }

  #forget(migration: string, dialled: Promise<TLSSocket>): boolean {
    return this.#dialled.get(migration) === dialled && this.#dialled.delete(migration);
  }
}
