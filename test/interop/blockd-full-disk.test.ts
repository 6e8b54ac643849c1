// A real daemon on a file system that is full: its client hears ENOSPC, nothing that was flushed is lost, and it goes on
// once there is room.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { until } from '../until.ts';
import { BlockdNode } from './blockd-node.ts';
import { openNew } from './blockd-nodes.ts';

const MIB = 2 ** 20;
const BYTES = 64 * MIB;
const DISK_BYTES = 8 * MIB;
/** The journal's last page has room for some records yet. */
const FLUSHES_MAX = 200;
const run = promisify(execFile);

const STACK = { layer: 'l00000000000000aa', generation: 1, below: [] };

let root: string;
let node: BlockdNode;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'full-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'supercloud-test', root]);
  const authority = await createAuthority();
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  node = await BlockdNode.make(authority, controller, root, 'a', '127.0.0.4');
  await node.start();
  await openNew(node, { bytes: BYTES, stack: STACK });
  await node.io('write -P 1 0 1M', 'flush');
});

test.after(async () => {
  await node.stop('SIGKILL');
  node.close();
  await run('umount', [root]);
  await rm(root, { recursive: true });
});

const filler = (): string => join(root, 'filler');

/** Takes all the room that is left. */
async function fill(): Promise<void> {
  await writeFile(filler(), Buffer.alloc(DISK_BYTES)).then(
    () => assert.unreachable('it had room for everything'),
    (error: unknown) => assert.is(codeOf(error), 'ENOSPC'),
  );
}

/** What qemu-io says when it fails; nothing when it does not. */
function fault(...commands: string[]): Promise<string> {
  return node.io(...commands).then(() => '', messageOf);
}

test('a write that needs room is ENOSPC, and what is there is read on', async () => {
  await fill();
  assert.match(await fault('write -P 2 20M 1M'), /No space left/);
  await node.io('read -P 1 0 1M');
  await rm(filler());
  await node.io('write -P 2 20M 1M', 'flush', 'read -P 2 20M 1M');
});

const patternOf = (flush: number): number => 3 + (flush % 2);

test('a flushed write for whose record there is no room is ENOSPC, and goes through once there is', async () => {
  await fill();
  let said = '';
  let flushes = 0;
  for (; said === '' && flushes < FLUSHES_MAX; flushes++) said = await fault(`write -f -P ${patternOf(flushes)} 0 4k`);
  assert.match(said, /No space left/);
  await rm(filler());
  await node.io('write -P 9 4k 4k', 'flush', 'read -P 9 4k 4k', 'read -P 1 8k 1016k');
  await node.stop('SIGKILL');
  await node.start();
  await node.io(`read -P ${patternOf(flushes - 1)} 0 4k`, 'read -P 9 4k 4k', 'read -P 1 8k 1016k', 'read -P 2 20M 1M');
});

test('a daemon that starts on a full disk says what it cannot serve, and serves it by itself once there is room', async () => {
  await fill();
  let said = '';
  let flushes = 0;
  for (; said === '' && flushes < FLUSHES_MAX; flushes++) said = await fault(`write -f -P ${patternOf(flushes)} 0 4k`);
  assert.match(said, /No space left/);
  await node.stop('SIGKILL');
  await node.start();
  const refusal = await node.controller.call('image.show', { image: 'web' }).catch((error: unknown) => error);
  assert.is(codeOf(refusal), 'IMAGE_UNUSABLE');
  assert.match(refusal instanceof OperationError ? refusal.remedy : '', /Make room/);
  await rm(filler());
  // Its socket is there before somebody listens at it, so that it tells nothing.
  await until('the image is served', async () => (await fault('read 0 4k')) === '');
  // Of the write that was refused either content may be there.
  const patterns = [patternOf(flushes - 1), patternOf(flushes)];
  const outcomes = await Promise.all(patterns.map((pattern) => fault(`read -P ${pattern} 0 4k`)));
  assert.ok(outcomes.includes(''));
  await node.io('read -P 9 4k 4k', 'read -P 1 8k 1016k', 'read -P 2 20M 1M');
  await node.io('write -P 8 0 1M', 'flush', 'read -P 8 0 1M');
});

test.run();
