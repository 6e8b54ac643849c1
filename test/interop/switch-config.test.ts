// The keeper of a switch's set-up against the real ovsdb-server and ovs-vswitchd: from nothing, each thing removed or changed by
// hand, both daemons killed, other managers beside it. Needs root and Debian's openvswitch-switch. In order.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../common/clock.ts';
import { wantedSwitch } from '../../sdnd/agent/node-switch.ts';
import { describeChange } from '../../sdnd/switch-config/config-changes.ts';
import { type ConfigEvent, ConfigKeeper } from '../../sdnd/switch-config/config-keeper.ts';
import type { WantedConfig } from '../../sdnd/switch-config/wanted-config.ts';
import { within } from '../unit/common/members.ts';
import { OvsdbStand, STEP_TIMEOUT_MS } from './ovsdb-stand.ts';

const TARGET = 'ssl:127.0.0.1:6653';
const TIMED_REMOVALS = 20;

const stand = new OvsdbStand(6640);
const config = suite('set-up of a switch');
const told: ConfigEvent[] = [];
let news = Promise.withResolvers<void>();
let keeper: ConfigKeeper;

/** An agent's switch with two guests; the dummy datapath's ports have no devices, whatever their type. */
const OVERLAY = wantedSwitch(
  { datapathType: 'dummy', controller: { addresses: ['127.0.0.1'], identity: '/identity' } },
  [
    { name: 'vm-1', portNo: 4096, owner: 'web', mac: '02:88:00:00:00:01' },
    { name: 'vm-2', portNo: 4097, owner: 'db', mac: '02:88:00:00:00:02' },
  ],
);
const WANTED: WantedConfig = {
  ...OVERLAY,
  bridges: OVERLAY.bridges.map((bridge) => ({
    ...bridge,
    ports: bridge.ports.map((port) => (port.type === '' ? { ...port, type: 'dummy' } : port)),
  })),
};

function startKeeper(wanted = WANTED): ConfigKeeper {
  const address = stand.unixAddress;
  return new ConfigKeeper({
    ...{ address, wanted, clock: realClock },
    tell: (event) => {
      told.push(event);
      news.resolve();
      news = Promise.withResolvers();
    },
  });
}

async function next<K extends ConfigEvent['kind']>(kind: K): Promise<Extract<ConfigEvent, { kind: K }>> {
  for (;;) {
    for (let event = told.shift(); event !== undefined; event = told.shift()) {
      if (event.kind === kind) return event as Extract<ConfigEvent, { kind: K }>;
    }
    await within(news.promise, STEP_TIMEOUT_MS, `no ${kind}`);
  }
}

/** Does something by hand; answers what the keeper did about it. */
async function repairOf(...words: readonly string[]): Promise<string[]> {
  told.splice(0);
  await stand.vsctl(...words);
  const { repair, changes } = await next('changed');
  assert.ok(repair);
  await obeyed();
  return changes.map(describeChange);
}

/** Resolves when the switch has obeyed all that is wanted. */
async function obeyed(): Promise<void> {
  assert.equal(await keeper.want(WANTED, STEP_TIMEOUT_MS), []);
}

async function numbers(): Promise<string[]> {
  return Promise.all(['vxlan0', 'vm-1', 'vm-2'].map((name) => stand.vsctl('get', 'interface', name, 'ofport')));
}

/** All that another manager has made, as the database says it. */
async function others(): Promise<string> {
  const rows = ['list bridge br-other', 'list port p9', 'list interface p9', 'get-controller br-other', 'get-manager'];
  return (await Promise.all(rows.map((row) => stand.vsctl(...row.split(' '))))).join('\n');
}

config.before(async () => {
  await stand.create();
  await stand.startServer();
});
config.after(async () => {
  keeper?.stop();
  await stand.stop();
});

config('an empty database becomes a switch; numbers, tunnel, controller and files are as wanted', async () => {
  keeper = startKeeper();
  const { repair, changes } = await next('changed');
  assert.not.ok(repair);
  assert.is(changes.length, 8);
  await stand.startSwitch();
  await obeyed();
  assert.equal(await numbers(), ['1', '4096', '4097']);
  assert.is(await stand.vsctl('get-controller', 'br-int'), TARGET);
  assert.is(await stand.vsctl('get-fail-mode', 'br-int'), 'secure');
  assert.match(await stand.vsctl('get', 'interface', 'vxlan0', 'options'), /key=flow, remote_ip=flow/);
  assert.match(await stand.vsctl('get-ssl'), /Private key: \/identity\/key.pem/);
  assert.match(await stand.history(), /switch-agent: add database Open_vSwitch; .*add bridge br-int/);
});

config('each thing that is removed by hand comes back', async () => {
  assert.equal(await repairOf('del-port', 'br-int', 'vm-1'), ['add port vm-1 (of br-int)']);
  assert.equal(await repairOf('del-port', 'br-int', 'vxlan0'), ['add port vxlan0 (of br-int)']);
  assert.equal(await repairOf('del-controller', 'br-int'), [`add controller ${TARGET} (of br-int)`]);
  assert.equal(await repairOf('del-ssl'), ['add tls /identity/cert.pem']);
  assert.equal(await repairOf('del-fail-mode', 'br-int'), ['change bridge br-int (fail_mode)']);
  assert.is((await repairOf('del-br', 'br-int')).at(-1), 'add bridge br-int');
  assert.is((await repairOf('emer-reset', '--', 'del-br', 'br-int')).at(-1), 'add bridge br-int');
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config('each thing that is changed by hand is changed back', async () => {
  const changes: [string, string][] = [
    ['set interface vxlan0 options:remote_ip=10.9.9.9', 'change port vxlan0 (options)'],
    ['set interface vxlan0 type=gre', 'change port vxlan0 (type)'],
    ['set interface vm-2 ofport_request=77', 'change port vm-2 (ofport_request)'],
    ['clear port vm-2 external_ids', 'change port vm-2 (external_ids)'],
    ['set bridge br-int protocols=OpenFlow10', 'change bridge br-int (protocols)'],
    ['clear bridge br-int external_ids', 'change bridge br-int (external_ids)'],
    ['set controller br-int connection_mode=in-band', `change controller ${TARGET} (connection_mode)`],
    ['set-controller br-int tcp:127.0.0.1:1', `add controller ${TARGET} (of br-int)`],
  ];
  for (const [words, change] of changes) assert.is((await repairOf(...words.split(' ')))[0], change);
  assert.is(await stand.vsctl('get-controller', 'br-int'), TARGET);
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config("another manager's bridge, controller and manager are not touched, nor its port on our bridge", async () => {
  const made =
    'add-br br-other -- set bridge br-other datapath_type=dummy -- set-controller br-other tcp:127.0.0.1:2 -- ' +
    'add-port br-other p9 -- set interface p9 type=dummy -- set-manager ptcp:6641:127.0.0.1 -- ' +
    'add-port br-int visitor0 -- set interface visitor0 type=dummy';
  await stand.vsctl(...made.split(' '));
  const before = await others();
  await repairOf('del-br', 'br-int');
  await stand.vsctl(...'add-port br-int visitor0 -- set interface visitor0 type=dummy'.split(' '));
  await repairOf('del-port', 'br-int', 'vm-1');
  assert.is(await others(), before);
  assert.match(await stand.vsctl('list-ports', 'br-int'), /visitor0/);
  // A port of ours on their bridge is taken back, and theirs stays theirs.
  const moved = 'del-port br-int vm-1 -- add-port br-other vm-1 -- set port vm-1 external_ids:supercloud=switch-agent';
  assert.is((await repairOf(...moved.split(' '))).at(-1), 'change port vm-1 (from br-other to br-int)');
  assert.is(await others(), before);
});

config('a name that another manager has taken is told as a conflict, and taken when it is free', async () => {
  told.splice(0);
  await stand.vsctl(...'del-port br-int vm-2 -- add-port br-other vm-2 -- set interface vm-2 type=dummy'.split(' '));
  const { conflicts } = await next('conflict');
  assert.equal(conflicts, [{ part: 'port', name: 'vm-2', reason: 'somebody else has it as vm-2 of br-other' }]);
  assert.is(await stand.vsctl('port-to-br', 'vm-2'), 'br-other');
  assert.equal(await repairOf('del-port', 'br-other', 'vm-2'), ['add port vm-2 (of br-int)']);
});

config('a killed database server is found again, and what was changed while it was away is put right', async () => {
  told.splice(0);
  await stand.killServer();
  await next('lost');
  const br = ['name', '==', 'br-int'];
  await stand.offline({
    op: 'update',
    table: 'Bridge',
    where: [br],
    row: { ports: ['set', []], fail_mode: 'standalone' },
  });
  await stand.startServer();
  await next('connected');
  const { changes } = await next('changed');
  assert.equal(changes.map(describeChange), [
    'change bridge br-int (fail_mode)',
    ...['br-int', 'vxlan0', 'vm-1', 'vm-2'].map((name) => `add port ${name} (of br-int)`),
  ]);
  await obeyed();
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config('a database that was lost with its file is set up anew', async () => {
  told.splice(0);
  await stand.killServer();
  await stand.create();
  await stand.startServer();
  assert.is((await next('changed')).changes.length, 8);
  await obeyed();
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config('a killed switch has its ports again with their numbers; a wish waits for it until then', async () => {
  await stand.killSwitch();
  const waiting = obeyed();
  await stand.startSwitch();
  await waiting;
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config('a keeper that begins anew finds all as it is, and takes away what is no more wanted', async () => {
  keeper.stop();
  told.splice(0);
  keeper = startKeeper();
  await obeyed();
  assert.equal(
    told.map(({ kind }) => kind),
    ['connected', 'obeyed'],
  );
  assert.equal(await keeper.want({ ...WANTED, bridges: [] }, STEP_TIMEOUT_MS), []);
  assert.equal((await stand.vsctl('list-br')).split('\n'), ['']);
  await obeyed();
});

config('what cannot be made is said by the interface', async () => {
  const ports = [{ name: 'none0', type: '', ofport: 4098 }];
  const odd = { ...WANTED, bridges: WANTED.bridges.map((bridge) => ({ ...bridge, datapathType: 'netdev', ports })) };
  await keeper.want(odd, STEP_TIMEOUT_MS);
  const found = keeper.interfaceOf('none0');
  // The dummy datapath takes every device; a real one says why it has none.
  assert.ok(found?.ofport === 4098 || found?.error !== undefined);
  await obeyed();
});

config('removals are put right in milliseconds, which is printed', async () => {
  // With a whole allowance: beyond a burst of repairs the keeper takes its time.
  keeper.stop();
  keeper = startKeeper();
  await obeyed();
  const byHandMs: number[] = [];
  const fromNewsMs: number[] = [];
  for (let round = 0; round < TIMED_REMOVALS; round++) {
    told.splice(0);
    const removed = stand.vsctl('--no-wait', 'del-port', 'br-int', 'vm-1');
    const begunMs = performance.now();
    const { tookMs } = await next('obeyed');
    byHandMs.push(performance.now() - begunMs);
    fromNewsMs.push(tookMs);
    await removed;
  }
  const line = (values: number[]): string => {
    const sorted = values.sort((a, b) => a - b);
    return `median ${sorted[Math.floor(sorted.length / 2)]?.toFixed(1)} ms, worst ${sorted.at(-1)?.toFixed(1)} ms`;
  };
  process.stdout.write(`  from the news of a removal until the switch has obeyed: ${line(fromNewsMs)}\n`);
  process.stdout.write(`  from the start of ovs-vsctl del-port until then: ${line(byHandMs)}\n`);
  assert.equal(await numbers(), ['1', '4096', '4097']);
});

config.run();
