// Who has which port and which address, or is about to: so that a newcomer need not be compared with everybody (PROMISES N3).
// Pure. Several may have one, in records of whatever order; who asks hears of one that is another's.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { tenantOf } from '../forwarding/view.ts';

export class Claims {
  readonly #byMark = new Map<string, readonly Binding[]>();
  readonly #byOwner = new Map<string, readonly Binding[]>();

  /** What an owner has now, and is about to have. */
  set(owner: string, bindings: readonly Binding[]): void {
    for (const old of this.#byOwner.get(owner) ?? []) for (const mark of marksOf(old)) this.#remove(mark, owner);
    if (bindings.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, bindings);
    for (const one of bindings) for (const mark of marksOf(one)) this.#add(mark, one);
  }

  /** Another owner's binding to the same port, or with an address of the same network. */
  rivalOf(binding: Binding): Binding | undefined {
    for (const mark of marksOf(binding)) {
      const rival = this.#byMark.get(mark)?.find(({ owner }) => owner !== binding.owner);
      if (rival !== undefined) return rival;
    }
    return undefined;
  }

  #add(mark: string, binding: Binding): void {
    this.#byMark.set(mark, [...(this.#byMark.get(mark) ?? []), binding]);
  }

  #remove(mark: string, owner: string): void {
    const others = this.#byMark.get(mark)?.filter((one) => one.owner !== owner) ?? [];
    if (others.length === 0) this.#byMark.delete(mark);
    else this.#byMark.set(mark, others);
  }
}

function marksOf(binding: Binding): string[] {
  const { node, port, mac, ip } = binding;
  const tenant = tenantOf(binding);
  return [`port ${node} ${port}`, `mac ${tenant} ${mac}`, `ip ${tenant} ${ip}`];
}
