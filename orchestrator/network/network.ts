// What the overlay's controller must know, told again whenever it may have forgotten: every address and where it is, and
// every migration for which the switches were prepared; before them the guests' network itself.
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Params } from '../../wire/contract.ts';
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding, sdndContract } from '../../wire/contracts/sdnd.ts';
import type { Admission } from '../admission.ts';
import type { Calls, Cluster } from '../cluster.ts';
import { isBeforeMemory, isEnded } from '../migration/migration-journal.ts';
import type { AddressRecord, State, VmRecord } from '../state.ts';
import { egressOf } from './egress.ts';
import { guestNetwork } from './guest-network.ts';
import { withIpv6 } from './ipv6.ts';
import { stubsOf } from './network-stubs.ts';
import type { SecurityGroups } from './security-groups.ts';

/** The overlay's controller: the active one, unless one is named that is about to be. */
type OverlayCalls = Calls<typeof sdndContract>;

/** What the overlay's controller says of a place or an address that can never be: told again it says so again. */
const REFUSALS: readonly (string | undefined)[] = [
  'BAD_PARAMS',
  'ADDRESS_TAKEN',
  'ADDRESS_BAD',
  'PORT_BAD',
  // Of a migration: its guest's own binding was refused.
  'NOT_BOUND',
];
/** Where more is refused the fault is hardly in each of them (two releases that do not understand each other, say). */
const REFUSED_MAX = 4;

export class Network {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #admission: Admission;
  readonly #groups: SecurityGroups;
  readonly #plan: GuestNetworkPlan;
  readonly #log: Log;
  /** By owner: why the overlay's controller has no place for it, as it was last told. */
  readonly #refused = new Map<string, string>();

  constructor(options: {
    state: State;
    cluster: Cluster;
    admission: Admission;
    groups: SecurityGroups;
    plan?: GuestNetworkPlan;
    log: Log;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#admission = options.admission;
    this.#groups = options.groups;
    this.#plan = options.plan ?? guestNetwork();
    this.#log = options.log;
  }

  /**
   * Binds an address outside any VM; again with other values moves it. What the overlay refuses is not kept.
   * @throws OperationError ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED, ADDRESS_BAD, PORT_BAD
   */
  async setAddress(address: Omit<AddressRecord, 'epoch'>): Promise<void> {
    const { binding, before } = await this.#admission.inTurn(() => this.#keep(address));
    try {
      await this.#cluster.controller.sdnd.call('binding.set', { binding });
    } catch (error) {
      if (isRefusal(error)) await this.#admission.inTurn(() => this.#takeBack(binding, before));
      throw error;
    }
  }

  async #keep(
    address: Omit<AddressRecord, 'epoch'>,
  ): Promise<{ binding: AddressRecord; before: AddressRecord | undefined }> {
    const { owner } = address;
    if (this.#state.get('vms', owner) !== undefined) this.#admission.checkName(owner);
    this.#admission.checkAddress(address);
    const before = this.#state.get('addresses', owner);
    const binding = { ...address, epoch: (before?.epoch ?? 0) + 1 };
    await this.#state.put('addresses', owner, binding);
    return { binding, before };
  }

  async #takeBack(refused: AddressRecord, before: AddressRecord | undefined): Promise<void> {
    const { owner } = refused;
    if (this.#state.get('addresses', owner) !== refused) return;
    if (before === undefined) await this.#state.remove('addresses', owner);
    else await this.#state.put('addresses', owner, before);
  }

  /** The guests' network as it is now, with its way out, its stubs and its IPv6. */
  async tellNetwork(sdnd: OverlayCalls = this.#cluster.controller.sdnd): Promise<void> {
    const { egress } = egressOf(this.#state, this.#plan);
    const plan = { ...withIpv6(this.#state, this.#plan), ...stubsOf(this.#state, this.#plan) };
    const network = egress === undefined ? plan : { ...plan, egress };
    await sdnd.call('networks.set', { networks: [network] });
  }

  /** Every binding that holds now; a VM on its way keeps its old one until the destination runs. */
  #bindings(): Binding[] {
    const vms = this.#state.all('vms').flatMap((record) => bindingOf(record) ?? []);
    return [...vms, ...this.#state.all('addresses')];
  }

  /** The same of one owner. */
  #binding(owner: string): Binding | undefined {
    const vm = this.#state.get('vms', owner);
    return vm === undefined ? this.#state.get('addresses', owner) : bindingOf(vm);
  }

  /**
   * Where the migrations lead that are not over and of which the switches may know. Those stand whose memory goes, or has gone:
   * of them it is known that the destination's switch has taken them. Before that a switch that is not ready ends the migration.
   */
  #preparations(): Params<typeof sdndContract, 'migration.prepare'>[] {
    return this.#state.all('migrations').flatMap((record) => {
      const { migration, vm, to: node, port, epoch, toUndo } = record;
      const spec = this.#state.get('vms', vm)?.spec;
      if (spec === undefined || isEnded(record) || !toUndo.includes('flows')) return [];
      const to = { owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch };
      return [{ migration, to, ...(isBeforeMemory(record) ? {} : { isStanding: true }) }];
    });
  }

  /**
   * Tells the overlay's controller what it does not know: after it restarted, or was not reached. Only when all of it
   * was taken, but for what can never be, is it told so, and may take flows for the past that it has no use for. Its calls must
   * wait for no successor: each says what is so when it is made, and the whole of it comes again.
   */
  async repeat(sdnd: OverlayCalls): Promise<void> {
    await this.tellNetwork(sdnd);
    // Before the first binding: no guest is there unfiltered for a moment.
    await this.#groups.tell(sdnd);
    const { epochs, term } = await knownTo(sdnd);
    let refused = 0;
    for (const { owner } of this.#bindings()) {
      // As it is by now: while others were told it may have moved, or gone for good.
      const binding = this.#binding(owner);
      if (binding === undefined || (epochs.get(owner) ?? -1) >= binding.epoch) continue;
      if (!(await this.#isTaken(owner, () => sdnd.call('binding.set', { binding })))) refused++;
    }
    for (const preparation of this.#preparations()) {
      const prepare = () => sdnd.call('migration.prepare', preparation).catch(throwUnlessOver);
      if (!(await this.#isTaken(preparation.to.owner, prepare))) refused++;
    }
    if (refused > REFUSED_MAX)
      throw new OperationError('NOT_TOLD', `the overlay's controller refuses ${refused} of its guests' places`, {
        remedy: 'See the log of the orchestrator, and run one release on all nodes.',
      });
    await sdnd.call('state.told', { term });
  }

  /** One for which there is no place must not keep all others, and the word that this was all, waiting. */
  async #isTaken(owner: string, tell: () => Promise<unknown>): Promise<boolean> {
    try {
      await tell();
      this.#refused.delete(owner);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const reason = messageOf(error);
      if (this.#refused.get(owner) !== reason) this.#log.error({ owner, reason }, 'the overlay has no place for it');
      this.#refused.set(owner, reason);
      return false;
    }
  }
}

function bindingOf({ vm, node, phase, port, epoch, spec }: VmRecord): Binding | undefined {
  if (phase !== 'settled' || port === '') return undefined;
  return { owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch };
}

function isRefusal(error: unknown): boolean {
  return REFUSALS.includes(codeOf(error));
}

/** Which epoch of whom it knows. One that was restarted meanwhile is asked anew: what an earlier life knew may be lost. */
async function knownTo(sdnd: OverlayCalls): Promise<{ epochs: ReadonlyMap<string, number>; term: number }> {
  const epochs = new Map<string, number>();
  const first = await sdnd.call('binding.list', {});
  for (let part = first; part.term === first.term; part = await sdnd.call('binding.list', { from: epochs.size })) {
    for (const { owner, epoch } of part.bindings) epochs.set(owner, epoch);
    if (!part.isMore) return { epochs, term: first.term };
  }
  return knownTo(sdnd);
}

/** The controller knows already how that migration ended, or its guest under a newer epoch. */
function throwUnlessOver(error: unknown): void {
  const code = codeOf(error);
  if (code !== 'MIGRATION_OVER' && code !== 'EPOCH_STALE') throw error;
}
