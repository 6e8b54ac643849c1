// What the overlay's controller must know, told again whenever it may have forgotten: every address and where it is.
import { OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Binding } from '../wire/contracts/sdnd.ts';
import type { Members } from './members.ts';
import type { AddressRecord, State } from './state.ts';

/** How soon a restarted overlay controller has all bindings again; its switches keep their flows meanwhile. */
const REPEAT_MS = 5_000;

export class Network {
  readonly #state: State;
  readonly #members: Members;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { state: State; members: Members; log: Log }) {
    this.#state = options.state;
    this.#members = options.members;
    this.#log = options.log;
  }

  /** Binds an address outside any VM; again with other values moves it. */
  async setAddress(address: Omit<AddressRecord, 'epoch'>): Promise<void> {
    const record = { ...address, epoch: (this.#state.get('addresses', address.owner)?.epoch ?? 0) + 1 };
    const other = this.#bindings().find((binding) => binding.ip === record.ip && binding.owner !== record.owner);
    if (other !== undefined)
      throw new OperationError('ADDRESS_TAKEN', `address ${record.ip} belongs to ${other.owner}`);
    await this.#state.put('addresses', record.owner, record);
    await this.#members.controller.sdnd.call('binding.set', { binding: record });
  }

  /** Every binding that holds now; a VM on its way keeps its old one until the destination runs. */
  #bindings(): Binding[] {
    const vms = this.#state
      .all('vms')
      .filter(({ phase, port }) => phase === 'settled' && port !== '')
      .map(({ vm, node, port, epoch, spec }) => ({ owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch }));
    return [...vms, ...this.#state.all('addresses')];
  }

  start(): void {
    this.#timer = setInterval(() => void this.#repeat(), REPEAT_MS);
  }

  async #repeat(): Promise<void> {
    try {
      const { sdnd } = this.#members.controller;
      const { bindings: known } = await sdnd.call('binding.list', {});
      const epochs = new Map(known.map((binding) => [binding.owner, binding.epoch]));
      const missing = this.#bindings().filter((binding) => (epochs.get(binding.owner) ?? -1) < binding.epoch);
      for (const binding of missing) await sdnd.call('binding.set', { binding });
    } catch (error) {
      this.#log.warn({ err: error }, 'bindings not repeated');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
