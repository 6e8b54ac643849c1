// The controller's connections with the nodes' agents: one for each node, made when it is first needed.
import type { Identity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { type OverlayMember, switchAgentContract } from '../../wire/contracts/sdnd.ts';
import { SWITCH_AGENT_PORT } from '../../wire/ports.ts';

type AgentClient = RpcClient<typeof switchAgentContract>;

export class AgentClients {
  readonly #identity: Identity;
  readonly #clients = new Map<string, { readonly address: string; readonly client: AgentClient }>();

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** A node that moved to another address is called there. */
  of({ node, address }: OverlayMember): AgentClient {
    const known = this.#clients.get(node);
    if (known?.address === address) return known.client;
    known?.client.close();
    const client = rpcClient(switchAgentContract, { node, address, port: SWITCH_AGENT_PORT }, this.#identity);
    this.#clients.set(node, { address, client });
    return client;
  }

  close(): void {
    for (const { client } of this.#clients.values()) client.close();
  }
}
