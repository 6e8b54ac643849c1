// The guests of this node that are answered: brings together what the controller told, the ports that there are, and the
// services. Speaks to no switch.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { GuestNews } from '../../wire/contracts/guest-network.ts';
import type { ServiceEvent } from '../guest-services/answers.ts';
import type { GuestServices } from '../guest-services/guest-services.ts';
import type { GuestBook } from './guest-book.ts';
import type { HostPort } from './host-ports.ts';
import type { ServedPort } from './service-flows.ts';

export interface ServedGuestsParts {
  readonly book: Pick<GuestBook, 'keep' | 'served'>;
  readonly services: Pick<GuestServices, 'serve'>;
  readonly ports: () => readonly HostPort[];
  /** A guest sent to a stub whose resource is in another place. */
  readonly asked: (guest: string, stub: string) => void;
  /** The switch and the guests are to hear of a change. */
  readonly changed: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class ServedGuests {
  readonly #parts: ServedGuestsParts;
  #served: readonly ServedPort[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: ServedGuestsParts) {
    this.#parts = parts;
    this.#serve();
  }

  /** The ports whose guests are answered. */
  get served(): readonly ServedPort[] {
    return this.#served;
  }

  /** News of the controller. @throws OperationError TERM_STALE */
  async set(news: GuestNews): Promise<void> {
    const done = this.#turn.then(() => this.#parts.book.keep(news));
    this.#turn = done.catch(() => undefined);
    await done;
    this.look();
  }

  /** A port came or went, or the news are others. */
  look(): void {
    this.#serve();
    this.#parts.changed();
  }

  /** Tells of what came of a frame; what a guest could have told as often as it likes goes below the log's usual level. */
  tell(event: ServiceEvent): void {
    const { asked, log } = this.#parts;
    if (event.kind === 'stub-asked') asked(event.guest, event.stub);
    if (event.kind === 'limited') log.warn(event, 'a port sends more than the services look at');
    else log.debug(event, 'a guest was heard');
  }

  #serve(): void {
    const { book, services, ports, clock } = this.#parts;
    const { networks, ports: served } = book.served(ports());
    services.serve(networks, served, clock.nowMs());
    const byTenant = new Map(networks.map((network) => [network.tenant, network]));
    this.#served = served.flatMap(({ portNo, tenant, host }) => {
      const network = byTenant.get(tenant);
      return network === undefined ? [] : [{ portNo, mac: host.mac, network }];
    });
  }
}
