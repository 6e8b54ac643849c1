// A background pull between real daemons over a link that stands still for it: what a guest reads meanwhile, and how much
// crosses for that.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { Closing, StoreImage } from '../../wire/contracts/blockd.ts';
import { BLOCKD_PORT } from '../../wire/ports.ts';
import { until } from '../until.ts';
import { BlockdNode } from './blockd-node.ts';
import { HoldingRelay } from './holding-relay.ts';

const MIB = 2 ** 20;
const BLOCK_BYTES = 4_096;
const BYTES = 64 * MIB;
const WRITTEN = 48 * MIB;
const MIGRATION = 'a000000000000001';
const STACK = { layer: 'l00000000000000aa', generation: 1, below: [] };
const KNOWN = { image: 'web', bytes: BYTES, stack: STACK };
const EMPTY: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
/** By this address b knows a. */
const RELAYED = { node: 'a', address: '127.0.0.9' };
/** A TLS handshake of both sides, frames' headers and records: generously. */
const AROUND_BYTES = 16 * 1024;
const LONG_MS = 60_000;

let root: string;
let a: BlockdNode;
let b: BlockdNode;
let relay: HoldingRelay;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'blockd-pull-'));
  const authority = await createAuthority();
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  a = await BlockdNode.make(authority, controller, root, 'a', '127.0.0.1');
  b = await BlockdNode.make(authority, controller, root, 'b', '127.0.0.2');
  relay = await HoldingRelay.start(RELAYED.address, BLOCKD_PORT, a.address);
  await Promise.all([a.start(), b.start()]);
  await a.controller.call('members.set', { members: [a.endpoint, b.endpoint] });
  await b.controller.call('members.set', { members: [RELAYED, b.endpoint] });
});

test.after(async () => {
  relay.close();
  await Promise.all([a.stop('SIGKILL'), b.stop('SIGKILL')]);
  a.close();
  b.close();
  await rm(root, { recursive: true, force: true });
});

function show(): Promise<StoreImage> {
  return b.controller.call('image.show', { image: 'web' });
}

async function move(): Promise<void> {
  await b.controller.call('standby.start', { ...KNOWN, migration: MIGRATION, epoch: 2, from: RELAYED });
  await b.controller.call('standby.ready', { migration: MIGRATION });
  const { closings } = await a.self.call('writer.freeze', { migration: MIGRATION, images: ['web'] });
  const verdict = await b.self.call('standby.verify', { migration: MIGRATION, closings, timeoutMs: LONG_MS });
  assert.equal(verdict, { equal: true, reason: '' });
  await b.self.call('standby.activate', { migration: MIGRATION });
  await a.self.call('writer.release', { migration: MIGRATION });
}

test('a read is answered while the pull stands still, and only what it asks for crosses for it', async () => {
  await a.controller.call('image.create', { image: 'web', layer: STACK.layer, bytes: BYTES });
  await a.controller.call('image.open', { ...KNOWN, epoch: 1, last: EMPTY, from: a.endpoint });
  await a.io('write -P 0x11 0 48M', 'flush');
  await move();
  relay.holdBeyond = 2 * MIB;
  await b.controller.call('pull.set', { image: 'web', rateBytesPerSecond: 1_000_000_000 });
  await Promise.race([relay.held, sleep(LONG_MS, undefined, { ref: false })]);
  relay.holdBeyond = Number.POSITIVE_INFINITY;
  const before = relay.connections.length;
  await b.io('read -P 0x11 40M 64k');
  assert.is((await show()).counters.fetchedOnDemandBlocks, 16);
  const carried = relay.connections.slice(before);
  assert.is(carried.length, 1, 'it came on a connection of its own');
  const bytes = carried[0]?.bytes ?? 0;
  assert.ok(bytes > 16 * BLOCK_BYTES && bytes < 16 * BLOCK_BYTES + AROUND_BYTES, `${bytes} bytes`);
});

test('a read of what the pull has under way asks for it again', async () => {
  const { counters: before } = await show();
  // Those that the held connection has brought, and next to them those that it has under way.
  await b.io('read -P 0x11 0 4M');
  const { counters } = await show();
  assert.is(
    counters.fetchedOnDemandBlocks - before.fetchedOnDemandBlocks + counters.fetchedInBackgroundBlocks,
    (4 * MIB) / BLOCK_BYTES,
  );
  assert.is(relay.connections.filter(({ isHeld }) => isHeld).length, 1);
});

test('the pull goes on when the link does, and brings little twice', async () => {
  relay.letGo();
  await until('the image needs the other node no more', async () => (await show()).dependsOn.length === 0);
  assert.ok(relay.carriedBytes < 1.2 * WRITTEN, `${relay.carriedBytes} bytes`);
  await b.io('read -P 0x11 0 48M');
});

test.run();
