// What the overlay's controller must know, told again whenever it may have forgotten: every address and where it is.
import type { Binding } from '../wire/contracts/sdnd.ts';
import type { Admission } from './admission.ts';
import type { Cluster } from './cluster.ts';
import type { AddressRecord, State } from './state.ts';

export class Network {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #admission: Admission;

  constructor(options: { state: State; cluster: Cluster; admission: Admission }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#admission = options.admission;
  }

  /** Binds an address outside any VM; again with other values moves it. @throws OperationError ADDRESS_TAKEN */
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

  /** Every binding that holds now; a VM on its way keeps its old one until the destination runs. */
  #bindings(): Binding[] {
    const vms = this.#state
      .all('vms')
      .filter(({ phase, port }) => phase === 'settled' && port !== '')
      .map(({ vm, node, port, epoch, spec }) => ({ owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch }));
    return [...vms, ...this.#state.all('addresses')];
  }

  /** Tells the overlay's controller what it does not know: after it restarted, or was not reached. */
  async repeat(): Promise<void> {
    const { sdnd } = this.#cluster.controller;
    const { bindings: known } = await sdnd.call('binding.list', {});
    const epochs = new Map(known.map((binding) => [binding.owner, binding.epoch]));
    const missing = this.#bindings().filter((binding) => (epochs.get(binding.owner) ?? -1) < binding.epoch);
    for (const binding of missing) await sdnd.call('binding.set', { binding });
  }
}
