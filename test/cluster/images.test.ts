// Images in a running lab. One is pinned to another place than its VM's: the guest waits at its first read, a person sees it, and
// it goes on once it has migrated there (real QEMUs move with a request that was never answered). Closed, one is read at several
// nodes, as a person orders it; under its running VM it becomes larger: the guest sees that, loses nothing, and moves with it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { HYPERVISOR } from '../../lab/daemons.ts';
import { type GuestStatus, guestProblems } from '../../lab/guest/status.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { runSupercloud } from '../../lab/program.ts';
import { GUEST } from '../../lab/topology.ts';
import type { StubEvent } from '../../wire/contracts/events.ts';
import type { MachineSpec } from '../../wire/contracts/hypervisor.ts';
import { refusal } from '../refusal.ts';
import { ClusterStand, until } from './stand.ts';

const { vm, image } = GUEST;
const WEB = { kind: 'image', name: image } as const;
const tool = promisify(execFile);
/** What a program prints. */
const run = async (command: string, words: readonly string[]): Promise<string> => (await tool(command, words)).stdout;
const SECTOR_BYTES = 512;
const MIB = 2 ** 20;
let stand: ClusterStand;
let spec: MachineSpec;
let bytes = 0;

test.before(async () => {
  await ensurePackages(['libnbd-bin'], new ProgressLine());
  stand = await ClusterStand.start();
  spec = (await stand.operator.call('vm.show', { vm })).spec;
  bytes = spec.disks[0]?.bytes ?? 0;
});

test.after(() => stand?.stop());

/** As a person types it, on the controller's node. */
function supercloud(...words: readonly string[]): Promise<string> {
  return runSupercloud(stand.lab.cloud('alpha').namespace, [
    ...words,
    '--context',
    `${stand.lab.run.path}/context.json`,
  ]);
}

/** The VM, with a kernel that says on its console what it notices. */
async function boot(cloud: string): Promise<void> {
  const { memoryMB, cpus, ip, mac, boot: from } = spec;
  const loud = { ...from, commandLine: `${from.commandLine} ignore_loglevel` };
  await stand.operator.call('vm.create', { vm, cloud, image, memoryMB, cpus, ip, mac, boot: loud });
}

/** Until the guest answers from memory and disk, with nothing lost. */
function untilWell(): Promise<void> {
  return until('the guest works', async () => {
    const { verified } = await stand.visitor.ask('status');
    return verified > 0 ? '' : 'nothing is verified yet';
  });
}

async function events(): Promise<StubEvent[]> {
  return (await stand.operator.call('event.list', {})).events;
}

/** Until the guest's kernel says that its disk has this size. */
function untilSeen(size: number): Promise<void> {
  const words = `[vda] new size: ${size / SECTOR_BYTES} 512-byte logical blocks`;
  return until('the guest sees it', async () => {
    const { text } = await stand.operator.call('vm.console', { vm });
    return text.includes(words) ? '' : `the console ends with ${text.slice(-300)}`;
  });
}

/** The guest was not restarted since, works on, and has lost nothing. */
async function goesOn(then: GuestStatus): Promise<void> {
  await until('the guest works on', async () => {
    const { verified } = await stand.visitor.ask('status');
    return verified > then.verified ? '' : `${verified} records verified, as before`;
  });
  const now = await stand.visitor.ask('status');
  assert.equal([guestProblems(now), now.bootId], [[], then.bootId]);
}

test('it is pinned only where it is; elsewhere its VM waits, and that is seen', async () => {
  const { operator } = stand;
  const elsewhere = await refusal(operator.call('pin.set', { ...WEB, to: 'beta' }));
  assert.is(elsewhere.code, 'IMAGE_OPEN');
  await operator.call('vm.delete', { vm });
  const { pin } = await operator.call('pin.set', { ...WEB, to: 'alpha' });
  assert.is(pin?.place, 'alpha');
  assert.is((await refusal(operator.call('image.delete', { image }))).code, 'PINNED');
  await boot('beta');
  await until('it waits', async () => {
    const [event] = await events();
    return event !== undefined && 'waiting' in event && event.waiting > 0 ? '' : 'no event yet';
  });
  const [event] = await events();
  if (event === undefined || !('image' in event)) throw new Error('it is of no image');
  assert.equal([event.vm, event.image, event.place, event.endedMs], [vm, image, 'alpha', null]);
  assert.is((await refusal(operator.call('vm.migrate', { vm, to: 'gamma' }))).code, 'MIGRATION_FAILED');
});

test('moved to the place it goes on from its first read, and does not move away', async () => {
  const { operator } = stand;
  await operator.call('vm.migrate', { vm, to: 'alpha' });
  await untilWell();
  await until('the event is over', async () => {
    return (await events()).every(({ endedMs }) => endedMs !== null) ? '' : 'it lasts';
  });
  const away = await refusal(operator.call('vm.migrate', { vm, to: 'beta' }));
  assert.match(away.message, 'pinned to alpha');
  assert.is((await operator.call('vm.show', { vm })).cloud, 'alpha');
});

test('without the pin it boots and moves wherever it likes', async () => {
  const { operator } = stand;
  await operator.call('pin.set', { ...WEB, to: null });
  await operator.call('vm.migrate', { vm, to: 'beta' });
  await untilWell();
});

test('closed, it is open for reading at two nodes by the command line, and no VM can have it until both have closed', async () => {
  await stand.operator.call('vm.delete', { vm });
  for (const node of ['beta', 'gamma']) {
    const { socket } = JSON.parse(await supercloud('image', 'open', image, '--at', node, '--json'));
    const uri = `nbd+unix:///${image}?socket=${socket}`;
    const { is_read_only, 'export-size': size } = JSON.parse(await run('nbdinfo', ['--json', uri])).exports[0];
    assert.equal([is_read_only, size], [true, bytes]);
  }
  let shown = '';
  // The clients have ended; that their sockets have ended too is what each daemon sees in a turn of its own.
  await until('no client is left', async () => {
    shown = await supercloud('image', 'show', image);
    return /\([1-9]\d* clients?\)/.test(shown) ? shown : '';
  });
  assert.match(shown, /open at {2}beta \(0 clients\), gamma \(0 clients\), for reading/);
  assert.match(await supercloud('image', 'list'), /beta, gamma \(reading\)/);
  assert.is((await refusal(boot('alpha'))).code, 'IMAGE_READ');
  assert.match(await supercloud('image', 'close', image, '--at', 'beta'), /readers of image .* at beta have ended/);
  assert.is((await refusal(boot('alpha'))).code, 'IMAGE_READ');
  await supercloud('image', 'close', image, '--at', 'gamma');
  await boot('alpha');
  await untilWell();
});

test('the guest sees the new size at once and loses nothing; a smaller one is refused', async () => {
  const { operator } = stand;
  const before = await stand.visitor.ask('status');
  const head = await operator.call('image.resize', { image, bytes: bytes + 64 * MIB });
  assert.equal([head.bytes, head.writer, head.cut], [bytes + 64 * MIB, 'alpha', null]);
  await untilSeen(bytes + 64 * MIB);
  assert.is((await operator.call('vm.show', { vm })).spec.disks[0]?.bytes, bytes + 64 * MIB);
  await goesOn(before);
  assert.is((await refusal(operator.call('image.resize', { image, bytes }))).code, 'SHRINK_REFUSED');
});

test('it moves with that size, and grows again where it came to', async () => {
  const { operator } = stand;
  const before = await stand.visitor.ask('status');
  await operator.call('vm.migrate', { vm, to: 'beta' });
  await operator.call('image.resize', { image, bytes: bytes + 128 * MIB });
  await untilSeen(bytes + 128 * MIB);
  await goesOn(before);
});

test('a node whose agent is away is told later; the guest runs on as it was', async () => {
  const { operator, lab } = stand;
  const before = await stand.visitor.ask('status');
  const beta = lab.cloud('beta');
  await beta.daemon(HYPERVISOR).kill();
  const refused = await refusal(operator.call('image.resize', { image, bytes: bytes + 192 * MIB }));
  assert.is(refused.code, 'RESIZE_UNSEEN');
  await beta.startDaemon(HYPERVISOR);
  await untilSeen(bytes + 192 * MIB);
  await goesOn(before);
});

test.run();
