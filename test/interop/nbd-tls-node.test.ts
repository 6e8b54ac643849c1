// The NBD port of a cluster's node (`nbdPort`), of a real daemon: what nbdinfo, qemu-img and qemu-io see of its images by TLS
// with a member's certificate, and that every other client sees nothing and harms nobody.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { NBD_PORT } from '../../wire/ports.ts';
import { BlockdNode } from './blockd-node.ts';

const MIB = 2 ** 20;
const BYTES = 16 * MIB;
const TOOL_MS = 60_000;
const [BASE, TOP] = ['l00000000000000b1', 'l00000000000000b2'] as const;
const STACK = { layer: BASE, generation: 1, below: [] };
const EMPTY = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const run = promisify(execFile);

let root: string;
let node: BlockdNode;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'nbd-node-'));
  const [authority, otherAuthority] = [await createAuthority(), await createAuthority()];
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  // GnuTLS compares the certificate's name with the host's that it dials.
  node = await BlockdNode.make(authority, controller, root, 'localhost', '127.0.0.1', { nbdPort: true });
  await node.start();
  await node.controller.call('image.create', { image: 'web', layer: BASE, bytes: BYTES });
  const opening = { image: 'web', bytes: BYTES, stack: STACK, epoch: 1, last: EMPTY, from: node.endpoint };
  await node.controller.call('image.open', opening);
  const member = await issueIdentity(authority, { node: 'b', role: 'node' });
  await save('member', member);
  const stranger = await issueIdentity(otherAuthority, { node: 'b', role: 'node' });
  await save('stranger', { ...stranger, authority: member.authority });
  await save('operator', await issueIdentity(authority, { node: 'b', role: 'operator' }));
  await save('mistrusting', { ...member, authority: stranger.authority });
});

test.after(async () => {
  await node.stop('SIGKILL');
  node.close();
  await rm(root, { recursive: true, force: true });
});

/** The names under which libnbd and QEMU look for a client's files. */
async function save(name: string, { key, certificate, authority }: Identity): Promise<void> {
  const directory = join(root, 'clients', name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'client-key.pem'), key);
  await writeFile(join(directory, 'client-cert.pem'), certificate);
  await writeFile(join(directory, 'ca-cert.pem'), authority);
}

const uri = (client: string, name = 'web'): string =>
  `nbds://localhost:${NBD_PORT}/${name}?tls-certificates=${join(root, 'clients', client)}`;

/** How QEMU's programs name the export and the client's certificate. */
function options(client: string, name = 'web'): { object: string; target: string } {
  return {
    object: `tls-creds-x509,id=tls0,endpoint=client,dir=${join(root, 'clients', client)}`,
    target: `driver=nbd,host=localhost,port=${NBD_PORT},export=${name},tls-creds=tls0`,
  };
}

async function tool(command: string, ...args: string[]): Promise<string> {
  return (await run(command, args, { timeout: TOOL_MS })).stdout;
}

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'it worked',
    () => 'failed',
  );

async function listed(): Promise<unknown[]> {
  const info = JSON.parse(await tool('nbdinfo', '--json', '--list', uri('member', '')));
  return info.exports.map((one: Record<string, unknown>) => [one['export-name'], one['export-size'], one.is_read_only]);
}

test('a member sees the node’s images by TLS, writes one and reads it, as on the node’s socket', async () => {
  const info = JSON.parse(await tool('nbdinfo', '--json', uri('member')));
  assert.equal([info.TLS, info.exports[0]['export-size']], [true, BYTES]);
  assert.equal(await listed(), [['web', BYTES, false]]);
  const source = join(root, 'source.raw');
  const data = Buffer.concat([randomBytes(3 * MIB), Buffer.alloc(BYTES - 3 * MIB)]);
  await writeFile(source, data);
  const { object, target } = options('member');
  await tool('qemu-img', 'convert', '--object', object, '-n', '--target-image-opts', '-f', 'raw', source, target);
  const raw = `driver=raw,file.driver=file,file.filename=${source}`;
  assert.match(await tool('qemu-img', 'compare', '--object', object, '--image-opts', raw, target), /identical/);
  const local = join(root, 'local.raw');
  await tool('nbdcopy', `nbd+unix:///web?socket=${node.socket}`, local);
  assert.ok((await readFile(local)).equals(data));
  const words = ['-c', 'write -f -P 7 8M 64k', '-c', 'read -P 7 8M 64k', '--image-opts', target];
  assert.not.match(await tool('qemu-io', '--object', object, ...words), /error|failed/i);
  await node.io('read -P 7 8M 64k');
});

test('a stranger’s certificate, an operator’s and none open nothing, and a client that mistrusts the node goes', async () => {
  for (const client of ['stranger', 'operator', 'mistrusting']) {
    assert.is(await outcome(tool('nbdinfo', '--json', uri(client))), 'failed', `nbdinfo as ${client}`);
    const { object, target } = options(client);
    const info = tool('qemu-img', 'info', '--object', object, '--image-opts', target);
    assert.is(await outcome(info), 'failed', `qemu-img as ${client}`);
  }
  for (const plain of [`nbd://localhost:${NBD_PORT}/web`, `nbd://localhost:${NBD_PORT}/`]) {
    assert.is(await outcome(tool('nbdinfo', '--json', plain)), 'failed', plain);
    assert.is(await outcome(tool('qemu-img', 'info', '-f', 'raw', plain)), 'failed', plain);
  }
  assert.is(await outcome(tool('nbdinfo', '--json', uri('member', 'other'))), 'failed', 'no such export');
  assert.equal(await listed(), [['web', BYTES, false]], 'and the others are served');
});

test('a snapshot is on the port too, and nobody can write it', async () => {
  const cuts = [{ image: 'web', layer: TOP }];
  const { sealed } = await node.controller.call('image.cut', { cut: 'c0000000000000b1', cuts });
  const layers: SealedLayer[] = sealed.map((one) => one.sealed);
  const snapshots = [{ snapshot: 'monday', disks: [{ image: 'web', bytes: BYTES, layers }] }];
  const mark = { incarnation: 1, serial: 1 };
  await node.controller.call('records.keep', { mark, pins: [], snapshots, records: [] });
  const { object, target } = options('member', 'web@monday');
  const read = ['-r', '-c', 'read -P 7 8M 64k', '--image-opts', target];
  assert.not.match(await tool('qemu-io', '--object', object, ...read), /error|failed/i);
  assert.equal(await listed(), [
    ['web', BYTES, false],
    ['web@monday', BYTES, true],
  ]);
});

test('an image that is closed is gone from the port', async () => {
  await node.controller.call('image.close', { image: 'web', layer: TOP, epoch: 1 });
  assert.is(await outcome(tool('nbdinfo', '--json', uri('member'))), 'failed');
  assert.equal(await listed(), [['web@monday', BYTES, true]]);
});

test.run();
