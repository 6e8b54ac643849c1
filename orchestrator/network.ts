// What the overlay's controller must know, told again whenever it may have forgotten: every address and where it is, and
// every migration for which the switches were prepared; before them the guests' network itself.
import { codeOf } from '../common/errors.ts';
import type { GuestNetworkPlan } from '../wire/contracts/guest-network.ts';
import type { Binding, sdndContract } from '../wire/contracts/sdnd.ts';
import type { Admission } from './admission.ts';
import type { Calls, Cluster } from './cluster.ts';
import { egressOf } from './egress.ts';
import { guestNetwork } from './guest-network.ts';
import { isEnded } from './migration-journal.ts';
import type { SecurityGroups } from './security-groups.ts';
import type { AddressRecord, State } from './state.ts';

/** The overlay's controller: the active one, unless one is named that is about to be. */
type OverlayCalls = Calls<typeof sdndContract>;

export class Network {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #admission: Admission;
  readonly #groups: SecurityGroups;
  readonly #plan: GuestNetworkPlan;

  constructor(options: {
    state: State;
    cluster: Cluster;
    admission: Admission;
    groups: SecurityGroups;
    plan?: GuestNetworkPlan;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#admission = options.admission;
    this.#groups = options.groups;
    this.#plan = options.plan ?? guestNetwork();
  }

  /** Binds an address outside any VM; again with other values moves it. @throws OperationError ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED */
  async setAddress(address: Omit<AddressRecord, 'epoch'>): Promise<void> {
    const binding = await this.#admission.inTurn(() => this.#keep(address));
    await this.#cluster.controller.sdnd.call('binding.set', { binding });
  }

  async #keep(address: Omit<AddressRecord, 'epoch'>): Promise<AddressRecord> {
    const { owner } = address;
    if (this.#state.get('vms', owner) !== undefined) this.#admission.checkName(owner);
    this.#admission.checkAddress(address);
    const record = { ...address, epoch: (this.#state.get('addresses', owner)?.epoch ?? 0) + 1 };
    await this.#state.put('addresses', owner, record);
    return record;
  }

  /** The guests' network as it is now, with its way out. */
  async tellNetwork(sdnd: OverlayCalls = this.#cluster.controller.sdnd): Promise<void> {
    const { egress } = egressOf(this.#state, this.#plan);
    const network = egress === undefined ? this.#plan : { ...this.#plan, egress };
    await sdnd.call('networks.set', { networks: [network] });
  }

  /** Every binding that holds now; a VM on its way keeps its old one until the destination runs. */
  #bindings(): Binding[] {
    const vms = this.#state
      .all('vms')
      .filter(({ phase, port }) => phase === 'settled' && port !== '')
      .map(({ vm, node, port, epoch, spec }) => ({ owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch }));
    return [...vms, ...this.#state.all('addresses')];
  }

  /** Where the migrations lead that are not over and of which the switches may know. */
  #preparations(): { readonly migration: string; readonly to: Binding }[] {
    return this.#state.all('migrations').flatMap((record) => {
      const { migration, vm, to: node, port, epoch, toUndo } = record;
      const spec = this.#state.get('vms', vm)?.spec;
      if (spec === undefined || isEnded(record) || !toUndo.includes('flows')) return [];
      return [{ migration, to: { owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch } }];
    });
  }

  /**
   * Tells the overlay's controller what it does not know: after it restarted, or was not reached. Only when all of it
   * was taken is it told so, and may take flows for the past that it has no use for.
   */
  async repeat(sdnd: OverlayCalls = this.#cluster.controller.sdnd): Promise<void> {
    await this.tellNetwork(sdnd);
    // Before the first binding: no guest is there unfiltered for a moment.
    await this.#groups.tell(sdnd);
    const { bindings: known, term } = await sdnd.call('binding.list', {});
    const epochs = new Map(known.map((binding) => [binding.owner, binding.epoch]));
    const missing = this.#bindings().filter((binding) => (epochs.get(binding.owner) ?? -1) < binding.epoch);
    for (const binding of missing) await sdnd.call('binding.set', { binding });
    for (const preparation of this.#preparations()) {
      await sdnd.call('migration.prepare', preparation).catch(throwUnlessOver);
    }
    await sdnd.call('state.told', { term });
  }
}

/** The controller knows already how that migration ended, or its guest under a newer epoch. */
function throwUnlessOver(error: unknown): void {
  const code = codeOf(error);
  if (code !== 'MIGRATION_OVER' && code !== 'EPOCH_STALE') throw error;
}
