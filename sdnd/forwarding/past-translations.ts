// Whose connections a switch has to forget since their translation is another one now. A connection keeps the address that it
// was given at its beginning as long as something goes by it, and under any but its network's nothing leaves: whoever sends
// from one port to one other without a pause would not get out again. Pure.
import { CtFlag, NatFlag } from '@openflow/ofp';
import { type Flow, flowKey } from '../flow.ts';
import type { FlowDiff } from '../flow-diff.ts';

/** An address under which connections of a zone leave. */
interface Translation {
  readonly zone: number;
  readonly address: unknown;
}

/**
 * Zones in which entries that are replaced gave another address. One that only goes says nothing: its port may be away for a
 * moment, and its connections go on when it is back.
 */
export function zonesToForget({ puts }: FlowDiff, installed: ReadonlyMap<string, Flow>): number[] {
  const zones = puts.flatMap((flow) => {
    const before = installed.get(flowKey(flow));
    const now = translationsOf(flow);
    const past = (before === undefined ? [] : translationsOf(before)).filter(
      (one) => !now.some(({ zone, address }) => zone === one.zone && address === one.address),
    );
    return past.map(({ zone }) => zone);
  });
  return [...new Set(zones)];
}

function translationsOf({ instructions }: Flow): Translation[] {
  const actions = instructions.flatMap((one) => (one.type === 'apply-actions' ? one.actions : []));
  return actions.flatMap((action) => {
    if (action.type !== 'nx-ct' || (action.flags & CtFlag.commit) === 0 || typeof action.zone !== 'number') return [];
    const { zone } = action;
    return action.actions.flatMap((nested) =>
      nested.type === 'nx-nat' && (nested.flags & NatFlag.source) !== 0
        ? [{ zone, address: nested.addresses?.min }]
        : [],
    );
  });
}
