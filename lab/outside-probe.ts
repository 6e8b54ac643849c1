// The guest and the Internet: it downloads there and fetches again and again, under its network's address, and somebody there
// calls it by a port that leads in. What is measured is what each of them felt; every check says what it looked at.
import { OperationError } from '../common/errors.ts';
import type { GuestStatus } from './guest/status.ts';
import type { EchoFigures } from './visitor/echo-probe.ts';
import { Visitor } from './visitor/visitor.ts';

/** A caller says something so often. */
const CALL_EVERY_MS = 50;
const FIRST_FETCH_TIMEOUT_MS = 20_000;
const POLL_MS = 100;

/** Where it all is. */
export interface OutsidePlace {
  /** The namespace that plays the Internet, and its host's address. */
  readonly namespace: string;
  readonly host: string;
  /** By which the guest is seen there. */
  readonly address: string;
}

/** What was felt in one leg. Times in ms. */
export interface OutsideFigures {
  /**
   * The connection by which the guest downloads: its lines in the leg, those ever out of order, why it is gone, the longest
   * wait by the guest's clock, which stands while it is held.
   */
  readonly download: { readonly lines: number; readonly wrong: number; readonly lost: string; readonly gapMs: number };
  /** The guest's new connections in the leg. */
  readonly fetches: {
    readonly good: number;
    readonly failed: number;
    readonly slowestMs: number;
    readonly seen: string;
  };
  /** Who called the guest from there. */
  readonly caller: EchoFigures;
  /** What a new caller was answered: an HTTP status, or a sentence. */
  readonly page: string;
}

/** Something that must hold, and what was seen. */
export interface Check {
  readonly name: string;
  readonly held: boolean;
  readonly seen: string;
}

export class OutsideProbe {
  readonly #place: OutsidePlace;
  readonly #caller: Visitor;

  constructor(place: OutsidePlace) {
    this.#place = place;
    this.#caller = new Visitor(place.namespace, place.address, CALL_EVERY_MS);
  }

  /** The line by which the guest is told to use the Internet, or to forget what was worst so far. */
  get order(): string {
    return `outside ${this.#place.host}`;
  }

  /** Begins on both sides; `guest` asks the guest's control port. @throws OperationError NO_INTERNET */
  async start(guest: (line: string) => Promise<GuestStatus>): Promise<void> {
    await Promise.all([this.#caller.connect(), guest(this.order)]);
    for (let waitedMs = 0; waitedMs < FIRST_FETCH_TIMEOUT_MS; waitedMs += POLL_MS) {
      const { outsideFetches, outsideLines } = await guest('status');
      if (outsideFetches > 0 && outsideLines > 0) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new OperationError(
      'NO_INTERNET',
      `the guest got nothing from ${this.#place.host} in ${FIRST_FETCH_TIMEOUT_MS} ms`,
      {
        remedy: "look at its way out: './supercloud net egress show'",
      },
    );
  }

  /** Counting begins anew. */
  async mark(): Promise<void> {
    await this.#caller.mark();
  }

  /** Since the mark, and the status that answered the order then. */
  async figures(before: GuestStatus, now: GuestStatus): Promise<OutsideFigures> {
    const caller = await this.#caller.mark();
    const page = await this.#caller.page().then(String, (error: unknown) => String(error));
    return {
      download: {
        lines: now.outsideLines - before.outsideLines,
        ...{ wrong: now.outsideWrong, lost: now.outsideLost, gapMs: now.outsideGapMs },
      },
      fetches: {
        good: now.outsideFetches - before.outsideFetches,
        failed: now.outsideFailed - before.outsideFailed,
        ...{ slowestMs: now.outsideSlowestMs, seen: now.outsideSeen },
      },
      ...{ caller, page },
    };
  }

  stop(): void {
    this.#caller.stop();
  }
}

/** What must hold of one leg. `address`: by which the guest is to be seen. */
export function outsideChecks(address: string, { download, fetches, caller, page }: OutsideFigures): Check[] {
  return [
    {
      name: 'download from the Internet kept',
      held: download.lost === '' && download.wrong === 0 && download.lines > 0,
      seen: download.lost || `${download.lines} lines, ${download.wrong} out of order`,
    },
    {
      name: 'the Internet is reached anew',
      held: fetches.failed === 0 && fetches.good > 0 && fetches.seen === address,
      seen: `${fetches.good} fetched, ${fetches.failed} not, seen as ${fetches.seen}`,
    },
    {
      name: 'called from the Internet',
      held: caller.lost === '' && caller.wrong === 0 && caller.echoed > 0 && page === '200',
      seen: `${caller.lost || `${caller.echoed} echoes, ${caller.wrong} wrong`}; page ${page}`,
    },
  ];
}
