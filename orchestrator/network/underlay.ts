// The members' places in the encrypted underlay: a node says its own, durably, and hears of all. Who a node is its certificate
// says; no node takes another one's address or key, and so none is sent what is for another.
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { UnderlayMember, UnderlayPlace, underlayContract } from '../../wire/contracts/underlay.ts';
import type { State } from '../state.ts';

type Tell = (told: { members: UnderlayMember[]; away?: string[] }) => void;

export interface UnderlayParts {
  readonly state: Pick<State, 'all' | 'get' | 'put'>;
  /** Whether a node gave no sign of life for long; undefined: that is not known yet. */
  readonly isAway: (node: string) => boolean | undefined;
}

export class Underlay {
  readonly #state: UnderlayParts['state'];
  readonly #isAway: UnderlayParts['isAway'];
  readonly #sessions = new Set<Tell>();
  /** One place after the other is compared with all that stand. */
  #turn: Promise<unknown> = Promise.resolve();
  /** As it was told last; undefined as long as that is not known: who was told of it by an earlier controller goes by that. */
  #away: string[] | undefined;

  constructor({ state, isAway }: UnderlayParts) {
    this.#state = state;
    this.#isAway = isAway;
  }

  /** Those that have a place. */
  get members(): UnderlayMember[] {
    return this.#state.all('underlay');
  }

  /** Of those that others can send to: who is to relay nothing now. */
  get away(): readonly string[] {
    return this.#away ?? [];
  }

  /** Tells all who can relay, if that is other than it was; to be called every few seconds. */
  look(): void {
    const nodes = this.members.flatMap(({ node, outer }) => (outer === undefined ? [] : [node]));
    const states = nodes.map(this.#isAway);
    if (states.includes(undefined)) return;
    const away = nodes.filter((_, at) => states[at] === true).sort();
    if (this.#away !== undefined && String(away) === String(this.#away)) return;
    this.#away = away;
    for (const tell of this.#sessions) tell(this.#told);
  }

  get #told(): Parameters<Tell>[0] {
    return { members: this.members, ...(this.#away !== undefined && { away: this.#away }) };
  }

  /** The calls of the contract. */
  handlers(): Handlers<typeof underlayContract> {
    return {
      'underlay.join': (place, { peer, progress, signal }) => this.#join(peer.node, place, progress, signal),
    };
  }

  /** Resolves when the caller's session is over. @throws OperationError PLACE_TAKEN */
  async #join(node: string, place: UnderlayPlace, tell: Tell, signal: AbortSignal): Promise<Record<string, never>> {
    const member = { node, ...place };
    const taken = this.#turn.then(() => this.#take(member));
    this.#turn = taken.catch(() => undefined);
    await taken;
    this.#sessions.add(tell);
    tell(this.#told);
    await ended(signal);
    this.#sessions.delete(tell);
    return {};
  }

  async #take(member: UnderlayMember): Promise<void> {
    const others = this.members.filter(({ node }) => node !== member.node);
    const owner = others.find(
      ({ address, keys }) => address === member.address || keys.some((key) => has(member, key)),
    );
    if (owner !== undefined) throw taken(member, owner);
    if (JSON.stringify(this.#state.get('underlay', member.node)) === JSON.stringify(member)) return;
    await this.#state.put('underlay', member.node, member);
    for (const tell of this.#sessions) tell(this.#told);
  }
}

function has({ keys }: UnderlayMember, key: string): boolean {
  return keys.some((own) => own === key);
}

function taken({ node, address }: UnderlayMember, owner: UnderlayMember): OperationError {
  const message = `${node} cannot be ${address} in the underlay under its key: ${owner.node} has the address or the key`;
  return new OperationError('PLACE_TAKEN', message, {
    remedy: 'Give each node an address of its own, and never copy the key of one to another.',
  });
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
