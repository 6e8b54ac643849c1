// Whose connections a switch has to forget since their translation is another one now. A connection keeps the address that it
// was given at its beginning as long as something goes by it, and under any but its network's nothing leaves: whoever sends
// from one port to one other without a pause would not get out again. Pure.
import { CtFlag, NatFlag } from '@openflow/ofp';
import { type Flow, flowKey } from '../flow.ts';
import type { FlowDiff } from '../flow-diff.ts';

/** By zone the addresses under which its connections leave. */
export type Translations = Map<number, ReadonlySet<unknown>>;

/**
 * Zones in which entries that are replaced gave another address, or others gave one when the switch last confirmed what it has. One
 * that only goes says nothing: its port may be away for a moment, and its connections go on when it is back.
 */
export function zonesToForget(
  { puts }: FlowDiff,
  installed: ReadonlyMap<string, Flow>,
  now: Translations,
  confirmed: Translations,
): number[] {
  const replaced = puts.flatMap((flow) => {
    const before = installed.get(flowKey(flow));
    return before === undefined ? [] : changedIn(translationsIn([before]), translationsIn([flow]));
  });
  return [...new Set([...replaced, ...changedIn(confirmed, now)])];
}

/** What entries give. */
export function translationsIn(flows: Iterable<Flow>): Translations {
  const found: Translations = new Map();
  for (const { instructions } of flows) {
    const actions = instructions.flatMap((one) => (one.type === 'apply-actions' ? one.actions : []));
    for (const action of actions) {
      if (action.type !== 'nx-ct' || (action.flags & CtFlag.commit) === 0 || typeof action.zone !== 'number') continue;
      for (const nested of action.actions) {
        if (nested.type !== 'nx-nat' || (nested.flags & NatFlag.source) === 0) continue;
        found.set(action.zone, new Set([...(found.get(action.zone) ?? []), nested.addresses?.min]));
      }
    }
  }
  return found;
}

/** Zones that have addresses in both, and had one that they have no more. */
function changedIn(before: Translations, now: Translations): number[] {
  return [...before].flatMap(([zone, addresses]) => {
    const others = now.get(zone);
    return others !== undefined && [...addresses].some((one) => !others.has(one)) ? [zone] : [];
  });
}
