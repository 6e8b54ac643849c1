// The catalogue daemon of the controller node. Wires parts together and nothing else.
import { join } from 'node:path';
import { Type } from 'typebox';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk.ts';
import { loadIdentity } from '../common/identity.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { catalogueContract } from '../wire/contracts/catalogue.ts';
import { Ipv4 } from '../wire/names.ts';
import { CATALOGUE_PORT } from '../wire/ports.ts';
import { catalogueCalls } from './catalogue/catalogue-calls.ts';
import { CatalogueStore } from './catalogue/catalogue-store.ts';

const Config = Type.Object({
  /** Durable: the heads. */
  state: Type.String(),
  /** The directory of this node's key and certificates. */
  identity: Type.String(),
  /** The underlay address to listen on. */
  address: Ipv4,
});

await runDaemon('catalogue', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  const store = await CatalogueStore.open(join(config.state, 'heads'));
  const server = await startRpcServer({
    contract: catalogueContract,
    handlers: catalogueCalls(store),
    identity,
    listen: { address: config.address, port: CATALOGUE_PORT },
    log,
  });
  return {
    async close() {
      await server.close();
      await store.close();
    },
  };
});
