// The controller of a migration in the simulation: orders it, learns how it ended, and carries what one node cannot tell
// the other. The hold must not wait for it; it may be down or cut off for as long as it likes.
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import { FAR_TIMEOUT_MS } from './hold-agent-parts.ts';
import type { SimDestinationAgent } from './hold-destination-agent.ts';
import type { SimSourceAgent } from './hold-source-agent.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

const POLL_MS = 1_000;

export class SimController {
  readonly process: SimProcess;
  readonly #world: World;
  readonly #source: SimSourceAgent;
  readonly #destination: SimDestinationAgent;
  #sourceSays: Decision = 'undecided';
  #destinationSays: Decision = 'undecided';
  /** When it heard that the migration is undecided. */
  undecidedAtMs: number | undefined;

  constructor(world: World, source: SimSourceAgent, destination: SimDestinationAgent) {
    this.#world = world;
    this.#source = source;
    this.#destination = destination;
    this.process = new SimProcess('K.orchestrator', 'K', world.clock, () => this.#boot());
    source.onOutcome = (decision) =>
      world.network.send(source.process, this.process, () => this.#sourceReported(decision));
  }

  get decision(): Decision {
    return this.#destinationSays;
  }

  #boot(): void {
    this.#sourceSays = 'undecided';
    this.#destinationSays = 'undecided';
    this.#order();
    this.#poll();
  }

  #order(): void {
    this.#world.network.send(this.process, this.#source.process, () => this.#source.outgoing());
  }

  abort(reason: string): void {
    this.#world.network.send(this.process, this.#source.process, () => this.#source.feed({ type: 'abort', reason }));
  }

  #sourceReported(decision: Decision): void {
    if (decision === 'undecided') this.undecidedAtMs ??= this.#world.clock.nowMs;
    else this.#sourceSays = decision;
  }

  #poll(): void {
    if (this.#sourceSays === 'undecided') this.#askSource();
    if (this.#destinationSays === 'undecided') this.#askDestination();
    this.process.after(POLL_MS, () => this.#poll());
  }

  #askSource(): void {
    const { network } = this.#world;
    const source = this.#source;
    network.call<{ decision: Decision; isReleased: boolean }>(
      this.process,
      source.process,
      FAR_TIMEOUT_MS,
      (answer) => {
        if (source.phase === 'new') source.outgoing();
        answer({ decision: source.decision, isReleased: source.phase === 'released' });
      },
      ({ decision, isReleased }) => {
        if (decision !== 'undecided') this.#sourceSays = decision;
        if (isReleased && this.#destinationSays !== 'undecided') this.#tellSource(this.#destinationSays);
        else if (isReleased) this.#carryRelease();
      },
      () => undefined,
    );
  }

  #tellSource(decision: Decision): void {
    const source = this.#source;
    this.#world.network.send(this.process, source.process, () => source.feed({ type: 'answer', ask: 0, decision }));
  }

  #carryRelease(): void {
    const destination = this.#destination;
    const { closings } = this.#source;
    this.#askOf((answer) => destination.released(closings, answer));
  }

  /** A source that stays asks nobody any more, so the controller has the destination's machine ended. */
  #askDestination(): void {
    const destination = this.#destination;
    if (this.#sourceSays === 'refused') this.#askOf((answer) => destination.refuse('the source stays', answer));
    else this.#askOf((answer) => destination.decisionWithin(0, answer));
  }

  #askOf(serve: (answer: (decision: Decision) => void) => void): void {
    this.#world.network.call<Decision>(
      this.process,
      this.#destination.process,
      FAR_TIMEOUT_MS,
      serve,
      (decision) => {
        if (decision !== 'undecided') this.#destinationSays = decision;
      },
      () => undefined,
    );
  }
}
