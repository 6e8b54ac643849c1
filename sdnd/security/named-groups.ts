// Which groups the rules of a tenant's members at one switch name, each way and over each protocol: of their members alone the
// switch has to know the addresses. Pure.
import type { SecurityGroup, SecurityRule } from '../../wire/contracts/security-groups.ts';
import type { Membership } from './members.ts';

export type Direction = SecurityRule['direction'];
type Ethertype = SecurityRule['ethertype'];
type Side = `${Direction} ${Ethertype}`;

export class NamedGroups {
  /** All of them, to be compared. */
  readonly text: string;
  readonly #names = new Map<Side, Set<string>>();

  /** `owners`: the guests at the switch. */
  constructor(groups: Membership, owners: Iterable<string>) {
    const here = new Set<SecurityGroup>();
    for (const owner of owners) for (const group of groups.of(owner)) here.add(group);
    for (const { rules } of here) for (const rule of rules) this.#add(rule);
    this.text = [...this.#names]
      .flatMap(([side, names]) => [...names].map((name) => `${side} ${name}`))
      .sort()
      .join();
  }

  /** Those of a guest's groups that a rule here names for its far ends. In an order that is always the same. */
  of(own: readonly SecurityGroup[], direction: Direction, ethertype: Ethertype): string[] {
    const names = this.#names.get(`${direction} ${ethertype}`);
    if (names === undefined) return [];
    return own.flatMap(({ name }) => (names.has(name) ? [name] : [])).sort();
  }

  /** Those each way and over each protocol, to be compared. */
  textOf(own: readonly SecurityGroup[]): string {
    const sides = [...this.#names].map(([side, names]) => {
      return own.flatMap(({ name }) => (names.has(name) ? [`${side} ${name}`] : []));
    });
    return sides.flat().sort().join();
  }

  #add({ direction, ethertype, remoteGroup }: SecurityRule): void {
    if (remoteGroup === undefined) return;
    const side: Side = `${direction} ${ethertype}`;
    this.#names.set(side, (this.#names.get(side) ?? new Set()).add(remoteGroup));
  }
}
