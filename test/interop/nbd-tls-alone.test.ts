// `supercloud blockd --alone` on a TCP port: what nbdinfo and qemu-io see of its images by TLS, with the certificate of a member
// and without, and without TLS on loopback.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { freePorts } from '../free-ports.ts';
import { member } from '../unit/common/members.ts';
import { fails, saveClients, saveForGnutls, tool } from './gnutls-files.ts';

const BYTES = 16 * 2 ** 20;

let root: string;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'nbd-tls-'));
  await saveClients(root);
});

test.after(() => rm(root, { recursive: true, force: true }));

const ALONE = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));

/** Starts a blockd that is alone, with two images, and answers once it serves. */
async function startAlone(...more: string[]): Promise<ChildProcess> {
  const data = join(root, 'alone');
  const words = [ALONE, '--alone', '--data', data, '--image', 'web:16M', '--image', 'log:1M', ...more];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`blockd --alone exited with ${code}: ${said}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('serving')) resolve();
    });
  });
  return child;
}

async function endAlone(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  assert.is((await exited)[0], 0);
}

test('blockd --alone serves its images on a port by TLS: nbdinfo lists them, qemu-io writes, strangers see nothing', async () => {
  const server = join(root, 'server');
  await saveForGnutls(server, 'server', await member('localhost'));
  const [port] = await freePorts(1);
  const child = await startAlone('--listen', `127.0.0.1:${port}`, '--tls', server);
  try {
    const at = (image: string, certificates: string): string =>
      `nbds://localhost:${port}/${image}?tls-certificates=${join(root, certificates)}`;
    const listed = JSON.parse(await tool('nbdinfo', '--json', '--list', at('', 'member')));
    assert.equal(
      listed.exports.map((one: Record<string, unknown>) => [one['export-name'], one['export-size']]),
      [
        ['log', 2 ** 20],
        ['web', BYTES],
      ],
    );
    const credentials = `tls-creds-x509,id=tls0,endpoint=client,dir=${join(root, 'member')}`;
    const target = `driver=nbd,host=localhost,port=${port},export=web,tls-creds=tls0`;
    const commands = ['-c', 'write -P 7 1M 64k', '-c', 'flush', '-c', 'read -P 7 1M 64k', '-c', 'read -P 0 0 4k'];
    const said = await tool('qemu-io', '--object', credentials, ...commands, '--image-opts', target);
    assert.not.match(said, /error|failed/i);
    await fails('nbdinfo', '--json', at('web', 'stranger'));
    await fails('nbdinfo', '--json', at('other', 'member'));
    await fails('nbdinfo', '--json', `nbd://localhost:${port}/web`);
  } finally {
    await endAlone(child);
  }
});

test('blockd --alone serves its own machine without TLS where that was asked for', async () => {
  const [port] = await freePorts(1);
  const child = await startAlone('--listen', `127.0.0.1:${port}`, '--insecure-loopback');
  try {
    const info = JSON.parse(await tool('nbdinfo', '--json', `nbd://127.0.0.1:${port}/log`));
    assert.equal([info.TLS, info.exports[0]['export-size']], [false, 2 ** 20]);
    await fails('nbdinfo', '--json', `nbd://127.0.0.1:${port}/`);
  } finally {
    await endAlone(child);
  }
});

test.run();
