// The propagation of one image that is written here: who hears of its requests, which nodes may be pushed to, what the next
// place is told, when the next look is. It decides no order itself and holds no request back: what it cannot do now it
// does later.
import type { Clock, Timer } from '../../common/clock.ts';
import type { HeatMap } from '../../wire/contracts/heat.ts';
import type { PropagationCounters, PropagationSettings, PropagationStatus } from '../../wire/contracts/propagation.ts';
import type { Member } from '../../wire/names.ts';
import type { Image } from '../image/image.ts';
import type { AccessNotes } from '../propagation/access-notes.ts';
import { drawsFrom } from '../propagation/draws.ts';
import { HeatMapSurvey } from '../propagation/heat-map.ts';
import { HeatSurvey } from '../propagation/heat-summary.ts';
import { Propagator } from '../propagation/propagator.ts';
import type { PushOrder } from '../propagation/propagator-parts.ts';
import { PushPlaces } from '../propagation/push-places.ts';
import { afterFirstMinute } from '../propagation/s-tuner.ts';
import { DATA } from '../table/version-run.ts';
import type { BackgroundPull } from './background-pull.ts';
import type { ImageArrival } from './image-arrival.ts';
import type { PropagationBook } from './propagation-book.ts';
import { PaceTurns, type PullPace } from './pull-pace.ts';
import { PushLead } from './push-lead.ts';
import type { PushWay } from './push-way.ts';

/** While something is to be pushed, as the propagator wants it. */
const BUSY_MS = 100;
/** Otherwise: settings and members are looked at, and time goes on for the frequencies. */
const IDLE_MS = 1_000;

/** Groups of blocks that one step of a survey or a heat map looks at, as one look of the propagator does: a millisecond. */
const SURVEY_GROUPS = 2 ** 13;
/** A move takes its time, in which the guest goes on: the next place is told again, where that takes no time on the link. */
const AGAIN_MS = 2_000;
const AGAIN_BYTES_MAX = 16 * 1024;
/** How much of what was learnt a kill may take. */
const REMEMBER_MS = 600_000;

export interface ImagePropagationParts {
  readonly image: Image;
  /** This node's name. */
  readonly node: string;
  readonly clock: Clock;
  /** The same list as long as nothing has changed, as `book.of` answers the same settings. */
  readonly members: () => readonly Member[];
  readonly book: Pick<PropagationBook, 'of' | 'memoryOf' | 'remember'>;
  readonly way: PushWay;
  /** What was pushed here before the image came. */
  readonly arrival: ImageArrival;
  /** Of pushes for which no move has been announced. */
  readonly pace: Pick<PullPace, 'share'>;
  /** Brings the image here: what goes elsewhere comes after that. */
  readonly pull: Pick<BackgroundPull, 'isUnderWay' | 'prefer'>;
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
  readonly #lead = new PushLead();
  #survey: HeatSurvey | undefined;
  /** When it is surveyed again, while a move is announced. */
  #surveyMs = 0;
  #beganMs = 0;
  #rememberedMs = 0;
  readonly #turns = new PaceTurns();
  /** Whether blocks may be pushed in this look. */
  #isTurn = true;
  /** Told of requests until ten minutes after the image came, and what was counted before that. */
  #arrivalNotes: AccessNotes | undefined;
  #countedBefore = { useful: 0, wasted: 0, missed: 0 };
  #unwatch: (() => void) | undefined;

  constructor(parts: ImagePropagationParts) {
    this.#parts = parts;
  }

  /** The image is written here from now on. `source`: the node that it was moved from. */
  begin(source = ''): void {
    if (this.#timer !== undefined) return;
    this.#source = source;
    this.#beganMs = this.#rememberedMs = this.#parts.clock.nowMs();
    if (source !== '') this.#arrive();
    this.#unwatch = this.#parts.way.watch(() => this.#look());
    this.#look();
  }

  /** Keeps what another node has said that was learnt there; to be called before `begin`. */
  takeOver(): void {
    const { arrival, book, image } = this.#parts;
    if (arrival.memory !== undefined) book.remember(image.store.image, arrival.memory);
  }

  /** It is not any more; what was offered is settled by nobody. */
  end(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#unwatch?.();
    this.#remember();
    if (this.#arrivalNotes !== undefined) this.#count(this.#parts.clock.nowMs());
    this.#parts.arrival.reset();
    this.#arrivalNotes = undefined;
    this.#announced = undefined;
    this.#lead.end();
    this.#survey = undefined;
    this.#propagator = undefined;
    this.#members = undefined;
    this.#parts.image.notes = undefined;
  }

  /**
   * Pushes to the place that the image is about to come to as fast as that takes it, and answers when hardly anything is
   * missing there, the time is over, or the image does not come there any more: how many blocks are missing, if known.
   */
  async lead(place: string, withinMs: number): Promise<number | null> {
    // An order that comes late finds the image written elsewhere.
    if (this.#timer === undefined) return null;
    const over = this.#lead.begin(place, this.#parts.clock.nowMs() + withinMs);
    this.#look();
    return over;
  }

  /** How often its parts are read and written here, in at most so many cells; null while that is not noted. */
  async heat(cellsMax: number): Promise<HeatMap | null> {
    const { clock } = this.#parts;
    if (this.#propagator === undefined) return null;
    const survey = new HeatMapSurvey(this.#propagator.heat, cellsMax);
    while (!survey.step(SURVEY_GROUPS)) await new Promise<void>((resolve) => clock.setTimer(0, resolve));
    return survey.map;
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
    this.#count(nowMs);
    this.#announce(nowMs);
    const coming = this.#parts.way.comingTo();
    propagator?.setAwaited(this.#lead.goesOn(nowMs, coming, (place) => propagator.missingAt(place)));
    this.#isTurn = this.#turns.take(this.#parts.pace.share);
    for (const order of propagator?.tick(nowMs) ?? []) this.#push(order);
    this.#isTurn = true;
    if (nowMs - this.#rememberedMs >= REMEMBER_MS) this.#remember();
    const isBusy = this.#survey !== undefined || this.#lead.isOn || propagator?.isBusy(nowMs) === true;
    this.#timer = this.#parts.clock.setTimer(isBusy ? BUSY_MS : IDLE_MS, () => this.#look());
  }

  /** In as many looks as the pace lets, and not while the image still comes here; an announced place waits for neither. */
  #mayPushTo(place: string): boolean {
    const { way, pull } = this.#parts;
    return way.mayTake(place) && (way.comingTo() === place || (this.#isTurn && !pull.isUnderWay));
  }

  /** What the next place will need: at once what was learnt, and where the image is read as soon as that is added up. */
  #announce(nowMs: number): void {
    const { way } = this.#parts;
    const propagator = this.#propagator;
    if (propagator === undefined) return;
    const coming = way.comingTo();
    if (coming !== this.#announced) {
      this.#announced = coming;
      propagator.announce(coming);
      this.#survey = undefined;
      this.#surveyMs = nowMs;
      if (coming === undefined) return;
      const memory = propagator.memoryFor(coming, nowMs - this.#beganMs);
      way.tell(coming, { type: 'memory', memory });
    }
    if (coming === undefined) return;
    if (nowMs >= this.#surveyMs) this.#survey ??= new HeatSurvey(propagator.heat);
    if (this.#survey?.step(SURVEY_GROUPS) !== true) return;
    const summary = Buffer.from(this.#survey.summary());
    way.tell(coming, { type: 'heat', summary });
    this.#survey = undefined;
    this.#surveyMs = summary.length > AGAIN_BYTES_MAX ? Number.POSITIVE_INFINITY : nowMs + AGAIN_MS;
  }

  /** The image has come from another node. */
  #arrive(): void {
    const { arrival, clock, image, pull } = this.#parts;
    const { usefulBlocks: useful, wastedBlocks: wasted, missedBlocks: missed } = this.counters;
    this.#countedBefore = { useful, wasted, missed };
    this.takeOver();
    if (arrival.hottest !== undefined) pull.prefer(arrival.hottest);
    this.#arrivalNotes = arrival.arrived(clock.nowMs(), () => this.#propagator);
    image.notes = this.#arrivalNotes;
  }

  /** What became of what was pushed here, until ten minutes after the image came. */
  #count(nowMs: number): void {
    if (this.#arrivalNotes === undefined) return;
    const { arrival, image } = this.#parts;
    arrival.setTime(nowMs);
    const { useful, wasted, missed } = arrival.counts;
    this.counters.usefulBlocks = this.#countedBefore.useful + useful;
    this.counters.wastedBlocks = this.#countedBefore.wasted + wasted;
    this.counters.missedBlocks = this.#countedBefore.missed + missed;
    const firstMinute = arrival.takeFirstMinute();
    if (firstMinute !== undefined) this.#propagator?.correct((tuner) => afterFirstMinute(tuner, firstMinute));
    if (!arrival.isOver) return;
    this.#arrivalNotes = undefined;
    image.notes = this.#propagator;
  }

  #remember(): void {
    if (this.#propagator === undefined) return;
    this.#rememberedMs = this.#parts.clock.nowMs();
    this.#parts.book.remember(this.#parts.image.store.image, this.#propagator.memory);
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
    const settings = this.#parts.book.of(image.store.image);
    if (members === this.#members && settings === this.#settings) return;
    this.#members = members;
    this.#settings = settings;
    const places = new PushPlaces(members, node);
    const nodes = places.nodes(settings);
    // A store that stands alone has nothing to note for anyone.
    if (nodes.length > 0) this.#propagator ??= this.#make();
    this.#propagator?.setPlaces(nodes, places.prices(settings, nodes));
    this.#propagator?.configure({ ...settings, transitions: places.transitions(settings) }, clock.nowMs());
    image.notes = this.#arrivalNotes ?? this.#propagator;
  }

  #make(): Propagator {
    const { image, node, clock, book } = this.#parts;
    const { blocks, layer, state } = image.store;
    const memory = book.memoryOf(image.store.image);
    return new Propagator({
      ...{ blocks, place: node, nowMs: clock.nowMs() },
      hasData: (block) => (image.stack.contentOf(block) & DATA) !== 0,
      isHeld: (place, block) => this.#isHeld(place, block),
      mayTake: (place) => this.#mayPushTo(place),
      random: drawsFrom(Number.parseInt(layer.slice(-8), 16) + state.epoch),
      ...(memory === undefined ? {} : { memory }),
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
