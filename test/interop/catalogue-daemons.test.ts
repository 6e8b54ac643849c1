// Two catalogue daemons over one etcd that asks for client certificates: both decide on the same heads, and one goes on
// when the other is killed.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EtcdStore } from '../../blockd/catalogue/etcd-store.ts';
import { realClock } from '../../common/clock.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { saveIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { catalogueContract } from '../../wire/contracts/catalogue.ts';
import { CATALOGUE_PORT } from '../../wire/ports.ts';
import { refusal } from '../refusal.ts';
import { closing } from '../unit/blockd/catalogue-entries.ts';
import { EtcdServers } from './etcd-cluster.ts';

const MAIN = fileURLToPath(new URL('../../blockd/catalogue-main.ts', import.meta.url));
const ADDRESSES = ['127.0.0.21', '127.0.0.22'];
const run = promisify(execFile);
const authority = await createAuthority();
const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });

let root: string;
let etcd: EtcdServers;
const daemons: ChildProcess[] = [];
const clients: RpcClient<typeof catalogueContract>[] = [];

test.before(async () => {
  await ensurePackages(['etcd-server', 'openssl'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'catalogues-'));
  await makeCertificates();
  const tls = { ca: await pem('ca.pem'), certificate: await pem('client.pem'), key: await pem('client.key') };
  const server = ['--cert-file', file('server.pem'), '--key-file', file('server.key')];
  etcd = await EtcdServers.start(1, [...server, '--client-cert-auth', '--trusted-ca-file', file('ca.pem')], tls);
  for (const [index, address] of ADDRESSES.entries()) await startDaemon(`k${index}`, address);
});

test.after(async () => {
  for (const client of clients) client.close();
  for (const daemon of daemons) await end(daemon);
  await etcd?.end();
  await rm(root, { recursive: true, force: true });
});

const file = (name: string): string => join(root, name);
const pem = (name: string): Promise<string> => readFile(file(name), 'utf8');

async function makeCertificates(): Promise<void> {
  const newKey = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await run('openssl', [...newKey, '-subj', '/CN=etcd-ca', '-keyout', file('ca.key'), '-out', file('ca.pem')]);
  for (const name of ['server', 'client']) {
    // The gateway speaks to its own member with the server's certificate: it must be good for both.
    const uses = [
      'subjectAltName=IP:127.0.0.1',
      'basicConstraints=critical,CA:false',
      'extendedKeyUsage=serverAuth,clientAuth',
    ];
    await run('openssl', [
      ...[...newKey, '-subj', `/CN=${name}`, '-CA', file('ca.pem'), '-CAkey', file('ca.key')],
      ...uses.flatMap((use) => ['-addext', use]),
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
    ]);
  }
}

async function startDaemon(node: string, address: string): Promise<void> {
  const identity = file(node);
  await mkdir(identity);
  await saveIdentity(identity, await issueIdentity(authority, { node, role: 'controller' }));
  const tls = { ca: file('ca.pem'), certificate: file('client.pem'), key: file('client.key') };
  const config = {
    state: join(identity, 'state'),
    identity,
    address,
    store: { etcd: { endpoints: etcd.endpoints, tls } },
  };
  await writeFile(join(identity, 'config.json'), JSON.stringify(config));
  const child = spawn(process.execPath, [MAIN, '--config', join(identity, 'config.json')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  daemons.push(child);
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the catalogue of ${node} exited with ${code}`))),
  ]);
  clients.push(rpcClient(catalogueContract, { node, address, port: CATALOGUE_PORT }, controller));
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exited = once(daemon, 'exit');
  daemon.kill('SIGKILL');
  await exited;
}

function client(index: number): RpcClient<typeof catalogueContract> {
  const found = clients[index];
  if (found === undefined) throw new Error(`there is no daemon ${index}`);
  return found;
}

test('two daemons grant one epoch, and the second goes on when the first is killed', async () => {
  await client(0).call('image.add', {
    image: 'web',
    layer: 'l00000000000000aa',
    bytes: 4096,
    holder: 'a',
    closing: closing('web', 0, 1),
  });
  const unheard = await refusal(client(0).call('epoch.open', { image: 'web', node: 'a' }));
  assert.is(unheard.code, 'STORE_UNHEARD');
  const report = { layers: [], unusable: [], members: [], kept: null };
  const hear = (index: number, node: string) => client(index).call('store.heard', { node, report });
  await Promise.all([hear(0, 'a'), hear(1, 'b'), hear(1, 'c')]);
  const asked = ['a', 'b'].map((node, index) => client(index).call('epoch.open', { image: 'web', node }));
  const outcomes = await Promise.allSettled(asked);
  assert.equal(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const { writer, epoch } = await client(1).call('image.head', { image: 'web' });
  assert.is(epoch, 1);
  const [first] = daemons;
  if (first !== undefined) await end(first);
  const closed = closing('web', 1, 9);
  await client(1).call('epoch.close', { image: 'web', node: writer ?? '', closing: closed });
  assert.is((await client(1).call('epoch.open', { image: 'web', node: 'c' })).epoch, 2);
});

test('without a certificate the cluster is not to be had, and why is said', async () => {
  const { endpoints } = etcd;
  const ca = await pem('ca.pem');
  const error = await refusal(
    EtcdStore.open({ endpoints, prefix: 'x/', tls: { ca, certificate: '', key: '' } }, realClock),
  );
  assert.is(error.code, 'STORE_UNREACHABLE');
  assert.match(error.message, /certificate|alert|socket/i);
});

test.run();
