// Bugs to plant in the overlay's flows (SOUNDNESS C). Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const NETWORK_MUTANTS: readonly Mutant[] = [
  {
    name: 'a frame that is sent on keeps its hop budget',
    room: 'sdnd/forwarding/delivery.ts',
    find: 'act(setBudget(index), output(onward))',
    replace: 'act(setBudget(index + 1), output(onward))',
    by: 'sim/net',
  },
  {
    name: 'a frame whose hop budget is used up is sent on',
    room: 'sdnd/forwarding/delivery.ts',
    find: 'tunnelId: budgetTunnelIds(index + 1)',
    replace: 'tunnelId: budgetTunnelIds(index)',
    by: 'sim/net',
  },
  {
    name: 'an old place sends late frames on for ever',
    room: 'sdnd/forwarding/delivery.ts',
    find: 'return { ...flow, hardTimeoutSec: LATE_FORWARD_SEC };',
    replace: 'return flow;',
    and: [
      {
        room: 'sdnd/forwarding/admission.ts',
        find: '.map((flow) => ({ ...flow, hardTimeoutSec: LATE_FORWARD_SEC }))',
        replace: '',
      },
    ],
    by: 'sim/net',
  },
  {
    name: 'the tunnel lets every node speak for every guest',
    room: 'sdnd/forwarding/admission.ts',
    find: 'tunnelId: tenantTunnelIds(tenant), tunIpv4Src: address }',
    replace: 'tunnelId: tenantTunnelIds(tenant), ...(address < 0 ? {} : {}) }',
    by: 'sim/net',
  },
  {
    name: 'frames for a guest are admitted from its old place only, not those that are sent on to it',
    room: 'sdnd/forwarding/admission.ts',
    find: 'if (prepared?.isHere === true) return admit(active.binding.node);',
    replace: 'if (prepared?.isHere === true) return [];',
    by: 'sim/net',
  },
  {
    name: 'the tenant of a destination is not looked at',
    room: 'sdnd/forwarding/delivery.ts',
    find: 'return { reg2: tenant, ethDst: ethAddress(binding.mac) };',
    replace: 'return { ...(tenant < 0 ? {} : {}), ethDst: ethAddress(binding.mac) };',
    by: 'sim/net',
  },
  {
    name: 'a switch holds the guests of every tenant',
    room: 'sdnd/forwarding/guest.ts',
    find: 'guests.filter(({ tenant }) => held.has(tenant))',
    replace: 'guests.filter(({ tenant }) => held.has(tenant) || tenant > 0)',
    by: 'sim/net',
  },
  {
    name: 'what is too much goes before what is missing is there',
    room: 'sdnd/flow-diff.ts',
    find: 'return [...puts.map(putMod), ...removals.map(removalMod)];',
    replace: 'return [...removals.map(removalMod), ...puts.map(putMod)];',
    by: 'sim/net',
  },
  {
    name: 'a rule is replaced before its exception is there',
    room: 'sdnd/flow-diff.ts',
    find: 'return b.tableId - a.tableId || b.priority - a.priority;',
    replace: 'return b.tableId - a.tableId || a.priority - b.priority;',
    by: 'sim/net',
  },
];
