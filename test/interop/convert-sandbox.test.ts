// The sandbox in which qemu-img reads a file of somebody else's, without the inspection before it: it gives nothing of another
// file away.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { convert } from '../../blockd/convert/qemu-img.ts';
import { deviceOfFile } from '../../blockd/convert/read-only-device.ts';
import { runInSandbox } from '../../blockd/convert/sandbox.ts';
import { exportDevice } from '../../blockd/nbd/nbd-server.ts';
import { OperationError } from '../../common/errors.ts';
import { createLog } from '../../common/log.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { qcow2, vmdk, vmdkDescriptor } from './convert-files.ts';

const SECRET = 'the-secret-of-another-file';

let root: string;
let secret: string;

const path = (name: string): string => join(root, name);

test.before(async () => {
  await ensurePackages(['qemu-utils', 'bubblewrap'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'convert-'));
  // Nobody may come as far as the other file by its name: what keeps it from that must be the sandbox.
  await chmod(root, 0o755);
  secret = path('secret');
  await writeFile(secret, SECRET.repeat(1000), { mode: 0o644 });
});

test.after(async () => {
  await rm(root, { recursive: true, force: true });
});

/** The conversion without any inspection: what came out, or what was said. */
async function convertBlindly(bytes: Buffer, from: 'qcow2' | 'vmdk'): Promise<string> {
  const out = path('blind.out');
  await writeFile(out, '');
  const source = { bytes: bytes.length, read: async (at: number, length: number) => bytes.subarray(at, at + length) };
  const log = createLog('test', 'silent');
  const served = await exportDevice(
    deviceOfFile(source),
    { name: 'blind', bytes: bytes.length },
    path('blind.sock'),
    log,
  );
  const job = { socket: served.path, name: 'blind', from, path: out, to: 'raw', progress: () => undefined } as const;
  try {
    await convert({ ...job, signal: new AbortController().signal });
    return `taken: ${(await readFile(out)).toString('latin1')}`;
  } catch (error) {
    return error instanceof OperationError ? error.message : 'another error';
  } finally {
    await served.close();
    await rm(out);
  }
}

test('the sandbox alone gives nothing of another file away', async () => {
  const files = [
    ['qcow2', qcow2({ backing: secret }), /No such file/],
    ['qcow2', qcow2({ features: 4n, dataFile: secret }), /No such file|data-file/],
    ['vmdk', vmdk(vmdkDescriptor(secret), 0n), /No such file|extent/],
  ] as const;
  for (const [from, bytes, said] of files) {
    const came = await convertBlindly(bytes, from);
    assert.not.match(came, SECRET);
    assert.match(came, said);
  }
});

test('inside the sandbox there is nobody, nothing and no network', async () => {
  const socket = path('seen.sock');
  const log = createLog('test', 'silent');
  const served = await exportDevice(
    deviceOfFile({ bytes: 0, read: async () => Buffer.alloc(0) }),
    { name: 'x', bytes: 0 },
    socket,
    log,
  );
  const look = 'id -u; ls / /work; cat /etc/passwd; test -e /proc/self && echo proc; setpriv --dump; cat "$0"';
  const { output } = await runInSandbox({
    socket,
    command: ['sh', '-c', look, secret],
    signal: new AbortController().signal,
  });
  await served.close();
  assert.match(output, /^65534\n\/:\nbin\ndev\nlib\nlib64\nusr\nwork\n\n\/work:\ndisk.sock\n/);
  assert.match(output, /Inheritable capabilities: \[none\]/);
  assert.match(output, /no_new_privs: 1/);
  assert.not.match(output, new RegExp(`${SECRET}|root:|proc$`, 'm'));
});

test.run();
