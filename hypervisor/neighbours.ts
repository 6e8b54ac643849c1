// The daemons that the agent calls: block daemon and switch agent of its own node, agents of other nodes, the overlay's
// controller. What concerns one VM is asked of a local daemon one call after the other, so that a late `close` can never
// follow an `open`.
import type { TLSSocket } from 'node:tls';
import type { Identity } from '../common/membership/identity.ts';
import { dialBulk } from '../common/rpc/bulk.ts';
import { type CallOptions, type RpcClient, rpcClient } from '../common/rpc/client.ts';
import type { MethodName, Params, Progress, Result } from '../wire/contract.ts';
import { blockdContract } from '../wire/contracts/blockd.ts';
import { hypervisorContract } from '../wire/contracts/hypervisor.ts';
import { sdndContract, switchAgentContract } from '../wire/contracts/sdnd.ts';
import type { Endpoint } from '../wire/names.ts';
import { BLOCKD_PORT, HYPERVISOR_PORT, SDND_PORT, SWITCH_AGENT_PORT } from '../wire/ports.ts';

/** A daemon of this node answers in milliseconds, or in seconds when its disk stalls (PROMISES "Fault model": 5 s). */
export const LOCAL_TIMEOUT_MS = 6_000;

export interface NeighbourPorts {
  readonly blockd: number;
  readonly switchAgent: number;
  readonly hypervisor: number;
  readonly sdnd: number;
}

/** Where they listen; tests give others. */
export const NEIGHBOUR_PORTS: NeighbourPorts = {
  blockd: BLOCKD_PORT,
  switchAgent: SWITCH_AGENT_PORT,
  hypervisor: HYPERVISOR_PORT,
  sdnd: SDND_PORT,
};

/** Of no migration: the overlay's controller knows none of it and says so, which opens the connection and no more. */
const NO_MIGRATION = '0'.repeat(16);

type BlockMethod = MethodName<typeof blockdContract>;
type SwitchMethod = MethodName<typeof switchAgentContract>;

export class Neighbours {
  readonly identity: Identity;
  readonly #ports: NeighbourPorts;
  readonly #blockd: RpcClient<typeof blockdContract>;
  readonly #switchAgent: RpcClient<typeof switchAgentContract>;
  /** None where nobody said which node has the controller. */
  readonly #sdnd: RpcClient<typeof sdndContract> | undefined;
  readonly #agents = new Map<string, RpcClient<typeof hypervisorContract>>();
  /** The end of each queue of local calls. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(identity: Identity, address: string, ports: NeighbourPorts = NEIGHBOUR_PORTS, controller?: Endpoint) {
    this.identity = identity;
    this.#ports = ports;
    const { node } = identity;
    this.#blockd = rpcClient(blockdContract, { node, address, port: ports.blockd }, identity);
    this.#switchAgent = rpcClient(switchAgentContract, { node, address, port: ports.switchAgent }, identity);
    this.#sdnd = controller && rpcClient(sdndContract, { ...controller, port: ports.sdnd }, identity);
  }

  /** A call of the block daemon that changes a migration's disks; in order per migration. */
  store<N extends BlockMethod>(
    name: N,
    params: Params<typeof blockdContract, N> & { migration: string },
  ): Promise<Result<typeof blockdContract, N>> {
    const options = { timeoutMs: LOCAL_TIMEOUT_MS };
    return this.#inOrder(`store ${params.migration}`, () => this.#blockd.call(name, params, options));
  }

  /** The comparison may wait long and must hold nothing up. */
  verify(
    params: Params<typeof blockdContract, 'standby.verify'>,
    options: CallOptions<Progress<typeof blockdContract, 'standby.verify'>>,
  ): Promise<Result<typeof blockdContract, 'standby.verify'>> {
    return this.#blockd.call('standby.verify', params, options);
  }

  /** The image's clients come again, and see its size. @throws OperationError EXPORT_BUSY */
  renewExport(image: string): Promise<unknown> {
    return this.#blockd.call('export.renew', { image });
  }

  /** Makes sure that the VM's port is there; in the order of what else concerns it. */
  attachPort(owner: string, mac: string): Promise<unknown> {
    const options = { timeoutMs: LOCAL_TIMEOUT_MS };
    return this.#inOrder(`port ${owner}`, () => this.#switchAgent.call('port.attach', { owner, mac }, options));
  }

  /** The overlay's controller is told that the guest runs here, so that every switch follows. May be repeated. */
  async moved(migration: string): Promise<void> {
    await this.#sdnd?.call('migration.complete', { migration });
  }

  /** A call of the switch agent for one VM's port; in order per VM. */
  port(name: Exclude<SwitchMethod, 'port.attach'>, owner: string): Promise<unknown> {
    const options = { timeoutMs: LOCAL_TIMEOUT_MS };
    return this.#inOrder(`port ${owner}`, () => this.#switchAgent.call(name, { owner }, options));
  }

  /**
   * Opens the connections that a hold will need, so that no handshake lies in it, with calls that change nothing: the
   * port is told what it is. A daemon that does not answer now is no news yet.
   */
  async warm(vm: string, images: readonly string[], portIs: 'port.open' | 'port.close'): Promise<void> {
    const options = { timeoutMs: LOCAL_TIMEOUT_MS };
    const [image] = images;
    await Promise.allSettled([
      this.port(portIs, vm),
      ...(image ? [this.#blockd.call('image.show', { image }, options)] : []),
      ...(portIs === 'port.close' ? [this.moved(NO_MIGRATION)] : []),
    ]);
  }

  agent({ node, address }: Endpoint): RpcClient<typeof hypervisorContract> {
    const key = `${node} ${address}`;
    const target = { node, address, port: this.#ports.hypervisor };
    const client = this.#agents.get(key) ?? rpcClient(hypervisorContract, target, this.identity);
    this.#agents.set(key, client);
    return client;
  }

  /** Where another agent takes bulk streams. */
  agentTarget({ node, address }: Endpoint): { node: string; address: string; port: number } {
    return { node, address, port: this.#ports.hypervisor };
  }

  /** A connection to another agent that is to become a stream. @throws OperationError UNREACHABLE */
  dialAgent(endpoint: Endpoint): Promise<TLSSocket> {
    return dialBulk(this.agentTarget(endpoint), this.identity);
  }

  close(): void {
    for (const client of [this.#blockd, this.#switchAgent, this.#sdnd, ...this.#agents.values()]) client?.close();
  }

  async #inOrder<T>(queue: string, call: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(queue) ?? Promise.resolve();
    const mine = before.then(call, call);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#queues.set(queue, settled);
    try {
      return await mine;
    } finally {
      if (this.#queues.get(queue) === settled) this.#queues.delete(queue);
    }
  }
}
