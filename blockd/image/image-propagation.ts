// The propagation of one image that is written here: who hears of its requests, which nodes may be pushed to, when the
// next look is. It decides no order itself and holds no request back: what it cannot do now it does later.
import type { Clock, Timer } from '../../common/clock.ts';
import type { PropagationCounters, PropagationSettings, PropagationStatus } from '../../wire/contracts/propagation.ts';
import type { Member } from '../../wire/names.ts';
import { drawsFrom } from '../propagation/draws.ts';
import { Propagator, type PushOrder } from '../propagation/propagator.ts';
import { PushPlaces } from '../propagation/push-places.ts';
import type { PushRun } from '../propagation/push-queue.ts';
import { DATA } from '../table/version-run.ts';
import type { Image } from './image.ts';

/** While something is to be pushed, as the propagator wants it. */
const BUSY_MS = 100;
/** Otherwise: settings and members are looked at, and time goes on for the frequencies. */
const IDLE_MS = 1_000;

/** The way of blocks to other nodes. */
export interface PushWay {
  /** Whether the node can be offered blocks of the image now. */
  mayTake(node: string): boolean;
  /** The node at which the image is about to be written. */
  comingTo(): string | undefined;
  /** Calls back when any of that has changed, until the answer is called. */
  watch(watcher: () => void): () => void;
  /** Offers blocks; `settled` is called once for each of them, in parts: they are durable there, or not. */
  push(order: PushOrder, settled: (part: PushRun, isHeld: boolean) => void): void;
}

export interface ImagePropagationParts {
  readonly image: Image;
  /** This node's name. */
  readonly node: string;
  readonly clock: Clock;
  /** Each answers the same object as long as nothing has changed. */
  readonly members: () => readonly Member[];
  readonly settings: (image: string) => PropagationSettings;
  readonly way: PushWay;
}

/** One image's; it does nothing until the image is written here. */
export class ImagePropagation {
  /** Since the daemon's start; only ever rising. */
  readonly counters: PropagationCounters = {
    ...{ offeredBlocks: 0, pushedBlocks: 0, failedBlocks: 0, usefulBlocks: 0, wastedBlocks: 0, missedBlocks: 0 },
  };
  readonly #parts: ImagePropagationParts;
  #propagator: Propagator | undefined;
  #timer: Timer | undefined;
  #members: readonly Member[] | undefined;
  #settings: PropagationSettings | undefined;
  /** Where the VM was before, if it came from another node. */
  #source = '';
  #announced: string | undefined;
  #unwatch: (() => void) | undefined;

  constructor(parts: ImagePropagationParts) {
    this.#parts = parts;
  }

  /** The image is written here from now on. `source`: the node that it was moved from. */
  begin(source = ''): void {
    if (this.#timer !== undefined) return;
    this.#source = source;
    this.#unwatch = this.#parts.way.watch(() => this.#look());
    this.#look();
  }

  /** It is not any more; what was offered is settled by nobody. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unwatch?.();
    this.#announced = undefined;
    this.#propagator = undefined;
    this.#members = undefined;
    this.#parts.image.notes = undefined;
  }

  status(): PropagationStatus | null {
    const { clock, way } = this.#parts;
    if (this.#propagator === undefined) return null;
    const { s, destinations, paused, spent } = this.#propagator.status(clock.nowMs());
    return {
      s,
      destinations: destinations.map(({ place, probability, missingBlocks, counts }) => ({
        ...{ node: place, probability, missingBlocks, follows: way.mayTake(place) },
        ...{ pushedBlocks: counts.pushed, overtakenBlocks: counts.overtaken },
      })),
      paused: paused?.cap ?? null,
      spent,
      counters: { ...this.counters },
    };
  }

  #look(): void {
    this.#timer?.cancel();
    this.#adapt();
    const propagator = this.#propagator;
    const nowMs = this.#parts.clock.nowMs();
    const coming = this.#parts.way.comingTo();
    if (coming !== this.#announced) propagator?.announce(coming);
    this.#announced = coming;
    for (const order of propagator?.tick(nowMs) ?? []) this.#push(order);
    this.#timer = this.#parts.clock.setTimer(propagator?.isBusy(nowMs) ? BUSY_MS : IDLE_MS, () => this.#look());
  }

  #push(order: PushOrder): void {
    const propagator = this.#propagator;
    this.counters.offeredBlocks += order.count;
    this.#parts.way.push(order, (part, isHeld) => {
      this.counters[isHeld ? 'pushedBlocks' : 'failedBlocks'] += part.count;
      if (propagator === this.#propagator) propagator?.settled({ ...part, place: order.place }, isHeld);
    });
  }

  /** What was told since the last look. */
  #adapt(): void {
    const { image, node, clock } = this.#parts;
    const members = this.#parts.members();
    const settings = this.#parts.settings(image.store.image);
    if (members === this.#members && settings === this.#settings) return;
    this.#members = members;
    this.#settings = settings;
    const places = new PushPlaces(members, node);
    const nodes = places.nodes(settings);
    // A store that stands alone has nothing to note for anyone.
    if (nodes.length > 0) this.#propagator ??= this.#make();
    this.#propagator?.setPlaces(nodes, places.prices(settings, nodes));
    this.#propagator?.configure({ ...settings, transitions: places.transitions(settings) }, clock.nowMs());
    image.notes = this.#propagator;
  }

  #make(): Propagator {
    const { image, node, clock, way } = this.#parts;
    const { blocks, layer, state } = image.store;
    return new Propagator({
      ...{ blocks, place: node, nowMs: clock.nowMs() },
      hasData: (block) => (image.stack.contentOf(block) & DATA) !== 0,
      isHeld: (place, block) => this.#isHeld(place, block),
      mayTake: (place) => way.mayTake(place),
      random: drawsFrom(Number.parseInt(layer.slice(-8), 16) + state.epoch),
    });
  }

  /** Whether a node has the block: it is missing here, or came from there, and was not written here since. */
  #isHeld(place: string, block: number): boolean {
    const { stack, store } = this.#parts.image;
    const { layer } = stack.runAt(block, block + 1);
    const { table } = layer.store;
    if (layer.store.holderName(table.holderOf(block)) === place) return true;
    return place === this.#source && (layer !== stack.top || table.epochAt(block) < store.state.epoch);
  }
}
