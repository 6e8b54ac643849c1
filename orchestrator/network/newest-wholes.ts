// What the overlay's controller is told as a whole: the members, the networks, the security groups. A call that waits for a
// successor says at each try what was said last, by whomever: its own words may be older by then than what that one was told,
// and would undo it. Sees to nothing else: who is told, and how often, is decided elsewhere.
import type { Contract, MethodName, Params } from '../../wire/contract.ts';
import type { sdndContract } from '../../wire/contracts/sdnd.ts';
import type { Calls } from '../cluster.ts';

type Sdnd = typeof sdndContract;

/** Each says all that there is of its kind as the state has it at that moment; so the one that was begun last is right. */
const WHOLES: readonly MethodName<Sdnd>[] = ['members.set', 'networks.set', 'groups.set'];

/** Only what is told as a whole is kept. */
type Said<C extends Contract> = { [N in MethodName<C>]?: Params<C, N> };

export class NewestWholes {
  readonly #last: Said<Sdnd> = {};

  /** Of a call that is begun: what is to be said, asked for at each of its tries. */
  said<N extends MethodName<Sdnd>>(name: N, params: Params<Sdnd, N>): () => Params<Sdnd, N> {
    if (!WHOLES.includes(name)) return () => params;
    Object.assign(this.#last, { [name]: params });
    return () => this.#last[name] ?? params;
  }

  /** One controller, what is said to which is said like all else. */
  saidAt(sdnd: Calls<Sdnd>): Calls<Sdnd> {
    return { call: (name, params, options) => sdnd.call(name, this.said(name, params)(), options) };
  }
}
