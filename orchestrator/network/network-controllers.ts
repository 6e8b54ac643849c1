// Which of the overlay's controllers is active: chosen here, durably and under a term of its own each time, and relieved by
// another one when it is silent, when it cannot record what it is told, or by order. All calls of the overlay go by way of
// here to the chosen one; while one relieves another they wait. With a single controller there is nothing to choose.
import type { Clock } from '../../common/clock.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CallOptions } from '../../common/rpc/client.ts';
import type { MethodName, Params, Progress, Result } from '../../wire/contract.ts';
import type { ControllerState } from '../../wire/contracts/network-controllers.ts';
import type { ControllerView, MeshLink, sdndContract } from '../../wire/contracts/sdnd.ts';
import type { Calls } from '../cluster.ts';
import type { NetworkControllerRecord } from '../state.ts';
import { NewestWholes } from './newest-wholes.ts';
import { withSuccessor } from './successor-wait.ts';

type Sdnd = typeof sdndContract;

/** Not longer than switches send on what comes late: whoever is relieved unheard has been away for that long. */
export const SILENT_MS = 5_000;
const SHOW_TIMEOUT_MS = 2_000;
/** Unanswered questions after which silence is somebody's: this process may have been the one that stood still. */
const UNANSWERED_MIN = 2;
/** A relief takes some round trips to the controllers; calls that have waited longer are better told so. */
const RELIEF_WAIT_MS = 10_000;
/** A call outlasts the silence after which another one takes over, and the relief after it. */
const SUCCESSOR_WAIT_MS = SILENT_MS + RELIEF_WAIT_MS;
/** Twice what switches send on what comes late: one migration may follow another. */
const STILL_MOVING_MS = 10_000;
const STILL_MOVING_LOOK_MS = 500;

export interface NetworkControllersOptions {
  /** The one that was chosen last, kept durably. */
  readonly record: {
    get(): NetworkControllerRecord | undefined;
    put(record: NetworkControllerRecord): Promise<void>;
  };
  /** By node, in the order in which they are preferred. */
  readonly controllers: ReadonlyMap<string, Calls<Sdnd> & { close(): void }>;
  /** Tells one all that there is to know: members, networks, bindings, migrations, and that this was all. */
  readonly tell: (sdnd: Calls<Sdnd>) => Promise<void>;
  /** Another one than before was chosen. */
  readonly chosen: (node: string, before: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class NetworkControllers implements Calls<Sdnd> {
  readonly #options: NetworkControllersOptions;
  /** What each said when it was last asked; undefined when it did not answer. */
  readonly #views = new Map<string, ControllerView | undefined>();
  readonly #heardAtMs = new Map<string, number>();
  /** Questions since then that were not answered. */
  readonly #unanswered = new Map<string, number>();
  /** The term under which the active one was told all by this process. */
  #toldTerm = 0;
  #highestTerm = 0;
  readonly #wholes = new NewestWholes();
  /** Those that answer and cannot record what they are told, a full disk say, since they last took over. */
  readonly #unable = new Set<string>();
  #links: MeshLink[] = [];
  #relief: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: NetworkControllersOptions) {
    this.#options = options;
    const now = options.clock.nowMs();
    for (const node of options.controllers.keys()) this.#heardAtMs.set(node, now);
  }

  /**
   * Where there are several, it waits for whoever takes over from one that is gone.
   * @throws OperationError NOT_ACTIVE while none is chosen, and what the call throws
   */
  call<N extends MethodName<Sdnd>>(
    name: N,
    params: Params<Sdnd, N>,
    options?: CallOptions<Progress<Sdnd, N>>,
  ): Promise<Result<Sdnd, N>> {
    const newest = this.#wholes.said(name, params);
    if (this.#isSingle) return this.#try(name, newest, options);
    const { clock, log } = this.#options;
    const isOver = (): boolean => this.#isClosed || this.#record === undefined;
    const wait = { waitMs: SUCCESSOR_WAIT_MS, isOver, clock, log };
    return withSuccessor(wait, () => this.#try(name, newest, options));
  }

  /**
   * Calls that wait for no successor: of what the orchestrator goes by itself to tell again and again, as it is by then. A place
   * that is told late may be one that its guest has left for good, and nobody would take it back.
   */
  readonly once: Calls<Sdnd> = {
    call: (name, params, options) => this.#try(name, this.#wholes.said(name, params), options),
  };

  async #try<N extends MethodName<Sdnd>>(
    name: N,
    newest: () => Params<Sdnd, N>,
    options?: CallOptions<Progress<Sdnd, N>>,
  ): Promise<Result<Sdnd, N>> {
    if (this.#relief !== undefined) await this.#relieved(this.#relief);
    const node = this.#chosen;
    return this.#noted(node, () => this.#client(node).call(name, newest(), options));
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#options.controllers.values()) client.close();
  }

  /** Asks all, and has one relieve the active one if need be. To be called every second or so. */
  look(): Promise<void> {
    if (this.#isSingle) return Promise.resolve();
    return this.#inTurn(async () => {
      await this.#ask();
      await this.#adopt();
      const next = this.#next();
      if (next !== undefined) await this.#take(next);
      else await this.#tellAgain();
      await this.#dismissOthers();
    });
  }

  async states(): Promise<ControllerState[]> {
    await this.#inTurn(() => this.#ask());
    const chosen = this.#isSingle ? [...this.#options.controllers.keys()][0] : this.#record?.node;
    return [...this.#options.controllers.keys()].map((node) => {
      const { role = 'unreachable', term = 0, switches = [] } = this.#views.get(node) ?? {};
      return { node, isChosen: node === chosen, role, term, switches };
    });
  }

  /**
   * Has another one relieve the active one, which ends first what it began. Without a node: the first one that answers.
   * @throws OperationError NO_STANDBY, NODE_UNKNOWN, UNREACHABLE, NOT_ACTIVE, NETWORK_MOVING
   */
  handOver(to?: string): Promise<void> {
    if (this.#isSingle) return Promise.reject(noneOther([...this.#options.controllers.keys()]));
    return this.#inTurn(async () => {
      await this.#ask();
      const from = this.#record?.node;
      const target = this.#target(from, to);
      if (from === undefined || this.#views.get(from)?.role !== 'active') throw noneActive();
      if (target === from) return;
      await this.#untilStill(from);
      await this.#relieve(async () => {
        const term = this.#nextTerm();
        const { links } = await this.#client(from).call('controller.yield', { term });
        this.#links = links;
        await this.#begin(target, term);
      });
    });
  }

  get #isSingle(): boolean {
    return this.#options.controllers.size === 1;
  }

  get #record(): NetworkControllerRecord | undefined {
    return this.#options.record.get();
  }

  #client(node: string): Calls<Sdnd> {
    const client = this.#options.controllers.get(node);
    if (client !== undefined) return client;
    throw new OperationError('NODE_UNKNOWN', `node ${node} has no controller of the overlay`, {
      remedy: `those that may have one are ${[...this.#options.controllers.keys()].join(', ')}`,
    });
  }

  get #chosen(): string {
    const [single] = this.#options.controllers.keys();
    if (this.#isSingle && single !== undefined) return single;
    if (this.#record === undefined) throw noneActive();
    return this.#record.node;
  }

  async #ask(): Promise<void> {
    const asked = [...this.#options.controllers].map(async ([node, client]) => {
      let isHeard = true;
      const view = await client.call('controller.show', {}, { timeoutMs: SHOW_TIMEOUT_MS }).catch((error: unknown) => {
        // More links than go into one answer, as a mesh of many hundred nodes may have, are no silence.
        isHeard = codeOf(error) === 'FRAME_TOO_LARGE';
        this.#options.log.debug({ node, reason: messageOf(error) }, 'it does not say what it is');
      });
      this.#views.set(node, view ?? undefined);
      this.#unanswered.set(node, isHeard ? 0 : (this.#unanswered.get(node) ?? 0) + 1);
      if (isHeard) this.#heardAtMs.set(node, this.#options.clock.nowMs());
      if (view === undefined) return;
      this.#highestTerm = Math.max(this.#highestTerm, view.term);
      if (view.role === 'active' && node === this.#record?.node) this.#links = view.links;
    });
    await Promise.all(asked);
  }

  /** An active one of a higher term than is known here: this state is older than the overlay. */
  async #adopt(): Promise<void> {
    for (const [node, view] of this.#views) {
      if (view?.role !== 'active' || view.term <= (this.#record?.term ?? 0)) continue;
      await this.#options.record.put({ node, term: view.term });
    }
  }

  /** Who is to be active from now on; undefined when nothing is to change. */
  #next(): string | undefined {
    const record = this.#record;
    const preferred = record?.node ?? [...this.#options.controllers.keys()][0] ?? '';
    const view = this.#views.get(preferred);
    // One that was restarted, or was told of a higher term, stands by, and may as well go on.
    if (view !== undefined) {
      const able = this.#unable.has(preferred) ? this.#heard.find((node) => !this.#unable.has(node)) : undefined;
      return able ?? (view.role === 'active' && view.term === record?.term ? undefined : preferred);
    }
    const silentMs = this.#options.clock.nowMs() - (this.#heardAtMs.get(preferred) ?? 0);
    const isSilent = silentMs >= SILENT_MS && (this.#unanswered.get(preferred) ?? UNANSWERED_MIN) >= UNANSWERED_MIN;
    return isSilent ? this.#firstHeard(preferred) : undefined;
  }

  get #heard(): string[] {
    return [...this.#options.controllers.keys()].filter((node) => this.#views.get(node) !== undefined);
  }

  /** Rather one that can record what it is told. */
  #firstHeard(except: string | undefined): string | undefined {
    const others = this.#heard.filter((node) => node !== except);
    return others.find((node) => !this.#unable.has(node)) ?? others[0];
  }

  #take(node: string): Promise<void> {
    return this.#relieve(() => this.#begin(node, this.#nextTerm()));
  }

  async #begin(node: string, term: number): Promise<void> {
    const before = this.#record?.node;
    await this.#options.record.put({ node, term });
    this.#highestTerm = term;
    this.#options.log.warn({ node, term, before }, "the overlay's controller is chosen");
    if (before !== undefined && before !== node) this.#options.chosen(node, before);
    await this.#noted(node, () => this.#client(node).call('controller.take', { term, links: this.#links }));
    this.#unable.delete(node);
    await this.#tell(node, term);
  }

  async #tell(node: string, term: number): Promise<void> {
    await this.#noted(node, () => this.#options.tell(this.#wholes.saidAt(this.#client(node))));
    this.#toldTerm = term;
  }

  /** The outcome of a call at that controller; one that could not record what it is about is noted. */
  async #noted<T>(node: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) === 'JOURNAL_FAILED') this.#unable.add(node);
      throw error;
    }
  }

  // What was begun here ended in the middle, here or before a restart.
  async #tellAgain(): Promise<void> {
    const record = this.#record;
    if (record === undefined || record.term === this.#toldTerm) return;
    if (this.#views.get(record.node)?.role === 'active') await this.#tell(record.node, record.term);
  }

  /** One that was relieved unheard stands by as soon as it can be told. */
  async #dismissOthers(): Promise<void> {
    const record = this.#record;
    if (record === undefined) return;
    for (const [node, view] of this.#views) {
      if (node !== record.node && view?.role === 'active' && view.term < record.term)
        await this.#client(node).call('controller.yield', { term: record.term });
    }
  }

  /** Above every one that was ever heard of, and above those that are forgotten here: they were of earlier seconds. */
  #nextTerm(): number {
    const seconds = Math.floor(this.#options.clock.wallMs() / 1_000);
    return Math.max(this.#highestTerm, this.#record?.term ?? 0, seconds) + 1;
  }

  #target(from: string | undefined, to: string | undefined): string {
    if (to !== undefined) this.#client(to);
    const target = to ?? this.#firstHeard(from);
    if (target !== undefined && this.#views.get(target) !== undefined) return target;
    throw new OperationError('UNREACHABLE', `${target ?? 'no other controller of the overlay'} does not answer`, {
      remedy: `see 'supercloud net controllers'`,
    });
  }

  async #untilStill(from: string): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + STILL_MOVING_MS;
    while (this.#views.get(from)?.isMoving === true) {
      if (clock.nowMs() >= untilMs)
        throw new OperationError('NETWORK_MOVING', 'guests have moved within the last seconds, again and again', {
          remedy: 'Try again when no migration ends.',
        });
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.setTimer(STILL_MOVING_LOOK_MS, resolve);
      await promise;
      await this.#ask();
    }
  }

  /** Meanwhile calls wait. */
  async #relieve(work: () => Promise<void>): Promise<void> {
    this.#relief = work();
    try {
      await this.#relief;
    } finally {
      this.#relief = undefined;
    }
  }

  async #relieved(relief: Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimer(RELIEF_WAIT_MS, () => reject(noneActive()));
    const ended = relief.catch(() => undefined);
    await Promise.race([ended, late]);
    timer.cancel();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

function noneOther(nodes: readonly string[]): OperationError {
  return new OperationError('NO_STANDBY', `the overlay has no other controller than that of ${nodes.join(', ')}`, {
    remedy: 'start one at another node and name it under networkStandbys in the orchestrator’s configuration',
  });
}

function noneActive(): OperationError {
  return new OperationError('NOT_ACTIVE', 'none of the overlay’s controllers is active at this moment', {
    remedy: `see 'supercloud net controllers', and try again`,
  });
}
