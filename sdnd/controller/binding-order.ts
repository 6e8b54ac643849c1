// Which of two bindings of one owner is the newer, and whether they are the same. Pure.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { tenantOf } from '../forwarding/view.ts';

export function isSameBinding(a: Binding, b: Binding): boolean {
  return isSamePlace(a, b) && a.epoch === b.epoch;
}

function isSamePlace(a: Binding, b: Binding): boolean {
  const isSameAddress = tenantOf(a) === tenantOf(b) && a.mac === b.mac && a.ip === b.ip;
  return a.node === b.node && a.port === b.port && isSameAddress;
}

/** Within an epoch an owner may change its port or address at its node, but not its node. */
export function isNewer(binding: Binding, old: Binding): boolean {
  return binding.epoch > old.epoch || (binding.epoch === old.epoch && binding.node === old.node);
}
