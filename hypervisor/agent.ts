// What the hypervisor agent answers: each call of its contract, handed to the room that does it. Commands of an earlier
// controller are refused before anything else.
import type { Handlers } from '../common/rpc/server.ts';
import type { Capabilities, hypervisorContract } from '../wire/contracts/hypervisor.ts';
import type { AgentJournal } from './agent-journal.ts';
import type { Machines } from './machines.ts';
import type { Migrations } from './migrations.ts';

export interface AgentParts {
  readonly capabilities: Capabilities;
  readonly machines: Machines;
  readonly migrations: Migrations;
  readonly journal: AgentJournal;
}

export function agentHandlers(parts: AgentParts): Handlers<typeof hypervisorContract> {
  const { migrations } = parts;
  return {
    ...machineHandlers(parts),
    ...migrationHandlers(parts),
    'migration.record': ({ migration }) => migrations.record(migration),
    'hold.released': async (params, { peer }) => ({ decision: await migrations.released(params, peer) }),
    'hold.decision': async (params) => ({ decision: await migrations.decision(params) }),
    'hold.decided': (params) => ({ decision: migrations.decided(params) }),
    'hold.refuse': async (params, { peer }) => ({ decision: await migrations.refuse(params, peer) }),
  };
}

type Names = keyof Handlers<typeof hypervisorContract>;
type Part<N extends Names> = Pick<Handlers<typeof hypervisorContract>, N>;

function machineHandlers({
  capabilities,
  machines,
  migrations,
  journal,
}: AgentParts): Part<'node.capabilities' | 'machine.list' | 'machine.create' | 'machine.delete' | 'machine.console'> {
  return {
    'node.capabilities': () => capabilities,
    'machine.list': async () => ({ machines: await machines.list() }),
    'machine.create': async ({ term, epoch, spec, sockets, port }) => {
      await journal.admit(term);
      migrations.refuseIfMoving(spec.vm);
      await machines.create({ kind: 'machine', epoch, spec, sockets, port });
      return {};
    },
    'machine.delete': async ({ term, vm }) => {
      await journal.admit(term);
      migrations.refuseIfMoving(vm);
      await machines.delete(vm);
      return {};
    },
    'machine.console': async ({ vm }) => ({ text: await machines.console(vm) }),
  };
}

function migrationHandlers({
  migrations,
  journal,
}: AgentParts): Part<'migration.incoming' | 'migration.outgoing' | 'migration.abort'> {
  return {
    'migration.incoming': async (params) => {
      await journal.admit(params.term);
      await migrations.incoming(params);
      return {};
    },
    'migration.outgoing': async (params, context) => {
      await journal.admit(params.term);
      const source = migrations.outgoing(params);
      source.onProgress = (progress) => context.progress(progress);
      return source.outcome;
    },
    'migration.abort': async (params) => {
      await journal.admit(params.term);
      return { decision: migrations.abort(params) };
    },
  };
}
