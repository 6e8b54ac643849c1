// What a person should know of VMs that ask for what is in another place (TOCS 2017, 3.3: the stub's event): disks that wait for
// what is pinned there, and packets for an address that stands for a resource there. Noted when that is first heard of, and when
// it is over; the newest are kept.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { AddressEvent, PinEvent, StubEvent } from '../../wire/contracts/events.ts';
import type { StubOrder } from '../../wire/contracts/network-stubs.ts';
import type { State } from '../state.ts';

/** A page's worth and more; older ones are forgotten. */
const EVENTS_MAX = 100;
/** Longer than the longest pause between two tries of a guest's TCP, which is 64 s, and its agent's word with it. */
const ASKED_MS = 120_000;

export class StubEvents {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By key: when an address was last asked for. Of what was noted in an earlier life not known until then. */
  readonly #askedAtMs = new Map<string, number>();

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

  /** A VM at a node has sent to a stub of another place. One call of a VM and a stub at a time. */
  async asked(vm: string, node: string, { name, address, place }: StubOrder): Promise<void> {
    const open = this.#openOf(vm, name);
    if (open?.node === node) return void this.#askedAtMs.set(keyOf(open), this.#clock.nowMs());
    if (open !== undefined) await this.#end(open);
    this.#log.warn({ vm, node, stub: name, place }, 'a VM asks for what is in another place');
    const event = { vm, node, stub: name, address, place, trouble: '', atMs: this.#clock.wallMs(), endedMs: null };
    this.#askedAtMs.set(keyOf(event), this.#clock.nowMs());
    await this.#add(event);
  }

  /** Why a VM that asks for a stub is not moved; nothing when it is, or about to be. */
  async note(vm: string, stub: string, trouble: string): Promise<void> {
    const event = this.#openOf(vm, stub);
    if (event === undefined || event.trouble === trouble) return;
    await this.#state.put('events', keyOf(event), { ...event, trouble });
  }

  /** VMs that are gone wait for nothing; nor do those that have moved, or have given up, want an address any more. */
  async tidy(): Promise<void> {
    for (const event of this.#open()) {
      const vm = this.#state.get('vms', event.vm);
      const isOver = vm === undefined || (isOfAddress(event) && (vm.node !== event.node || !this.#isWanted(event)));
      if (isOver) await this.#end(event);
    }
  }

  #isWanted(event: AddressEvent): boolean {
    const now = this.#clock.nowMs();
    const askedAtMs = this.#askedAtMs.get(keyOf(event)) ?? now;
    this.#askedAtMs.set(keyOf(event), askedAtMs);
    return this.#state.get('stubs', event.stub)?.place === event.place && now - askedAtMs < ASKED_MS;
  }

  async #see(vm: string, node: string, { image, stub }: StoreImage): Promise<void> {
    const open = this.#open()
      .filter(isOfPin)
      .find((event) => event.vm === vm && event.image === image);
    const { place, waiting } = stub ?? { place: '', waiting: 0 };
    if (open !== undefined && (waiting === 0 || open.node !== node || open.place !== place)) await this.#end(open);
    else if (open !== undefined) this.#state.show('events', keyOf(open), { ...open, waiting });
    if (waiting === 0 || (open !== undefined && open.node === node && open.place === place)) return;
    this.#log.warn({ vm, node, image, place }, 'a VM waits for what is pinned elsewhere');
    await this.#add({ vm, node, image, place, waiting, atMs: this.#clock.wallMs(), endedMs: null });
  }

  async #add(event: StubEvent): Promise<void> {
    await this.#state.put('events', keyOf(event), event);
    for (const old of this.list().slice(EVENTS_MAX)) {
      this.#askedAtMs.delete(keyOf(old));
      await this.#state.remove('events', keyOf(old));
    }
  }

  #open(): StubEvent[] {
    return this.#state.all('events').filter(({ endedMs }) => endedMs === null);
  }

  #openOf(vm: string, stub: string): AddressEvent | undefined {
    return this.#open()
      .filter(isOfAddress)
      .find((event) => event.vm === vm && event.stub === stub);
  }

  async #end(event: StubEvent): Promise<void> {
    this.#askedAtMs.delete(keyOf(event));
    const endedMs = this.#clock.wallMs();
    await this.#state.put(
      'events',
      keyOf(event),
      isOfPin(event) ? { ...event, waiting: 0, endedMs } : { ...event, endedMs },
    );
  }
}

function isOfPin(event: StubEvent): event is PinEvent {
  return 'image' in event;
}

function isOfAddress(event: StubEvent): event is AddressEvent {
  return 'stub' in event;
}

function keyOf(event: StubEvent): string {
  const what = isOfPin(event) ? event.image : `stub ${event.stub}`;
  return `${event.vm} ${what} ${event.atMs}`;
}
