// Flushes that wait for copies, on real daemons with qemu-io as the guest: the writer is killed and its disk taken away, a
// copy is killed or stopped under a flush, and what was answered is on the other stores.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import { type Authority, createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { Closing, CopiesShown } from '../../wire/contracts/blockd.ts';
import type { PropagationPolicy } from '../../wire/contracts/propagation.ts';
import { BlockdNode } from './blockd-node.ts';

const BYTES = 64 * 2 ** 20;
const BLOCK_BYTES = 4096;
const STACK = { layer: 'l00000000000000c1', generation: 1, below: [] };
const EMPTY: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const WAIT: PropagationPolicy = { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'wait' };
const GO_ON: PropagationPolicy = { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'continue' };
/** Far beyond what any step takes here. */
const LONG_MS = 60_000;

let root: string;
let authority: Authority;
let controller: Identity;
let nodes: BlockdNode[] = [];

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  authority = await createAuthority();
  controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
});

test.before.each(async () => {
  root = await mkdtemp(join(tmpdir(), 'copies-'));
  const names = ['a', 'b', 'c'];
  const make = (name: string, at: number): Promise<BlockdNode> =>
    BlockdNode.make(authority, controller, root, name, `127.0.0.${41 + at}`);
  nodes = await Promise.all(names.map(make));
  for (const node of nodes) await node.start();
});

test.after.each(async () => {
  for (const node of nodes) {
    node.goOn();
    await node.stop('SIGKILL');
    node.close();
  }
  await rm(root, { recursive: true, force: true });
});

function at(index: number): BlockdNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  return node;
}

/** The image, written at the first of so many members, each a cloud of its own, under the policy. */
async function opened(count: number, policy: PropagationPolicy): Promise<BlockdNode[]> {
  const members = nodes.slice(0, count).map(({ endpoint }) => ({ ...endpoint, cloud: `cloud-${endpoint.node}` }));
  for (const node of nodes) await node.controller.call('members.set', { members });
  await at(0).controller.call('image.create', { image: 'web', layer: STACK.layer, bytes: BYTES });
  const propagation = { ...DEFAULT_SETTINGS, policy };
  const opening = {
    image: 'web',
    bytes: BYTES,
    stack: STACK,
    epoch: 1,
    last: EMPTY,
    from: at(0).endpoint,
    propagation,
  };
  await at(0).controller.call('image.open', opening);
  if (policy.mode === 'sync') await copiesUntil(({ safeOn }) => safeOn === policy.copies);
  return nodes;
}

/** Looks at the copies until they are as they should be. */
async function copiesUntil(isThere: (copies: CopiesShown) => boolean): Promise<CopiesShown> {
  const deadlineMs = Date.now() + LONG_MS;
  for (;;) {
    const { copies } = await at(0).controller.call('image.show', { image: 'web' });
    if (copies !== undefined && isThere(copies)) return copies;
    if (Date.now() > deadlineMs) throw new Error(`the copies stay ${JSON.stringify(copies)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Opens what a store has of the image for writing there, with nobody else's help. */
async function openCopy(node: BlockdNode): Promise<void> {
  const { layers } = await node.controller.call('layer.list', {});
  const copy = layers.find(({ layer }) => layer === STACK.layer);
  if (copy === undefined) throw new Error(`there is no copy at ${node.name}`);
  const { lastSequence, writtenBlocks, digest } = copy;
  const last = { image: 'web', epoch: 1, generation: 1, lastSequence, entries: writtenBlocks, digest };
  const opening = { image: 'web', bytes: BYTES, stack: STACK, epoch: 3, last, from: node.endpoint };
  await node.controller.call('image.open', opening);
}

interface Write {
  readonly block: number;
  readonly fill: number;
}

/** FUA writes one after the other; answers those that were acknowledged once `isEnough` says so or all are. */
async function fuaWrites(
  node: BlockdNode,
  writes: readonly Write[],
  isEnough: (count: number) => boolean,
): Promise<number> {
  const words = writes.flatMap(({ block, fill }) => [
    '-c',
    `write -f -P ${fill} ${block * BLOCK_BYTES} ${BLOCK_BYTES}`,
  ]);
  const target = `nbd+unix:///web?socket=${node.socket}`;
  const guest = spawn('qemu-io', ['-f', 'raw', '-t', 'none', ...words, target], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => guest.once('close', () => resolve()));
  const enough = Promise.withResolvers<void>();
  let text = '';
  const acknowledged = (): number => text.match(/^wrote \d+\/\d+ bytes/gm)?.length ?? 0;
  guest.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (isEnough(acknowledged())) enough.resolve();
  });
  await Promise.race([enough.promise, ended]);
  await node.stop('SIGKILL');
  // It says in pieces of some forty writes what was acknowledged: killed, it would keep the last piece to itself.
  await ended;
  return acknowledged();
}

test('each acknowledged write is on the other store after the writer and its disk are gone', async () => {
  const [a, b] = await opened(2, WAIT);
  if (a === undefined || b === undefined) throw new Error('no nodes');
  // A few blocks, written again and again, so that what is acknowledged is being overwritten when the writer dies.
  const writes = Array.from({ length: 400 }, (_, index) => ({ block: (index * 7) % 40, fill: 1 + (index % 250) }));
  const count = await fuaWrites(a, writes, (acknowledged) => acknowledged >= 150);
  assert.ok(count >= 150, `${count} were acknowledged`);
  await rm(a.directory, { recursive: true });
  await openCopy(b);
  for (let block = 0; block < 40; block++) {
    const own = writes.map((write, index) => ({ ...write, index })).filter((write) => write.block === block);
    const newest = own.findLast(({ index }) => index < count);
    // The one write that was under way may be there too.
    const fills = [newest?.fill ?? 0, ...own.filter(({ index }) => index === count).map(({ fill }) => fill)];
    const reads = await Promise.allSettled(
      fills.map((fill) => b.io(`read -P ${fill} ${block * BLOCK_BYTES} ${BLOCK_BYTES}`)),
    );
    assert.ok(
      reads.some(({ status }) => status === 'fulfilled'),
      `block ${block} is none of ${fills.join(', ')}`,
    );
  }
});

test('while the copy is dead a flush waits, and is answered when it is back', async () => {
  const [a, b] = await opened(2, WAIT);
  if (a === undefined || b === undefined) throw new Error('no nodes');
  await a.io('write -P 7 0 1M', 'flush');
  await b.stop('SIGKILL');
  let isAnswered = false;
  const flushed = a.io('write -P 8 0 64k', 'flush').finally(() => {
    isAnswered = true;
  });
  const waiting = await copiesUntil(({ waitingFlushes }) => waitingFlushes > 0);
  assert.equal([waiting.safeOn, waiting.degraded, isAnswered], [1, false, false]);
  await copiesUntil(({ stores }) => stores.every(({ reachable }) => !reachable));
  assert.not(isAnswered);
  await b.start();
  await flushed;
  await a.stop('SIGKILL');
  await rm(a.directory, { recursive: true });
  await openCopy(b);
  await b.io('read -P 8 0 64k', 'read -P 7 64k 960k');
});

test('a copy that is killed under a flush: a policy that goes on answers and says so, and the copy is filled again', async () => {
  const [a, b] = await opened(2, GO_ON);
  if (a === undefined || b === undefined) throw new Error('no nodes');
  b.pause();
  const flushed = a.io('write -P 9 4k 64k', 'flush');
  await copiesUntil(({ waitingFlushes }) => waitingFlushes > 0);
  await b.stop('SIGKILL');
  await flushed;
  const degraded = await copiesUntil(({ waitingFlushes }) => waitingFlushes === 0);
  assert.equal([degraded.safeOn, degraded.degraded], [1, true]);
  await b.start();
  const again = await copiesUntil(({ safeOn }) => safeOn === 2);
  assert.not(again.degraded);
  await a.stop('SIGKILL');
  await rm(a.directory, { recursive: true });
  await openCopy(b);
  await b.io('read -P 9 4k 64k', 'read -P 0 0 4k');
});

test('a third store takes the place of a dead one, and keeps all that was written before', async () => {
  const [a, b, c] = await opened(3, WAIT);
  if (a === undefined || b === undefined || c === undefined) throw new Error('no nodes');
  await a.io('write -P 5 8M 1M', 'write -z 9M 64k', 'flush');
  await b.stop('SIGKILL');
  await a.io('write -P 6 8M 4k', 'flush');
  await a.stop('SIGKILL');
  await rm(a.directory, { recursive: true });
  await openCopy(c);
  await c.io('read -P 6 8M 4k', 'read -P 5 8196k 1020k', 'read -P 0 9M 64k');
});

test('an image is cut under its copies: both layers are on the other store', async () => {
  const [a, b] = await opened(2, WAIT);
  if (a === undefined || b === undefined) throw new Error('no nodes');
  await a.io('write -P 1 0 1M', 'flush');
  const top = 'l00000000000000c2';
  const order = { cut: 'c000000000000001', cuts: [{ image: 'web', layer: top }] };
  const { sealed } = await a.controller.call('image.cut', order);
  await a.io('write -P 2 512k 64k', 'flush');
  await a.stop('SIGKILL');
  await rm(a.directory, { recursive: true });
  const { layers } = await b.controller.call('layer.list', {});
  const copy = layers.find(({ layer }) => layer === top);
  if (copy === undefined) throw new Error('the new top is not there');
  const { lastSequence, writtenBlocks: entries, digest } = copy;
  const stack = { layer: top, generation: 2, below: sealed.map((one) => one.sealed) };
  const last = { image: 'web', epoch: 1, generation: 2, lastSequence, entries, digest };
  await b.controller.call('image.open', { image: 'web', bytes: BYTES, stack, epoch: 3, last, from: b.endpoint });
  await b.io('read -P 1 0 512k', 'read -P 2 512k 64k', 'read -P 1 576k 448k');
});

test('a snapshot that was brought to another place is what is left of an image without copies', async () => {
  const [a, b] = await opened(2, { mode: 'on-demand' });
  if (a === undefined || b === undefined) throw new Error('no nodes');
  await a.io('write -P 1 0 1M', 'flush');
  const order = { cut: 'c000000000000001', cuts: [{ image: 'web', layer: 'l00000000000000c2' }] };
  const below = (await a.controller.call('image.cut', order)).sealed.map(({ sealed }) => sealed);
  await a.io('write -P 2 0 4k', 'flush');
  await b.controller.call('layer.seed', { layers: below, from: a.endpoint, rateBytesPerSecond: 1e9 });
  await a.stop('SIGKILL');
  await rm(a.directory, { recursive: true });
  const stack = { layer: 'l00000000000000c3', generation: 1, below };
  const last = { ...EMPTY, image: 'again', lastSequence: below[0]?.lastSequence ?? 0 };
  const from = a.endpoint;
  await b.controller.call('image.open', { image: 'again', bytes: BYTES, stack, epoch: 1, last, from });
  await b.ioOn('again', 'read -P 1 0 1M', 'read -P 0 1M 1M');
});

test.run();
