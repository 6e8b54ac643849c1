// An image that becomes larger under its running VM, in a running lab: the guest sees it, loses nothing, and moves with it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HYPERVISOR } from '../../lab/daemons.ts';
import { type GuestStatus, guestProblems } from '../../lab/guest/status.ts';
import { GUEST } from '../../lab/topology.ts';
import { refusal } from '../refusal.ts';
import { ClusterStand, until } from './stand.ts';

const { vm, image } = GUEST;
const SECTOR_BYTES = 512;
const MIB = 2 ** 20;
let stand: ClusterStand;
let bytes = 0;

test.before(async () => {
  stand = await ClusterStand.start();
  // The same VM anew, with a kernel that says on its console what it notices.
  const { operator } = stand;
  const { spec } = await operator.call('vm.show', { vm });
  const { memoryMB, cpus, ip, mac, boot } = spec;
  await operator.call('vm.delete', { vm });
  const loud = { ...boot, commandLine: `${boot.commandLine} ignore_loglevel` };
  await operator.call('vm.create', { vm, cloud: 'alpha', image, memoryMB, cpus, ip, mac, boot: loud });
  await untilWell();
  bytes = spec.disks[0]?.bytes ?? 0;
});

test.after(() => stand?.stop());

/** Until the guest answers from memory and disk, with nothing lost. */
function untilWell(): Promise<void> {
  return until('the guest works', async () => {
    const { verified } = await stand.visitor.ask('status');
    return verified > 0 ? '' : 'nothing is verified yet';
  });
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
