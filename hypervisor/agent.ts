// What the hypervisor agent answers: each call of its contract, handed to the room that does it. Commands of an earlier
// controller are refused before anything else.
import type { Clock } from '../common/clock.ts';
import { OperationError } from '../common/errors.ts';
import type { Handlers } from '../common/rpc/server.ts';
import type { Params } from '../wire/contract.ts';
import type { Capabilities, Decision, hypervisorContract } from '../wire/contracts/hypervisor.ts';
import type { AgentJournal } from './agent-journal.ts';
import type { Machines } from './machines.ts';
import type { Migrations } from './migration/migrations.ts';
import type { PairLook } from './pair/pair-look.ts';

export interface AgentParts {
  readonly capabilities: Capabilities;
  readonly machines: Machines;
  readonly migrations: Migrations;
  readonly journal: AgentJournal;
  readonly pair: PairLook;
  readonly clock: Clock;
}

export function agentHandlers(parts: AgentParts): Handlers<typeof hypervisorContract> {
  const { migrations, pair, clock } = parts;
  return {
    'clock.read': () => ({ wallMs: clock.wallMs() }),
    'peer.look': (order) => pair.look(order),
    'peer.rate': ({ peer }) => pair.rate(peer),
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
}: AgentParts): Part<
  'node.capabilities' | 'machine.list' | 'machine.create' | 'machine.delete' | 'machine.resize' | 'machine.console'
> {
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
    'machine.resize': async ({ term, vm, image, bytes }) => {
      await journal.admit(term);
      migrations.refuseIfMoving(vm);
      await machines.resize(vm, image, bytes);
      return {};
    },
    'machine.console': async ({ vm }) => ({ text: await machines.console(vm) }),
  };
}

function migrationHandlers({
  migrations,
  journal,
}: Pick<AgentParts, 'migrations' | 'journal'>): Part<
  'migration.incoming' | 'migration.warm' | 'migration.outgoing' | 'migration.abort'
> {
  const orders = new SourceOrders(migrations, journal);
  return {
    'migration.incoming': async (params) => {
      await journal.admit(params.term);
      await migrations.incoming(params);
      return {};
    },
    'migration.warm': (params) => {
      migrations.warm(params);
      return {};
    },
    'migration.outgoing': async (params, context) => {
      await journal.admit(params.term);
      const source = orders.begin(params);
      source.onProgress = (progress) => context.progress(progress);
      return source.outcome;
    },
    'migration.abort': async (params) => {
      await journal.admit(params.term);
      return { decision: await orders.giveUp(params) };
    },
  };
}

type OutgoingParams = Params<typeof hypervisorContract, 'migration.outgoing'>;
type AbortParams = Params<typeof hypervisorContract, 'migration.abort'>;

/** The source's orders. One that is given up before it came must not begin when it comes late. */
export class SourceOrders {
  readonly #migrations: Pick<Migrations, 'outgoing' | 'abort'>;
  readonly #journal: Pick<AgentJournal, 'append' | 'state'>;
  /** Begun by this process; perhaps not in the journal yet. */
  readonly #begun = new Set<string>();
  /** Their refusal is on its way into the journal. */
  readonly #givenUp = new Set<string>();

  constructor(migrations: Pick<Migrations, 'outgoing' | 'abort'>, journal: Pick<AgentJournal, 'append' | 'state'>) {
    this.#migrations = migrations;
    this.#journal = journal;
  }

  /** @throws OperationError REFUSED, and those of the migration */
  begin(params: OutgoingParams): ReturnType<Migrations['outgoing']> {
    const { migration } = params;
    if (this.#givenUp.has(migration) || this.#journal.state.refusals.has(migration))
      throw new OperationError('REFUSED', `migration ${migration} was given up before it began`);
    const source = this.#migrations.outgoing(params);
    this.#begun.add(migration);
    void source.outcome.then(() => this.#begun.delete(migration));
    return source;
  }

  /** What stands then; `refused`, durably, for a migration that has not begun here and now never will. */
  async giveUp(params: AbortParams): Promise<Decision> {
    const { migration } = params;
    const { state } = this.#journal;
    if (this.#begun.has(migration) || state.sources.has(migration)) return this.#migrations.abort(params);
    this.#givenUp.add(migration);
    if (!state.refusals.has(migration)) await this.#journal.append({ kind: 'refusal', migration });
    this.#givenUp.delete(migration);
    return 'refused';
  }
}
