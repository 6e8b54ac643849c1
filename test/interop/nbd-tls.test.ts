// An image served over TCP to members: what nbdinfo, nbdcopy and qemu-img see with a member's certificate and without.
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../blockd/image/image-device.ts';
import { memberTls } from '../../blockd/nbd/member-tls.ts';
import { NbdPort } from '../../blockd/nbd/nbd-port.ts';
import { createLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { realDisk } from '../../common/disk/disk.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { imageOf, LAYER } from '../unit/blockd/small-image.ts';
import { member, quiet } from '../unit/common/members.ts';
import { fails, saveClients, tool } from './gnutls-files.ts';

const BYTES = 16 * 2 ** 20;

let root: string;
let served: NbdPort;
let store: ImageStore;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'nbd-tls-'));
  await mkdir(join(root, 'images'));
  store = await createLayer(realDisk, join(root, 'images'), {
    image: 'web',
    layer: LAYER,
    bytes: BYTES,
    isOrigin: true,
  });
  const image = imageOf(store);
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  // libnbd compares the certificate's name with the host's that it dials.
  const listen = { address: '127.0.0.1', port: 0 };
  served = await NbdPort.open({ listen, log: quiet, ...memberTls(await member('localhost')) });
  served.add(deviceOf(image), { name: 'web', bytes: BYTES });
  await saveClients(root);
});

test.after(async () => {
  await served.close();
  await store.close();
  await rm(root, { recursive: true, force: true });
});

function uri(certificates: string): string {
  return `nbds://localhost:${served.port}/web?tls-certificates=${join(root, certificates)}`;
}

test('nbdinfo comes in with a member’s certificate', async () => {
  const info = JSON.parse(await tool('nbdinfo', '--json', uri('member')));
  assert.is(info.TLS, true);
  assert.is(info.exports[0]['export-size'], BYTES);
  assert.ok(info.structured);
});

test('without TLS, and with a stranger’s certificate, there is nothing', async () => {
  await fails('nbdinfo', '--json', `nbd://localhost:${served.port}/web`);
  await fails('nbdinfo', '--json', uri('stranger'));
});

test('nbdcopy writes and reads over several connections, qemu-img agrees', async () => {
  const written = join(root, 'written.raw');
  const data = Buffer.concat([randomBytes(3 * 2 ** 20 + 512), Buffer.alloc(BYTES - 3 * 2 ** 20 - 512)]);
  await writeFile(written, data);
  await tool('nbdcopy', '--flush', written, uri('member'));
  const back = join(root, 'back.raw');
  await tool('nbdcopy', '--connections=4', uri('member'), back);
  assert.ok((await readFile(back)).equals(data));
  const credentials = `tls-creds-x509,id=tls0,endpoint=client,dir=${join(root, 'member')}`;
  const target = `driver=nbd,host=localhost,port=${served.port},export=web,tls-creds=tls0`;
  const raw = `driver=raw,file.driver=file,file.filename=${written}`;
  assert.match(await tool('qemu-img', 'compare', '--object', credentials, '--image-opts', raw, target), /identical/);
});

test.run();
