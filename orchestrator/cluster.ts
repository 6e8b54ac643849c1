// What the orchestrator's rooms use of the members and their daemons, as shapes: in a cluster `Members` and its
// connections are behind them, in a test whatever stands in. No code here.
import type { RpcClient } from '../common/rpc/client.ts';
import type { Contract } from '../wire/contract.ts';
import type { blockdContract } from '../wire/contracts/blockd.ts';
import type { catalogueContract } from '../wire/contracts/catalogue.ts';
import type { hypervisorContract } from '../wire/contracts/hypervisor.ts';
import type { sdndContract, switchAgentContract } from '../wire/contracts/sdnd.ts';
import type { Endpoint } from '../wire/names.ts';
import type { MemberRecord } from './state.ts';

/** The calls of one daemon. */
export type Calls<C extends Contract> = Pick<RpcClient<C>, 'call'>;

/** The daemons of one node. */
export interface NodeDaemons {
  readonly blockd: Calls<typeof blockdContract>;
  readonly hypervisor: Calls<typeof hypervisorContract>;
  readonly switchAgent: Calls<typeof switchAgentContract>;
}

/** The daemons beside the orchestrator on the controller node. */
export interface ControllerDaemons {
  readonly catalogue: Calls<typeof catalogueContract>;
  readonly sdnd: Calls<typeof sdndContract>;
}

/** The member nodes as the other rooms see them. */
export interface Cluster {
  readonly controller: ControllerDaemons;
  /** @throws OperationError NODE_UNKNOWN */
  clients(node: string): NodeDaemons;
  /** @throws OperationError NODE_UNKNOWN */
  endpoint(node: string): Endpoint;
  endpoints(): Endpoint[];
  /** Whether its agent gave a sign of life lately. */
  isUp(node: string): boolean;
  /** By the cloud's name or the node's. @throws OperationError CLOUD_UNKNOWN */
  nodeOf(cloud: string): MemberRecord;
  /** @throws OperationError CLOUD_UNKNOWN, NODE_DOWN */
  upNodeOf(cloud: string): MemberRecord;
}
