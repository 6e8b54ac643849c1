// Bugs to plant where a node answers its guests (SOUNDNESS C9, C10). Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const GUEST_MUTANTS: readonly Mutant[] = [
  {
    name: 'agents are told of guests by a controller that does not know all of them yet',
    room: 'sdnd/controller/controller.ts',
    find: 'if (this.#isTold) this.#agents.tell(touched);',
    replace: 'this.#agents.tell(touched);',
    by: 'unit/sdnd/agent-teller',
  },
  {
    name: 'an agent is told of tenants that have no port there',
    room: 'sdnd/controller/agent-teller.ts',
    find: 'networks.filter(({ tenant }) => tenants.has(tenant))',
    replace: 'networks.filter(({ tenant }) => tenants.has(tenant) || tenant > 0)',
    by: 'unit/sdnd/agent-teller',
  },
  {
    name: 'an agent that was away is told nothing when it is back',
    room: 'sdnd/controller/agent-teller.ts',
    find: 'if (!isTaken) told.networks = undefined;',
    replace: '',
    by: 'unit/sdnd/agent-teller',
  },
  {
    name: 'where a guest is about to be its network is not told of',
    room: 'sdnd/forwarding/guest-index.ts',
    find: '[guest.binding, guest.prepared, guest.departed]',
    replace: '[guest.binding, guest.departed]',
    by: 'unit/sdnd/agent-teller',
  },
  {
    name: 'an agent goes back to what an earlier controller told it',
    room: 'sdnd/agent/guest-book.ts',
    find: 'if (order < 0) throw stale(news, this.#news);',
    replace: '',
    by: 'unit/sdnd/guest-book',
  },
  {
    name: 'an agent answers by what it could not keep',
    room: 'sdnd/agent/guest-book.ts',
    find: '    await this.#disk.replace(',
    replace: '    this.#news = news;\n    await this.#disk.replace(',
    by: 'unit/sdnd/guest-book',
  },
  {
    name: "a guest's services hear frames from every MAC address",
    room: 'sdnd/agent/service-flows.ts',
    find: 'match: { inPort: portNo, ethSrc: mac, ...match }',
    replace: 'match: { inPort: portNo, ...(mac === undefined ? {} : match) }',
    by: 'unit/sdnd/guest-book',
  },
  {
    name: "a port's way to the services has no meter",
    room: 'sdnd/agent/service-flows.ts',
    find: "[{ type: 'meter', meterId: portNo }, applyActions(TO_SERVICES)]",
    replace: '[applyActions(TO_SERVICES)]',
    by: 'unit/sdnd/guest-book',
  },
  {
    name: "a guest may have the services' address",
    room: 'orchestrator/network/guest-network.ts',
    find: 'if (!isEdge && ip !== services) return;',
    replace: 'if (!isEdge) return;',
    by: 'unit/orchestrator/guest-network',
  },
];
