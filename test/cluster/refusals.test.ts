// What must be refused or survived in a running lab: each a sentence, and the VM runs on where it was.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HYPERVISOR, SDND } from '../../lab/daemons.ts';
import { runIn } from '../../lab/namespace.ts';
import { runSupercloud } from '../../lab/program.ts';
import { GUEST, THREE_CLOUDS, withControllers } from '../../lab/topology.ts';
import { refusal } from '../refusal.ts';
import { blockTunnel, cutOff, narrow, setClockAhead, wrongOf } from './doctor-stand.ts';
import { ClusterStand, qemus, until } from './stand.ts';

const { vm } = GUEST;
/** Slow enough that a migration is under way for as long as a test needs it. */
const SLOW_BYTES_PER_SECOND = 1_500_000;
const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const HINT_MS = 240_000;
let stand: ClusterStand;

test.before(async () => {
  stand = await ClusterStand.start(withControllers(THREE_CLOUDS, 2));
});

test.after(() => stand?.stop());

test('an unknown VM, an unknown cloud, and the place where it already is', async () => {
  const { operator } = stand;
  const unknown = await refusal(operator.call('vm.migrate', { vm: 'nobody', to: 'beta' }));
  assert.is(unknown.code, 'VM_UNKNOWN');
  assert.match(unknown.remedy, vm);
  const nowhere = await refusal(operator.call('vm.migrate', { vm, to: 'delta' }));
  assert.is(nowhere.code, 'CLOUD_UNKNOWN');
  assert.match(nowhere.remedy, 'alpha, beta, gamma');
  const there = await refusal(operator.call('vm.migrate', { vm, to: 'alpha' }));
  assert.is(there.code, 'ALREADY_THERE');
  await stand.assertRunsAt('alpha');
});

test('names and images that are taken or in use', async () => {
  const { operator } = stand;
  const { spec } = await operator.call('vm.show', { vm });
  const request = { vm, cloud: 'beta', image: GUEST.image, memoryMB: 128, cpus: 1, ip: '10.88.0.11', boot: spec.boot };
  assert.is((await refusal(operator.call('vm.create', request))).code, 'VM_EXISTS');
  assert.is((await refusal(operator.call('vm.create', { ...request, vm: 'other' }))).code, 'IMAGE_OPEN');
  assert.is((await refusal(operator.call('image.delete', { image: GUEST.image }))).code, 'IMAGE_OPEN');
  await stand.assertRunsAt('alpha');
});

test('a used token lets nobody in', async () => {
  const { token } = await stand.operator.call('token.create', { ttlSeconds: 60 });
  const directory = `${stand.lab.run.path}/joined`;
  const { namespace } = stand.lab.cloud('beta');
  await runSupercloud(namespace, ['join', '--node', 'delta', '--identity', `${directory}-1`], token);
  const again = runSupercloud(namespace, ['join', '--node', 'epsilon', '--identity', `${directory}-2`], token);
  const error = await again.then(
    () => '',
    (failure: unknown) => String(failure),
  );
  assert.match(error, 'TOKEN_USED');
});

test('a second migration of the same VM, and cancelling the first', async () => {
  const { operator } = stand;
  const { ended } = await stand.migrateUntilMemory('beta', SLOW_BYTES_PER_SECOND);
  const second = await refusal(operator.call('vm.migrate', { vm, to: 'gamma' }));
  assert.is(second.code, 'ALREADY_MIGRATING');
  assert.is((await refusal(operator.call('vm.delete', { vm }))).code, 'VM_BUSY');
  const looked = operator.call('node.doctor', { a: 'beta', b: 'alpha', bandwidth: true, force: false });
  assert.is((await refusal(looked)).code, 'LINK_BUSY');
  await operator.call('migration.cancel', { vm });
  assert.match((await ended)?.message ?? '', 'cancelled by the operator');
  await stand.assertRunsAt('alpha');
});

test('a migration that does not converge says so, and Ctrl-C at the command line stops it', async () => {
  // More than is sent, also where the guest is given half a processor.
  await stand.visitor.ask('dirty 6');
  const words = ['migrate', vm, '--to', 'beta', '--bandwidth', '24', '--context', `${stand.lab.run.path}/context.json`];
  const child = spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  // With the end of what it says, which may come after its own.
  const ended = once(child, 'close');
  // Some passes over what the guest changes, each of five seconds.
  await until('a word on it', async () => (/this does not end/.test(said) ? '' : `it said: ${said}`), HINT_MS);
  child.kill('SIGINT');
  assert.equal(await ended, [1, null]);
  assert.match(said, /stopping it; Ctrl-C again leaves it as it is/);
  assert.match(said, /cancelled by the operator/);
  await stand.visitor.ask('dirty 2');
  await stand.assertRunsAt('alpha');
});

test('a destination whose machine dies in the middle', async () => {
  const { ended } = await stand.migrateUntilMemory('beta', SLOW_BYTES_PER_SECOND);
  const machines = qemus(stand.lab.cloud('beta').namespace);
  assert.is(machines.length, 1);
  for (const pid of machines) process.kill(pid, 'SIGKILL');
  assert.is((await ended)?.code, 'MIGRATION_FAILED');
  await stand.assertRunsAt('alpha');
});

test('a destination whose agent dies in the middle and comes back', async () => {
  const { ended } = await stand.migrateUntilMemory('beta', SLOW_BYTES_PER_SECOND);
  const beta = stand.lab.cloud('beta');
  await beta.daemon(HYPERVISOR).kill();
  await beta.startDaemon(HYPERVISOR);
  assert.is((await ended)?.code, 'MIGRATION_FAILED');
  await stand.assertRunsAt('alpha');
});

test('a doctor finds nothing wrong between two nodes, and of others what was done to them', async () => {
  const { lab, operator } = stand;
  const pair = { a: 'beta', b: 'gamma', bandwidth: false, force: false };
  const fine = operator.call('node.doctor', { a: 'alpha', b: 'beta', bandwidth: true, force: false });
  await setClockAhead(lab, 'gamma', 60_000);
  const unblock = await blockTunnel(lab, 'gamma', 'beta');
  await narrow(lab, 'gamma', 1_200);
  const words = ['doctor', 'beta', 'gamma', '--no-bandwidth', '--context', `${lab.run.path}/context.json`];
  const child = spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  process.stdout.write(said);
  assert.is(code, 1);
  assert.match(said, /wrong +tunnel +gamma +beta .*\n +Let UDP port 4789 of beta in from 10\.77\.0\.3/);
  assert.match(said, /wrong +MTU +beta +gamma +guests' packets of 1150 bytes come through, 1330 are needed/);
  assert.match(said, /wrong +clocks +beta +gamma +gamma is (59|60)\d{3} ms ahead/);
  assert.is(said.match(/^wrong/gm)?.length, 3);
  await unblock();
  await narrow(lab, 'gamma', 1_500);
  const { findings, ends } = await fine;
  assert.equal(wrongOf(findings.filter(({ subject }) => subject !== 'bandwidth')), []);
  for (const { subject, from, to, figure } of findings) process.stdout.write(`  ${subject} ${from}>${to}: ${figure}\n`);
  for (const { rate } of ends) assert.ok(rate !== null && 'bytes' in rate && rate.bytes > 0, JSON.stringify(rate));
  await cutOff(lab, 'beta', 'gamma', true);
  const cut = await operator.call('node.doctor', pair);
  await cutOff(lab, 'beta', 'gamma', false);
  const both = ['ports beta>gamma', 'ports gamma>beta', 'tunnel beta>gamma', 'tunnel gamma>beta'];
  assert.equal(wrongOf(cut.findings), both);
  // Gamma's agent keeps its clock: nothing else here asks it the time.
  await stand.assertRunsAt('alpha');
});

/** Its user's pings by IPv6: how many of so many came back. */
let ping6: (count: number) => Promise<number>;

test('a VM that runs takes the IPv6 address that it is given by its node, and its user reaches it', async () => {
  const { lab, operator } = stand;
  const { addresses } = await operator.call('ipv6.set', {});
  const addressOf = (name: string): string => addresses.find(({ owner }) => owner === name)?.ipv6 ?? '';
  const inside = (script: string): Promise<string> => runIn(lab.visitorNamespace, 'sh', ['-ec', script]);
  ping6 = async (count) => {
    const said = await inside(`ping -6 -n -q -c ${count} -i 0.2 -w 30 ${addressOf(vm)} || true`);
    return Number(/(\d+) received/.exec(said)?.[1]);
  };
  // At its port is no agent, which would answer it: it is told by hand what a guest hears.
  const { device } = lab.topology.visitor;
  const mac = /lladdr (\S+)/.exec(await inside(`ip neigh show ${GUEST.address}`))?.[1] ?? '';
  await inside(`sysctl -qw net.ipv6.conf.${device}.disable_ipv6=0 net.ipv6.conf.${device}.accept_ra=0`);
  await inside(`ip -6 address add ${addressOf('visitor')}/64 dev ${device} nodad`);
  await inside(`ip -6 neigh replace ${addressOf(vm)} lladdr ${mac} dev ${device}`);
  await until('pings are answered', async () => ((await ping6(1)) === 1 ? '' : 'no answer'));
});

test('after all that the VM still moves', async () => {
  const sent = async (): Promise<number> => {
    const { pairs } = await stand.operator.call('network.traffic', { vm });
    return pairs.find(({ from, to }) => from === vm && to !== null)?.bytes ?? 0;
  };
  const before = await sent();
  assert.ok(before > 0);
  await stand.operator.call('vm.migrate', { vm, to: 'beta' });
  await stand.assertRunsAt('beta');
  assert.is(await ping6(3), 3);
  await until('what it sends is counted on where it is now', async () => {
    const now = await sent();
    return now > before ? '' : `${now} bytes after ${before}`;
  });
  const { network } = await stand.operator.call('metrics.show', {});
  assert.ok(network?.switches.every(({ connected, flows, packetIns }) => connected && flows > 0 && packetIns !== null));
});

test("the overlay's active controller dies in the middle, the one that stands by leads, and the VM moves", async () => {
  const { lab, operator } = stand;
  const leader = async (): Promise<string> => {
    const { controllers } = await operator.call('network.controllers', {});
    return controllers.find(({ role }) => role === 'active')?.node ?? 'none';
  };
  assert.is(await leader(), 'alpha');
  const before = await stand.visitor.ask('status');
  const { ended } = await stand.migrateUntilMemory('alpha');
  const alpha = lab.cloud('alpha');
  await alpha.daemon(SDND).kill();
  assert.is(await ended, undefined);
  assert.is(await leader(), 'beta');
  await alpha.startDaemon(SDND);
  assert.is(await stand.recovered(), 'alpha');
  await stand.assertGoesOn(before);
  // Who comes back stands by.
  assert.is(await leader(), 'beta');
});

test.run();
