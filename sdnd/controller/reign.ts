// One controller's time as the active one: an overlay, its controller and who tells the agents, made under one term and
// ended together. What it began and had not ended by then is not answered as done.
import type { Port } from '@openflow/ofp';
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { OpenFlowChannel } from '../session/openflow-channel.ts';
import { AgentTeller, type AgentTellerParts } from './agent-teller.ts';
import { Controller, type ControllerParts, type OverlayHandlers } from './controller.ts';
import type { Overlay } from './overlay.ts';

/** A preparation may wait 5 s for its port; the other commands wait 2 s at most for a switch. */
const SETTLED_TIMEOUT_MS = 6_000;

export interface ReignParts {
  readonly overlay: Overlay;
  /** What the overlay holds is not this controller's own past. */
  readonly isNew: boolean;
  readonly journal: ControllerParts['journal'];
  readonly tellAgent: AgentTellerParts['call'];
  readonly connectionsOf: ControllerParts['connectionsOf'];
  /** This node's switch or agent obeys a higher term. */
  readonly outranked: (node: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Reign {
  readonly overlay: Overlay;
  readonly term: number;
  readonly handlers: OverlayHandlers;
  readonly #agents: AgentTeller;
  readonly #controller: Controller;
  readonly #over = new AbortController();
  /** Nodes whose switch it has ruled, and those among them that obey another one now. */
  readonly #ruled = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #clock: Clock;

  constructor({ overlay, isNew, journal, tellAgent, connectionsOf, outranked, clock, log }: ReignParts) {
    const base = { overlay, clock, log };
    this.overlay = overlay;
    this.#clock = clock;
    this.term = overlay.term;
    this.#agents = new AgentTeller({ ...base, term: this.term, call: tellAgent, outranked });
    this.#controller = new Controller({ ...base, isNew, journal, agents: this.#agents, connectionsOf });
    this.handlers = this.#controller.handlers();
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts at its end. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get isMoving(): boolean {
    return this.#controller.isMoving;
  }

  get switchFigures(): Controller['switchFigures'] {
    return this.#controller.switchFigures;
  }

  /** A switch has made this controller its master. */
  ready(node: string, channel: OpenFlowChannel, datapathId: bigint, ports: readonly Port[]): void {
    this.#ruled.add(node);
    this.#lost.delete(node);
    this.#controller.ready(node, channel, datapathId, ports);
  }

  port(...news: Parameters<Controller['port']>): void {
    this.#controller.port(...news);
  }

  closed(...news: Parameters<Controller['closed']>): void {
    this.#controller.closed(...news);
  }

  /**
   * A node obeys a higher term. Answers whether most do: one switch that says so may be wrong, or say anything, and must not
   * take all others' controller away. `attached`: who is connected; at a reign's beginning most of these have not answered yet.
   */
  loses(node: string, attached: Iterable<string>): boolean {
    this.#ruled.add(node);
    this.#lost.add(node);
    return 2 * this.#lost.size > new Set([...this.#ruled, ...attached]).size;
  }

  /** The outcome of a command that was begun under this reign. @throws OperationError NOT_ACTIVE when it is over by then */
  async during<T>(work: () => Promise<T> | T): Promise<T> {
    const running = (async () => work())();
    this.#running.add(running);
    try {
      const result = await running;
      if (this.isOver) throw notActive();
      return result;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Resolves when the commands that were begun are done, with all that follows from them, or have had the time for it. */
  async settled(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(SETTLED_TIMEOUT_MS, resolve);
    const done = Promise.allSettled(this.#running).then(() => this.#controller.carried());
    await Promise.race([done, late]);
    timer.cancel();
  }

  /** Switches and agents keep what they have. */
  end(): void {
    this.#over.abort();
    this.#controller.close();
    this.#agents.close();
  }
}

export function notActive(): OperationError {
  return new OperationError(
    'NOT_ACTIVE',
    'this controller of the overlay stands by: another one is active, or is about to be',
    {
      remedy: `see which one with 'supercloud net controllers', and try again`,
    },
  );
}
