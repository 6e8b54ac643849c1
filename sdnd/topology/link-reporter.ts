// An agent's session with the overlay's active controller about its links: tells all at the beginning, then what is new, and
// hears whom to probe. One that stands by refuses; the next is asked then. While none is active nothing is told and nothing
// else changes.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { RpcClient } from '../../common/rpc/client.ts';
import type { sdndContract } from '../../wire/contracts/sdnd.ts';
import type { ProbePeer } from '../../wire/contracts/topology.ts';
import type { LinkFigures } from './peer-link.ts';

/** How soon a controller that is away is looked for again. */
const RECONNECT_MS = 1_000;

export interface LinkReporterParts {
  /** Any of them may be the active one. */
  readonly controllers: readonly Pick<RpcClient<typeof sdndContract>, 'call'>[];
  /** All that is known, or what is new since the last time. */
  readonly figures: (isAll: boolean) => LinkFigures[];
  readonly peers: (peers: readonly ProbePeer[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class LinkReporter {
  readonly #parts: LinkReporterParts;
  #at = 0;
  #session = new AbortController();
  #isIn = false;
  #isTelling = false;
  #isClosed = false;
  #timer: Timer | undefined;

  constructor(parts: LinkReporterParts) {
    this.#parts = parts;
    void this.#join();
  }

  /** Tells what is new, if there is something and a session. */
  tell(): void {
    if (!this.#isIn || this.#isTelling) return;
    const links = this.#parts.figures(false);
    if (links.length > 0) void this.#report(links);
  }

  stop(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#session.abort();
  }

  get #controller(): LinkReporterParts['controllers'][number] | undefined {
    return this.#parts.controllers[this.#at % this.#parts.controllers.length];
  }

  async #report(links: LinkFigures[]): Promise<void> {
    this.#isTelling = true;
    const session = this.#session;
    try {
      await this.#controller?.call('links.report', { links }, { signal: session.signal });
    } catch {
      // Nobody knows what it has heard: in the next session it hears all.
      session.abort();
    } finally {
      this.#isTelling = false;
    }
  }

  async #join(): Promise<void> {
    const { figures, peers, clock, log } = this.#parts;
    const session = new AbortController();
    this.#session = session;
    try {
      const onProgress = (told: { readonly peers: readonly ProbePeer[] }): void => {
        if (!this.#isIn) log.info({ peers: told.peers.length }, "the overlay's controller hears of the links");
        this.#isIn = true;
        peers(told.peers);
      };
      await this.#controller?.call('links.join', { links: figures(true) }, { signal: session.signal, onProgress });
    } catch (error) {
      if (this.#isIn) log.warn({ reason: messageOf(error) }, "the overlay's controller hears of the links no more");
    }
    // The one that had a session is the first to be asked again: it may only have been restarted.
    if (!this.#isIn) this.#at++;
    this.#isIn = false;
    if (!this.#isClosed) this.#timer = clock.setTimer(RECONNECT_MS, () => void this.#join());
  }
}
