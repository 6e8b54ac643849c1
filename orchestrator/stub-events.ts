// What a person should know of VMs whose disks wait: they ask for what is pinned elsewhere (TOCS 2017, 3.3: the stub's
// event). Noted when a store first says so, and when it is over; the newest are kept.
import type { Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';
import type { StoreImage } from '../wire/contracts/blockd.ts';
import type { StubEvent } from '../wire/contracts/events.ts';
import type { State } from './state.ts';

/** A page's worth and more; older ones are forgotten. */
const EVENTS_MAX = 100;

export class StubEvents {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: { state: State; clock: Clock; log: Log }) {
    this.#state = options.state;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The newest first. */
  list(): StubEvent[] {
    return this.#state.all('events').sort((one, other) => other.atMs - one.atMs);
  }

  /** What the stores of a VM's images at its node say. */
  async see(vm: string, stores: readonly StoreImage[]): Promise<void> {
    const node = this.#state.get('vms', vm)?.node;
    if (node === undefined) return;
    for (const store of stores) await this.#see(vm, node, store);
  }

  /** VMs that are gone wait for nothing. */
  async tidy(): Promise<void> {
    const gone = this.#open().filter(({ vm }) => this.#state.get('vms', vm) === undefined);
    for (const event of gone) await this.#end(event);
  }

  async #see(vm: string, node: string, { image, stub }: StoreImage): Promise<void> {
    const open = this.#open().find((event) => event.vm === vm && event.image === image);
    const { place, waiting } = stub ?? { place: '', waiting: 0 };
    if (open !== undefined && (waiting === 0 || open.node !== node || open.place !== place)) await this.#end(open);
    else if (open !== undefined) this.#state.show('events', keyOf(open), { ...open, waiting });
    if (waiting === 0 || (open !== undefined && open.node === node && open.place === place)) return;
    const event: StubEvent = { vm, node, image, place, waiting, atMs: this.#clock.wallMs(), endedMs: null };
    this.#log.warn({ vm, node, image, place }, 'a VM waits for what is pinned elsewhere');
    await this.#state.put('events', keyOf(event), event);
    for (const old of this.list().slice(EVENTS_MAX)) await this.#state.remove('events', keyOf(old));
  }

  #open(): StubEvent[] {
    return this.#state.all('events').filter(({ endedMs }) => endedMs === null);
  }

  async #end(event: StubEvent): Promise<void> {
    await this.#state.put('events', keyOf(event), { ...event, waiting: 0, endedMs: this.#clock.wallMs() });
  }
}

function keyOf({ vm, image, atMs }: StubEvent): string {
  return `${vm} ${image} ${atMs}`;
}
