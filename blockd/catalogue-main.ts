// The catalogue daemon of the controller node. Wires parts together and nothing else.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { catalogueContract } from '../wire/contracts/catalogue.ts';
import { Ipv4, Name } from '../wire/names.ts';
import { CATALOGUE_PORT } from '../wire/ports.ts';
import { catalogueCalls } from './catalogue/catalogue-calls.ts';
import type { CatalogueStore } from './catalogue/catalogue-store.ts';
import type { EtcdTls } from './catalogue/etcd-member.ts';
import { EtcdStore } from './catalogue/etcd-store.ts';
import { LevelStore } from './catalogue/level-store.ts';
import { StoreBook } from './catalogue/store-book.ts';

/** An etcd cluster has up to 7 members. */
const ENDPOINTS_MAX = 7;

const TlsFiles = Type.Object({
  /** Files in PEM: the authority of the members' certificates, this catalogue's certificate and its key. */
  ca: Type.String(),
  certificate: Type.String(),
  key: Type.String(),
});

const Etcd = Type.Object({
  /** The members' client URLs. */
  endpoints: Type.Array(Type.String({ pattern: '^https?://[^/]+$' }), { minItems: 1, maxItems: ENDPOINTS_MAX }),
  /** Tells clouds apart that share an etcd. */
  cloud: Type.Optional(Name),
  tls: Type.Optional(TlsFiles),
});

const Config = Type.Object({
  /** Durable: the heads, unless etcd keeps them. */
  state: Type.String(),
  /** The directory of this node's key and certificates. */
  identity: Type.String(),
  /** The underlay address to listen on. */
  address: Ipv4,
  /** What keeps the heads: the disk of this node (the default), or an etcd cluster for several controllers. */
  store: Type.Optional(Type.Union([Type.Literal('level'), Type.Object({ etcd: Etcd })])),
});

async function openStore({ state, store = 'level' }: Static<typeof Config>): Promise<CatalogueStore> {
  if (store === 'level') {
    await realDisk.makeDirectory(state);
    return LevelStore.open(join(state, 'heads'));
  }
  const { endpoints, cloud = 'supercloud', tls } = store.etcd;
  return EtcdStore.open({ endpoints, prefix: `${cloud}/catalogue/`, tls: tls && (await loadTls(tls)) }, realClock);
}

async function loadTls(files: Static<typeof TlsFiles>): Promise<EtcdTls> {
  const [ca, certificate, key] = await Promise.all([readPem(files.ca), readPem(files.certificate), readPem(files.key)]);
  return { ca, certificate, key };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperationError('CONFIG_UNREADABLE', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

await runDaemon('catalogue', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  const store = await openStore(config);
  const server = await startRpcServer({
    contract: catalogueContract,
    handlers: catalogueCalls(store, new StoreBook()),
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
