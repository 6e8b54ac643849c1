// Writers whose epoch the catalogue has ended without them (it was rebuilt while they were away, or their image was deleted or
// merged): they learn it from the records that are kept here, and give way, since nothing else of the image comes to a store
// that takes itself for its writer. One with a client is left until the client goes: what it runs is for a person to judge.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { RecordBook } from '../layers/kept-records.ts';
import type { ImageHost } from './image-host.ts';

/** How soon a writer with a client is looked at again. */
const LOOK_MS = 10_000;

export interface CutOffWritersParts {
  readonly records: Pick<RecordBook, 'isOver' | 'watch'>;
  readonly hosts: () => readonly ImageHost[];
  readonly inTurn: <T>(image: string, step: () => Promise<T>) => Promise<T>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Those of one store. */
export class CutOffWriters {
  readonly #parts: CutOffWritersParts;
  /** Told of: those that a client has. */
  readonly #used = new Set<string>();
  #timer: Timer | undefined;
  #unwatch: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: CutOffWritersParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#unwatch = this.#parts.records.watch(() => void this.look());
    void this.look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#unwatch();
    this.#timer?.cancel();
  }

  /** Settles when each that is over has given way, or cannot yet. Never rejects. */
  async look(): Promise<void> {
    const { hosts, records, clock } = this.#parts;
    this.#timer?.cancel();
    const over = hosts().filter(({ image }) => image.store.state.role === 'writer' && records.isOver(image.store));
    const isDone = await Promise.all(over.map((host) => this.#end(host)));
    if (isDone.includes(false) && !this.#isStopped) this.#timer = clock.setTimer(LOOK_MS, () => void this.look());
  }

  async #end(host: ImageHost): Promise<boolean> {
    const { inTurn, records, log } = this.#parts;
    const { name } = host;
    try {
      // Opened meanwhile it is not.
      const isDone = await inTurn(name, async () => {
        const why = records.isOver(host.image.store);
        return why === undefined || (await host.giveWayUnused(why));
      });
      if (!isDone && !this.#used.has(name))
        log.error(
          { image: name },
          'a client uses an image here that has gone on elsewhere: stop the machine that does',
        );
      if (isDone) this.#used.delete(name);
      else this.#used.add(name);
      return isDone;
    } catch (error) {
      log.warn({ image: name, reason: messageOf(error) }, 'a fenced writer does not give way yet');
      return false;
    }
  }
}
