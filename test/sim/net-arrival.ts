// How flow-mods arrive: every order of up to six of them, and seeded orders beyond. The order within a switch's session is
// kept where a frame may not be lost; for what must never happen any order counts, since a switch may change it
// (OpenFlow 1.3.5, 6.2).
import type { Outstanding } from './net-control.ts';
import { keyOf } from './net-switch.ts';
import type { NetWorld, SimGuest } from './net-world.ts';
import type { Prng } from './prng.ts';

/** Every order of so many is tried. */
const EXHAUSTED_MAX = 6;
/** So many states of the session's orders are tried, at the most, before they are drawn. */
const PREFIXES_MAX = 128;

type Demand = (from: SimGuest, to: SimGuest) => boolean;
/** Only what must never happen counts. */
export const NOTHING: Demand = () => false;

/** Lets all that is under way arrive, in an order that is drawn, and looks at every state that any order leads to. */
export function arrive(world: NetWorld, draw: Prng, demanded: Demand): void {
  const { control } = world;
  let areOrdersSeen = false;
  let arePrefixesSeen = false;
  for (;;) {
    const rest = control.outstanding;
    const next = rest[draw.integer(rest.length)]?.at;
    const mod = next === undefined ? undefined : control.queue(next).shift();
    if (next === undefined || mod === undefined) return;
    if (!areOrdersSeen && rest.length <= EXHAUSTED_MAX) {
      everyOrder(world, rest);
      areOrdersSeen = true;
    }
    next.apply(mod);
    if (!arePrefixesSeen) world.check(demanded);
    arePrefixesSeen ||= everyPrefix(world, demanded);
  }
}

/** Some arrive, at the switches that are not late; what must never happen is looked for. */
export function arriveInPart(world: NetWorld, draw: Prng, late: ReadonlySet<string>): void {
  const { control } = world;
  const some = control.outstanding.filter(({ at }) => !late.has(at.node) && draw.chance(0.9));
  for (const { at } of some) {
    const mod = control.queue(at).shift();
    if (mod !== undefined) at.apply(mod);
    if (draw.chance(0.3)) world.check(NOTHING);
  }
}

// Messages about different entries lead to one state in whatever order, so the states of all orders are those of all
// subsets. Of several about one entry the order counts too, and is that of the session.
function everyOrder(world: NetWorld, rest: readonly Outstanding[]): void {
  const saved = world.switches.map((at) => [at, at.save()] as const);
  for (let subset = 1; subset < 1 << rest.length; subset++) {
    for (const order of ordersOf(rest.filter((_, index) => (subset >> index) & 1))) {
      for (const { at, mod } of order) at.apply(mod);
      world.check(NOTHING);
      for (const [at, state] of saved) at.restore(state);
    }
  }
}

/** One order; and its reverse where two are about one entry. */
function ordersOf(some: readonly Outstanding[]): (readonly Outstanding[])[] {
  const entries = new Set(some.map(({ at, mod }) => `${at.node} ${keyOf(mod)}`));
  return entries.size === some.length ? [some] : [some, some.toReversed()];
}

/** Every state to which the sessions lead: of each switch the first few have arrived. False when there are too many. */
function everyPrefix(world: NetWorld, demanded: Demand): boolean {
  const { control, switches } = world;
  const states = switches.reduce((count, at) => count * (control.queue(at).length + 1), 1);
  if (states > PREFIXES_MAX) return false;
  const saved = switches.map((at) => [at, at.save()] as const);
  for (let state = 0; state < states; state++) {
    let rest = state;
    for (const at of switches) {
      const queue = control.queue(at);
      for (const mod of queue.slice(0, rest % (queue.length + 1))) at.apply(mod);
      rest = Math.floor(rest / (queue.length + 1));
    }
    world.check(demanded);
    for (const [at, before] of saved) at.restore(before);
  }
  return true;
}
