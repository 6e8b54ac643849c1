// A closed image that several places have open for reading (TOCS 2017, 3.2.2), between real daemons under a real catalogue
// with the orchestrator's room for it, and qemu-io and nbdinfo as its clients.
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../common/clock.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { Admission } from '../../orchestrator/admission.ts';
import { DiskClosing } from '../../orchestrator/images/disk-closing.ts';
import { Readers } from '../../orchestrator/images/readers.ts';
import { refusal } from '../refusal.ts';
import { quiet } from '../unit/common/members.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { CatalogueStand } from './catalogue-stand.ts';

const BYTES = 16 * 2 ** 20;
const LAYER = 'l00000000000000aa';
const EMPTY = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const run = promisify(execFile);

let stand: CatalogueStand;
let readers: Readers;
let [a, b, c]: BlockdNode[] = [];

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  stand = await CatalogueStand.start(151);
  const { cluster, state } = stand;
  readers = new Readers({ cluster, admission: new Admission(state), clock: realClock, log: quiet });
  [a, b, c] = [stand.node('a'), stand.node('b'), stand.node('c')];
  await stand.watch.compareAll();
  await a.controller.call('image.create', { image: 'web', layer: LAYER, bytes: BYTES });
  await stand.client.call('image.add', { image: 'web', layer: LAYER, bytes: BYTES, holder: 'a', closing: EMPTY });
});

test.after(() => stand.close());

const node = (one: BlockdNode | undefined): BlockdNode => {
  if (one === undefined) throw new Error('it is not started');
  return one;
};

/** A VM's opening, as the orchestrator makes it. */
async function openAt(one: BlockdNode): Promise<void> {
  const head = await stand.cluster.controller.catalogue.call('epoch.open', { image: 'web', node: one.name });
  const { bytes, stack, epoch, last, holder } = head;
  const from = stand.cluster.endpoint(holder);
  await one.controller.call('image.open', { image: 'web', bytes, stack, epoch, last, from });
}

const closeAt = (one: BlockdNode): Promise<void> => new DiskClosing(stand).close('web', one.name);

const exists = (one: BlockdNode): Promise<boolean> =>
  access(one.socket).then(
    () => true,
    () => false,
  );

/** Reads with patterns that must be there. @throws Error with what differs */
async function reads(one: BlockdNode, ...commands: readonly string[]): Promise<void> {
  const words = ['-r', '-f', 'raw', ...commands.flatMap((command) => ['-c', `read ${command}`])];
  const { stdout } = await run('qemu-io', [...words, `nbd+unix:///web?socket=${one.socket}`], { timeout: 60_000 });
  assert.not.match(stdout, /failed|error/i, one.name);
}

async function nbdinfo(one: BlockdNode): Promise<{ is_read_only: boolean; 'export-size': number }> {
  const { stdout } = await run('nbdinfo', ['--json', `nbd+unix:///web?socket=${one.socket}`], { timeout: 60_000 });
  return JSON.parse(stdout).exports[0];
}

test('who opens it for reading sees what was closed, at several places, and no VM can have it meanwhile', async () => {
  await openAt(node(a));
  assert.is((await refusal(readers.open('web', 'b'))).code, 'IMAGE_OPEN', 'while it is written');
  await node(a).io('write -P 0x11 0 1M', 'write -P 0x12 5M 64k', 'flush');
  await closeAt(node(a));
  for (const one of [node(b), node(c), node(a)]) {
    const opened = await readers.open('web', one.name);
    assert.equal(opened, { node: one.name, socket: join(one.directory, 'run', 'web.sock') });
    await reads(one, '-P 0x11 0 1M', '-P 0 1M 1M', '-P 0x12 5M 64k');
  }
  const shown = await nbdinfo(node(b));
  assert.equal([shown.is_read_only, shown['export-size']], [true, BYTES]);
  await node(b)
    .io('write 0 4k')
    .then(
      () => assert.unreachable('it was written'),
      (error: Error) => assert.match(error.message, /read.?only|not permitted|permission denied/i),
    );
  for (const one of [node(a), node(b)]) assert.is((await refusal(openAt(one))).code, 'IMAGE_READ');
});

test('a killed daemon shows it again as it comes back, and a dead client is no client', async () => {
  await node(c).stop('SIGKILL');
  await stand.startNode(node(c));
  await reads(node(c), '-P 0x11 0 1M', '-P 0x12 5M 64k');
  // qemu-io has ended; that its socket has ended too is what the daemon sees in a turn of its own.
  const shown = async (): Promise<boolean> => {
    const { readers: open } = await node(c).controller.call('reader.list', {});
    assert.equal(
      open.map(({ image }) => image),
      ['web'],
    );
    return open[0]?.clients === 0;
  };
  await until('the client that has ended is none', shown);
});

test('after the last has closed it is written again, and who opens it then sees that', async () => {
  for (const one of [node(a), node(b), node(c)]) {
    assert.equal(await readers.close('web', one.name), []);
    assert.not.ok(await exists(one), `the export at ${one.name}`);
  }
  await openAt(node(c));
  await node(c).io('read -P 0x11 0 1M', 'write -P 0x33 512k 1M', 'flush');
  await closeAt(node(c));
  await readers.open('web', 'b');
  await reads(node(b), '-P 0x11 0 512k', '-P 0x33 512k 1M', '-P 0x12 5M 64k');
});

test('a reader that was away while it was closed does not stay in the way of who writes there', async () => {
  await node(b).stop('SIGKILL');
  assert.equal(await readers.close('web', 'b'), ['b']);
  await openAt(node(c));
  await node(c).io('write -P 0x44 0 64k', 'flush');
  await closeAt(node(c));
  await stand.startNode(node(b));
  await openAt(node(b));
  await node(b).io('read -P 0x44 0 64k', 'write -P 0x55 64k 64k', 'read -P 0x33 512k 1M');
  await closeAt(node(b));
});

test.run();
