// Moves VMs to what they ask for (TOCS 2017, 3.3): a node says that a VM there has sent to a stub of another place; that is
// noted as an event, and the VM is migrated there, unless the stub's policy is only to tell. What was sent meanwhile is lost, and
// sent again by the guest.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { StubOrder } from '../../wire/contracts/network-stubs.ts';
import type { Cluster } from '../cluster.ts';
import type { State } from '../state.ts';
import { Turn } from '../turn.ts';
import { stubNodes } from './network-stubs.ts';
import type { StubEvents } from './stub-events.ts';

/** A VM that needs two resources in two places works at each for a while, instead of travelling all the time. */
const STAY_MS = 60_000;
/** After a migration that failed. */
const RETRY_MS = 30_000;

const ONLY_TOLD = "the stub's policy is to tell: nothing moves it by itself";
const STAYS = 'a stub has moved it within the last minute';

export interface StubMovesParts {
  readonly state: State;
  readonly cluster: Pick<Cluster, 'isUp'>;
  readonly events: Pick<StubEvents, 'asked' | 'note'>;
  /** Migrates a VM to a node; answers when it has moved. */
  readonly migrate: (vm: string, to: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

export class StubMoves {
  readonly #parts: StubMovesParts;
  readonly #turn = new Turn();
  readonly #moving = new Set<string>();
  /** By VM: until when no stub moves it, and why. */
  readonly #resting = new Map<string, { readonly untilMs: number; readonly trouble: string }>();

  constructor(parts: StubMovesParts) {
    this.#parts = parts;
  }

  /** Notes it, and begins what follows from it. */
  async asked(vm: string, node: string, stub: string): Promise<void> {
    const { state, events } = this.#parts;
    const order = state.get('stubs', stub);
    const isThere = (): boolean => state.get('vms', vm)?.node === node;
    // Its agent may not have heard yet that the stub is gone or that the guest has arrived.
    if (order === undefined || !isThere() || stubNodes(state, order).includes(node)) return;
    await this.#turn.take(() => (isThere() ? events.asked(vm, node, order) : undefined));
    void this.#follow(vm, order).catch((error: unknown) => {
      this.#parts.log.warn({ vm, stub, reason: messageOf(error) }, 'the event is not noted');
    });
  }

  async #follow(vm: string, order: StubOrder): Promise<void> {
    const { state, cluster, clock, events } = this.#parts;
    if (this.#moving.has(vm)) return;
    if (order.policy === 'tell') return events.note(vm, order.name, ONLY_TOLD);
    const rest = this.#resting.get(vm);
    if (rest !== undefined && rest.untilMs > clock.nowMs()) return events.note(vm, order.name, rest.trouble);
    const to = stubNodes(state, order).find((node) => cluster.isUp(node));
    if (to === undefined) return events.note(vm, order.name, `no node of ${order.place} that leads to it is up`);
    await this.#move(vm, to, order);
  }

  async #move(vm: string, to: string, { name }: StubOrder): Promise<void> {
    const { migrate, events, log } = this.#parts;
    this.#moving.add(vm);
    try {
      await events.note(vm, name, '');
      log.info({ vm, to, stub: name }, 'a VM is moved to what it asks for');
      await migrate(vm, to);
      this.#rest(vm, STAY_MS, STAYS);
    } catch (error) {
      const trouble = messageOf(error);
      log.warn({ vm, to, stub: name, reason: trouble }, 'a VM is not moved to what it asks for');
      this.#rest(vm, RETRY_MS, trouble);
      await events.note(vm, name, trouble);
    } finally {
      this.#moving.delete(vm);
    }
  }

  #rest(vm: string, ms: number, trouble: string): void {
    const now = this.#parts.clock.nowMs();
    for (const [other, { untilMs }] of this.#resting) if (untilMs <= now) this.#resting.delete(other);
    this.#resting.set(vm, { untilMs: now + ms, trouble });
  }
}
