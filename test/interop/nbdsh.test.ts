// Requests that a client must not send, sent by libnbd with its own checks off: each gets the protocol's error and changes
// nothing; the connection lives on, but for what is no request at all.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOfFile } from '../../blockd/convert/read-only-device.ts';
import { exportDevice, type NbdExport } from '../../blockd/nbd/nbd-server.ts';
import { createLog } from '../../common/log.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';

const MAIN = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const MIB = 2 ** 20;
const TOOL_MS = 60_000;
/** What the disk begins with from the first case to the last. */
const KEPT = 'kept as it is';

const DONE = 0;
const EPERM = 1;
const EINVAL = 22;
const ENOSPC = 28;
const ENOTSUP = 95;

/** Each case is told with its error and whether the same connection still reads what is kept. */
const PRELUDE = `
import json, os, select, struct
kept = b'${KEPT}'
h.set_strict_mode(0)
size = h.get_size()
told = []
def case(name, act):
    number = 0
    try:
        act()
    except nbd.Error as error:
        number = error.errnum
    told.append([name, number, bytes(h.pread(len(kept), 0)) == kept])
`;
const EPILOGUE = `
print(json.dumps(told))
`;

type Told = readonly (readonly [name: string, error: number, lives: boolean])[];

let root: string;
let daemon: ChildProcess;
let readOnly: NbdExport;

const uriOf = (name: string): string => `nbd+unix:///${name}?socket=${join(root, `${name}.sock`)}`;

test.before(async () => {
  await ensurePackages(['python3-libnbd'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'nbdsh-'));
  daemon = spawn(process.execPath, [MAIN, '--alone', '--data', root, '--image', 'web:64M'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await serving(daemon);
  const content = Buffer.concat([Buffer.from(KEPT), randomBytes(MIB)]);
  const source = {
    bytes: content.length,
    read: async (offset: number, length: number) => content.subarray(offset, offset + length),
  };
  const description = { name: 'ro', bytes: content.length, isReadOnly: true };
  readOnly = await exportDevice(deviceOfFile(source), description, join(root, 'ro.sock'), createLog('test', 'silent'));
});

test.after(async () => {
  await readOnly.close();
  const exited = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  await exited;
  await rm(root, { recursive: true, force: true });
});

function serving(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.once('exit', (code) => reject(new Error(`blockd --alone exited with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('serving')) resolve();
    });
  });
}

/** What a script tells of its cases in nbdsh, which Debian has for its own Python. */
function nbdsh(name: string, script: string): Promise<Told> {
  return new Promise((resolve, reject) => {
    const words = ['-m', 'nbd', '-u', uriOf(name), '-c', '-'];
    const child = execFile('/usr/bin/python3', words, { timeout: TOOL_MS }, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as Told);
      else reject(error);
    });
    child.stdin?.end(`${PRELUDE}${script}${EPILOGUE}`);
  });
}

const lives = (expected: readonly (readonly [name: string, error: number])[]): Told =>
  expected.map(([name, error]) => [name, error, true]);

test("beyond the end, of no length, too long, with flags that are not its own: the protocol's errors", async () => {
  const told = await nbdsh(
    'web',
    `
h.pwrite(kept, 0)
case('read across the end', lambda: h.pread(512, size - 256))
case('read beyond the end', lambda: h.pread(512, size + 4096))
case('read at the last offset of all', lambda: h.pread(1, 2 ** 63 - 1))
case('write across the end', lambda: h.pwrite(bytes(512), size - 256))
case('zeros across the end', lambda: h.zero(512, size - 256))
case('trim across the end', lambda: h.trim(512, size - 256))
case('cache across the end', lambda: h.cache(512, size - 256))
case('read nothing', lambda: h.pread(0, 0))
case('write nothing', lambda: h.pwrite(b'', 0))
case('zero nothing', lambda: h.zero(0, 0))
case('trim nothing', lambda: h.trim(0, 0))
case('cache nothing', lambda: h.cache(0, 0))
case('unaligned', lambda: h.pread(7, 4093))
case('read 32 MiB', lambda: h.pread(32 * 2 ** 20, 0))
case('read more', lambda: h.pread(32 * 2 ** 20 + 1, 0))
case('write more', lambda: h.pwrite(bytes(32 * 2 ** 20 + 1), 4096))
case('write far more', lambda: h.pwrite(bytes(64 * 2 ** 20), 0))
case('a flag that nobody knows', lambda: h.pread(512, 0, flags=1 << 15))
case('a write that keeps room', lambda: h.pwrite(bytes(512), 0, flags=nbd.CMD_FLAG_NO_HOLE))
case('a trim that is fast', lambda: h.trim(4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO))
case('zeros that are fast and keep room', lambda: h.zero(4096, 0, flags=nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE))
case('a read that is durable', lambda: h.pread(512, 0, flags=nbd.CMD_FLAG_FUA))
case('a status without a context', lambda: h.block_status(4096, 0, lambda *a: 0))
`,
  );
  assert.equal(
    told,
    lives([
      ['read across the end', EINVAL],
      ['read beyond the end', EINVAL],
      ['read at the last offset of all', EINVAL],
      ['write across the end', ENOSPC],
      ['zeros across the end', ENOSPC],
      ['trim across the end', EINVAL],
      ['cache across the end', EINVAL],
      ['read nothing', EINVAL],
      ['write nothing', EINVAL],
      ['zero nothing', EINVAL],
      ['trim nothing', EINVAL],
      ['cache nothing', EINVAL],
      ['unaligned', DONE],
      ['read 32 MiB', DONE],
      ['read more', EINVAL],
      ['write more', EINVAL],
      ['write far more', EINVAL],
      ['a flag that nobody knows', EINVAL],
      ['a write that keeps room', EINVAL],
      ['a trim that is fast', EINVAL],
      ['zeros that are fast and keep room', ENOTSUP],
      ['a read that is durable', DONE],
      ['a status without a context', EINVAL],
    ]),
  );
});

test('what is only to be read is not changed, and has no durable writes to offer', async () => {
  const told = await nbdsh(
    'ro',
    `
case('write', lambda: h.pwrite(bytes(512), 0))
case('durable write', lambda: h.pwrite(bytes(512), 0, flags=nbd.CMD_FLAG_FUA))
case('zeros', lambda: h.zero(4096, 0))
case('trim', lambda: h.trim(4096, 0))
case('durable read', lambda: h.pread(512, 0, flags=nbd.CMD_FLAG_FUA))
case('flush', lambda: h.flush())
`,
  );
  assert.equal(
    told,
    lives([
      ['write', EPERM],
      ['durable write', EPERM],
      ['zeros', EPERM],
      ['trim', EPERM],
      ['durable read', EINVAL],
      ['flush', DONE],
    ]),
  );
});

test('commands that do not exist are refused; what is no request ends its connection, and no other', async () => {
  const told = await nbdsh(
    'web',
    `
other = nbd.NBD()
other.connect_uri(h.get_uri())
fd = h.aio_get_fd()
def raw(request):
    """Sends bytes past libnbd, and answers the error of the chunk that comes, or that the connection has ended."""
    os.write(fd, request)
    select.select([fd], [], [], 30)
    reply = os.read(fd, 4096)
    if len(reply) == 0: return 'ended'
    magic, flags, kind, cookie, length, error = struct.unpack('>IHHQII', reply[:24])
    return [magic == 0x668e33ef, flags, kind, cookie, error]
for command in (8, 99, 0xffff):
    answer = raw(struct.pack('>IHHQQI', 0x25609513, 0, command, 7, 0, 4096))
    told.append([f'command {command}', answer[4] if answer[:4] == [True, 1, 0x8001, 7] else -1,
                 bytes(h.pread(len(kept), 0)) == kept])
told.append(['no request', 0 if raw(bytes(28)) == 'ended' else -1, bytes(other.pread(len(kept), 0)) == kept])
`,
  );
  assert.equal(
    told,
    lives([
      ['command 8', EINVAL],
      ['command 99', EINVAL],
      ['command 65535', EINVAL],
      ['no request', DONE],
    ]),
  );
});

test.run();
