// What happens in a simulated network, as its seed draws it: guests come, move there and back, are restarted elsewhere and
// go, while flow-mods are under way, and switches that are late have those of several commands before them.

import { SERVICE_MAC } from '../../sdnd/pipeline.ts';
import { arrive, arriveInPart, NOTHING } from './net-arrival.ts';
import { addressesOf } from './net-frames.ts';
import { drawTopology, type NetTopology, pairOf } from './net-topology.ts';
import { NetWorld, type SimGuest } from './net-world.ts';
import type { Prng } from './prng.ts';

const EVENTS = 8;
const LATE_FORWARD_MS = 5_000;
const FENCED_LOOKS = 6;
const BUDGETS = 8;

export class NetStory {
  readonly world: NetWorld;
  readonly #draw: Prng;
  /** Switches that flow-mods do not reach; empty: all arrives before the next thing happens. */
  #late: ReadonlySet<string> = new Set();
  #epoch = 1;
  #migrations = 0;

  /** `hasStubs`: also of networks with stubs; without them a seed tells the story that it told before there were any. */
  constructor(draw: Prng, { hasStubs = false } = {}) {
    this.#draw = draw;
    const topology = drawTopology(draw);
    const guests = drawGuests(draw);
    const exits = drawExits(draw, topology, guests);
    this.world = new NetWorld(topology, guests, { exits, ...(hasStubs && { stubs: stubPlaces(topology, guests) }) });
  }

  /** Answers when the story is over, or at the first thing that went wrong. */
  run(): void {
    const { world } = this;
    this.#arrive(new Set());
    for (const guest of world.guests) if (this.#draw.chance(0.8)) this.#bind(guest);
    for (let event = 0; event < EVENTS && world.violations.length === 0; event++) {
      if (this.#draw.chance(0.2)) this.#turnLate();
      this.#event();
    }
    this.#late = new Set();
    if (world.violations.length > 0) return;
    arrive(world, this.#draw, NOTHING);
    this.#settled();
    this.#pass();
    this.#settled();
  }

  #event(): void {
    const guest = this.#one(this.world.guests);
    const chance = this.#draw.next();
    const place = this.world.control.place(guest.owner);
    if (place === undefined) this.#bind(guest);
    else if (chance < 0.15) this.#relink();
    else if (chance < 0.6) this.#migrate(guest, place.node);
    else if (chance < 0.7) this.#restart(guest, place.node);
    else if (chance < 0.8) this.#unbind(guest, place.node);
    else this.#pass();
    if (this.#late.size === 0) this.#settled();
  }

  /** Links are cut or come back, and take another time; the controller hears of it, and until it has, frames are lost. */
  #relink(): void {
    const { switches, topology, control } = this.world;
    topology.down.clear();
    const links = switches.flatMap(({ node: a }, index) =>
      switches.slice(index + 1).map(({ node: b }) => {
        const isDown = this.#draw.chance(0.1);
        if (isDown) topology.down.add(pairOf(a, b));
        return { a, b, latencyMs: isDown ? null : 1 + this.#draw.integer(40) };
      }),
    );
    this.world.say(`links: ${links.map(({ a, b, latencyMs }) => `${a}-${b} ${latencyMs ?? 'down'}`).join(', ')}`);
    control.command({ kind: 'links', links });
    if (this.#late.size === 0) arrive(this.world, this.#draw, NOTHING);
    else arriveInPart(this.world, this.#draw, this.#late);
  }

  #turnLate(): void {
    const { switches } = this.world;
    const late = this.#late.size > 0 ? [] : switches.filter(() => this.#draw.chance(0.5));
    this.#late = new Set(late.map(({ node }) => node));
    this.world.say(`late: ${[...this.#late].join(' ') || 'nobody'}`);
    if (this.#late.size === 0) arrive(this.world, this.#draw, NOTHING);
  }

  #bind(guest: SimGuest): void {
    const node = this.#one(this.world.switches).node;
    this.world.say(`${guest.owner} starts at ${node}`);
    this.world.attach(guest, node);
    this.world.turn(guest.owner, node, true);
    this.#command(() => this.world.control.overlay.bind(this.world.bindingOf(guest, node, this.#next())), guest);
  }

  #restart(guest: SimGuest, old: string): void {
    const node = this.#one(this.world.switches).node;
    if (node === old) return;
    this.world.say(`${guest.owner} is restarted at ${node}, and was at ${old}`);
    this.world.turn(guest.owner, old, false);
    this.world.attach(guest, node);
    this.world.turn(guest.owner, node, true);
    this.#command(() => this.world.control.overlay.bind(this.world.bindingOf(guest, node, this.#next())), guest);
  }

  #unbind(guest: SimGuest, node: string): void {
    this.world.say(`${guest.owner} goes from ${node}`);
    this.world.turn(guest.owner, node, false);
    this.#command(() => this.world.control.overlay.unbind(guest.owner), guest);
    this.world.detach(guest, node);
    this.#command(() => undefined, guest);
  }

  #migrate(guest: SimGuest, from: string): void {
    const { world } = this;
    const { overlay } = world.control;
    const to = this.#one(world.switches).node;
    // A guest moves only where its node can be reached.
    if (to === from || !world.topology.isConnected(from, to)) return;
    const migration = String(++this.#migrations).padStart(16, '0');
    world.say(`${guest.owner} is prepared to move from ${from} to ${to}`);
    world.attach(guest, to);
    this.#command(() => overlay.prepare(migration, world.bindingOf(guest, to, this.#next())));
    world.turn(guest.owner, from, false);
    world.check(NOTHING);
    if (this.#draw.chance(0.25)) {
      world.say('refused');
      world.turn(guest.owner, from, true);
      world.check(this.#late.size === 0 ? this.#demand(new Set()) : NOTHING);
      this.#command(() => overlay.cancel(migration));
      world.detach(guest, to);
    } else {
      world.say('started');
      world.turn(guest.owner, to, true);
      // Nobody waits for the controller.
      world.check(this.#late.size === 0 ? this.#demand(new Set()) : NOTHING);
      if (this.#draw.chance(0.3)) this.#detach(guest, from);
      this.#command(() => overlay.complete(migration));
      if (this.#draw.chance(0.5)) world.detach(guest, from);
    }
    this.#command(() => undefined);
  }

  #detach(guest: SimGuest, node: string): void {
    this.world.say(`its port at ${node} goes before the controller knows`);
    this.world.detach(guest, node);
    this.#command(() => undefined);
  }

  /** Five seconds: the switches forget first, then the controller. */
  #pass(): void {
    this.world.say('time passes');
    for (const one of this.world.switches) one.advance(LATE_FORWARD_MS);
    this.world.check(this.#late.size === 0 ? this.#demand(new Set()) : NOTHING);
    if (this.#late.size === 0) this.world.checkNothingLate();
    this.world.control.forgetDepartures();
    this.#arrive(new Set());
  }

  /** A command of which `changed`, if any, cannot be expected to be reached throughout. */
  #command(decide: () => Parameters<NetWorld['control']['command']>[0], changed?: SimGuest): void {
    this.world.control.command(decide());
    this.#arrive(new Set(changed === undefined ? [] : [changed.owner]));
  }

  #arrive(changed: ReadonlySet<string>): void {
    if (this.#late.size === 0) arrive(this.world, this.#draw, this.#demand(changed));
    else arriveInPart(this.world, this.#draw, this.#late);
  }

  /** All that is known has arrived: everybody is reached, ARP is answered right, and nobody speaks for another. */
  #settled(): void {
    const { world } = this;
    world.checkArp();
    world.stubs.checkArp();
    world.checkHeld();
    world.outside.checkUnasked();
    for (let look = 0; look < FENCED_LOOKS; look++) {
      const [guest, to] = [this.#one(world.guests), this.#one(world.guests)];
      const tenant = this.#draw.chance(0.7) ? guest.tenant : 1 + this.#draw.integer(4);
      const budget = this.#draw.integer(BUDGETS);
      const node = this.#one(world.switches).node;
      world.checkFenced(node, guest, to, tenant, budget);
      world.checkFenced(node, { ...to, owner: 'the router', mac: SERVICE_MAC }, to, tenant, budget);
      world.checkFenced(node, guest, { ...guest, owner: 'the router', mac: SERVICE_MAC }, tenant, budget);
    }
    // Last: who is told of a checked state is told of all these frames.
    world.check(this.#demand(new Set()));
  }

  #demand(changed: ReadonlySet<string>): (from: SimGuest, to: SimGuest) => boolean {
    const isThere = ({ owner }: SimGuest): boolean =>
      !changed.has(owner) && this.world.control.place(owner) !== undefined;
    return (from, to) => isThere(from) && isThere(to);
  }

  #next(): number {
    this.#epoch += 1;
    return this.#epoch;
  }

  #one<T>(choices: readonly T[]): T {
    const found = choices[this.#draw.integer(choices.length)];
    if (found === undefined) throw new Error('nothing to choose from');
    return found;
  }
}

/** Some tenants, whose guests have the same few addresses. */
function drawGuests(draw: Prng): SimGuest[] {
  const tenants = 1 + draw.integer(3);
  const taken = new Map<number, number>();
  return Array.from({ length: 3 + draw.integer(4) }, (_, number) => {
    const tenant = 1 + draw.integer(tenants);
    const host = (taken.get(tenant) ?? 0) + 1;
    taken.set(tenant, host);
    return { owner: `g${number}`, number, tenant, ...addressesOf(host) };
  });
}

/** By tenant the node of its way out; some have none. */
function drawExits(draw: Prng, { members }: NetTopology, guests: readonly SimGuest[]): Map<number, string> {
  const tenants = new Set(guests.map(({ tenant }) => tenant));
  return new Map(
    [...tenants].flatMap((tenant) => {
      const node = members[draw.integer(members.length)]?.node;
      return node === undefined || draw.chance(0.25) ? [] : [[tenant, node] as const];
    }),
  );
}

/** By tenant the node of its stubs' resources. */
function stubPlaces({ members }: NetTopology, guests: readonly SimGuest[]): Map<number, string> {
  const tenants = new Set(guests.map(({ tenant }) => tenant));
  return new Map(
    [...tenants].flatMap((tenant) => {
      const node = members[(tenant + guests.length) % members.length]?.node;
      return node === undefined ? [] : [[tenant, node] as const];
    }),
  );
}
