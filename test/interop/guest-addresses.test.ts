// Guests' addresses and names by their own node's agent: the daemons, real switches, and guests' software in namespaces behind
// the agents' ports. Needs root and Debian's openvswitch-switch, udhcpc and bind9-dnsutils. The tests build on each other, in order.
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runIn, spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { AGENT_PORT_FIRST } from '../../sdnd/pipeline.ts';
import { killed } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ThreeSwitches } from './three-switches.ts';

const CLIENT_TIMEOUT_MS = 120_000;
/** Far more than the meter of a port lets through meanwhile; and where a flood ends by itself. */
const [DROPPED_FRAMES, FLOOD_FRAMES_MAX] = [10_000, 5_000_000];
const NETWORK = { tenant: 1, name: 'shop', subnets: [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }] };

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const folder = mkdtempSync(join(tmpdir(), 'addresses-'));
const guests = suite("guests' addresses");

/** A shell's words in a guest; what it prints, and then its exit status. */
function run(name: string, script: string): Promise<string> {
  const words = `(\n${script}\n) 2>&1\necho "exit $?"`;
  return runIn(hosts.host(name).namespace, 'sh', ['-c', words], { timeoutMs: CLIENT_TIMEOUT_MS });
}

/** What udhcpc runs: notes what it was told, under what has happened, and takes the address. */
const SCRIPT = join(folder, 'udhcpc.sh');
writeFileSync(
  SCRIPT,
  `#!/bin/sh
case $1 in
bound | renew)
  env | sort > ${folder}/$GUEST.$1
  ip link set eth0 mtu "$mtu"
  ip address replace "$ip/$mask" dev eth0
  ;;
esac
`,
  { mode: 0o755 },
);

/** Asks for an address until it has one, so often at the most, and ends. */
function lease(name: string, tries = 8): Promise<string> {
  return run(name, `GUEST=${name} udhcpc -i eth0 -f -n -q -t ${tries} -T 2 -O mtu -s ${SCRIPT}`);
}

function noted(name: string, what: 'bound' | 'renew'): string[] {
  return readFileSync(join(folder, `${name}.${what}`), 'utf8').split('\n');
}

function dig(name: string, question: string, options = '+tries=5 +time=3'): Promise<string> {
  return run(name, `dig ${options} +short @10.88.0.1 ${question}`);
}

guests.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('app', 'alpha', 11);
  await hosts.addGuest('db', 'beta', 12);
  for (const name of hosts.names) await run(name, 'ip address flush dev eth0 scope global');
  await net.sdnd('networks.set', { networks: [NETWORK] });
  for (const [owner, node] of [
    ['web', 'alpha'],
    ['app', 'alpha'],
    ['db', 'beta'],
  ] as const) {
    await net.sdnd('binding.set', { binding: hosts.binding(owner, node, portName(owner), 1) });
  }
  const { term } = await net.sdnd('binding.list', {});
  await net.sdnd('state.told', { term });
});
guests.after(async () => {
  await net.stop();
  rmSync(folder, { recursive: true });
});

guests('behind a closed port nobody is answered; once it is open each is given its own address', async () => {
  await net.agent('alpha', 'port.open', { owner: 'app' });
  assert.match(await lease('app'), /exit 0\n$/);
  assert.match(await lease('web', 2), /exit 1\n$/);
  for (const [owner, node] of [
    ['web', 'alpha'],
    ['db', 'beta'],
  ] as const) {
    await net.agent(node, 'port.open', { owner });
    assert.match(await lease(owner), /exit 0\n$/);
  }
  const told = noted('web', 'bound');
  for (const line of [
    'ip=10.88.0.10',
    'mask=24',
    'router=10.88.0.1',
    'mtu=1330',
    'dns=10.88.0.1',
    'serverid=10.88.0.1',
    'hostname=web',
    'domain=shop.internal',
    'lease=4294967295',
  ]) {
    assert.ok(told.includes(line), `${line} in\n${told.join('\n')}`);
  }
  assert.ok(noted('app', 'bound').includes('ip=10.88.0.11'));
  assert.ok(noted('db', 'bound').includes('ip=10.88.0.12'));
});

guests('the router answers pings, and tells whose packet ends at it', async () => {
  assert.match(await run('web', 'ping -n -c 3 -i 1 -W 20 10.88.0.1'), / 3 received/);
  await run('web', 'ip route replace 10.88.1.0/24 via 10.88.0.1 dev eth0');
  assert.match(await run('web', 'ping -n -c 1 -t 1 -W 20 10.88.1.9'), /From 10\.88\.0\.1 .*Time to live exceeded/);
});

guests(
  'a guest finds others by name, wherever they are, and reaches them by the addresses that they were given',
  async () => {
    assert.is(await dig('web', 'db.shop.internal'), '10.88.0.12\nexit 0\n');
    assert.is(await dig('db', '-x 10.88.0.11'), 'app.shop.internal.\nexit 0\n');
    await net.eventually('pings are answered', async () => (await hosts.pings('web', 'db')) === 5);
  },
);

guests(
  'a guest reaches others by the address that follows from their MAC address alone, and has it for itself',
  async () => {
    for (const name of ['web', 'db']) {
      await run(name, 'sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0');
      await net.eventually('nobody else has the address', async () => {
        const own = await run(name, 'ip -6 address show dev eth0 scope link');
        return own.includes('inet6 fe80::88:ff:fe00:') && !/tentative|dadfailed/.test(own);
      });
    }
    await net.eventually('pings are answered', async () =>
      (await run('web', 'ping -6 -n -c 3 -i 0.1 -W 2 fe80::88:ff:fe00:c%eth0')).includes(' 3 received'),
    );
  },
);

guests('from another MAC address than its own a guest is answered nothing', async () => {
  const speakAs = (mac: string): Promise<string> => run('app', `ip link set eth0 address ${mac}`);
  await speakAs(hosts.host('db').mac);
  assert.match(await lease('app', 2), /exit 1\n$/);
  await speakAs(hosts.host('app').mac);
  assert.match(await lease('app'), /exit 0\n$/);
});

guests('a guest that floods the services hurts no other', async () => {
  const flood = `
    const socket = require('node:dgram').createSocket('udp4');
    const query = Buffer.from('0001010000010000000000000264620473686f7008696e7465726e616c0000010001', 'hex');
    let sent = 0;
    const go = () => sent < ${FLOOD_FRAMES_MAX} ? socket.send(query, 53, '10.88.0.1', () => { sent++; go(); }) : socket.close();
    go();`;
  const flooding = spawnIn(hosts.host('app').namespace, process.execPath, ['-e', flood]);
  const ended = once(flooding, 'exit');
  const answers = [];
  for (let round = 0; round < 10; round++) answers.push(await dig('web', 'db.shop.internal', '+tries=1 +time=30'));
  assert.equal(new Set(answers), new Set(['10.88.0.12\nexit 0\n']));
  assert.match(await lease('web'), /exit 0\n$/);
  // How many of them a busy switch comes to look at before its buffer is full is chance: it floods until it is enough.
  await net.eventually('its meter has dropped them', async () => {
    const meters = await net.switch('alpha').ofctl('meter-stats', [`meter=${AGENT_PORT_FIRST + 1}`]);
    return Number(/\n0: packet_count:(\d+)/.exec(meters)?.[1]) > DROPPED_FRAMES;
  });
  flooding.kill('SIGKILL');
  assert.equal(await ended, [null, 'SIGKILL'], 'it has flooded all the time');
});

guests('a switch that lost the meters gets them again, with the flows that went with them', async () => {
  const before = await net.switch('alpha').ofctl('dump-meters', []);
  await net.switch('alpha').ofctl('del-meters', []);
  await net.eventually('the meters are back', async () => {
    const sorted = (text: string): string => text.split('\n').slice(1).sort().join('\n');
    return sorted(await net.switch('alpha').ofctl('dump-meters', [])) === sorted(before);
  });
  assert.match(await lease('web'), /exit 0\n$/);
});

guests('without the controller it renews, after its agent was killed too, and after its switch was', async () => {
  const words = `GUEST=web exec udhcpc -i eth0 -f -t 8 -T 2 -O mtu -s ${SCRIPT}`;
  rmSync(join(folder, 'web.bound'));
  const client = spawnIn(hosts.host('web').namespace, 'sh', ['-c', words]);
  const ended = once(client, 'exit');
  try {
    await net.eventually('the client is bound', async () => has('web', 'bound'));
    await net.killController();
    await net.killAgent('alpha');
    await net.startAgent('alpha');
    await renews(client);
    await killed(await net.switch('alpha').switchPid());
    await net.switch('alpha').startSwitch();
    await renews(client);
  } finally {
    client.kill('SIGKILL');
    await ended;
  }
  assert.match(await lease('app'), /exit 0\n$/);
  assert.is(await dig('app', 'db.shop.internal'), '10.88.0.12\nexit 0\n');
  await run('app', 'ip route replace 169.254.169.254 dev eth0');
  const curl = 'curl -s -m 20 http://169.254.169.254/latest/meta-data/hostname';
  assert.is(await run('app', curl), 'app.shop.internalexit 0\n');
});

function has(name: string, what: 'bound' | 'renew'): boolean {
  try {
    return noted(name, what).includes(`ip=${hosts.host(name).ip}`);
  } catch {
    return false;
  }
}

/** Asks the client to renew until it has: it gives a renewal up after a while, as the agent may be away. */
async function renews(client: { kill(signal: 'SIGUSR1'): boolean }): Promise<void> {
  rmSync(join(folder, 'web.renew'), { force: true });
  let asked = 0;
  await net.eventually('the client has renewed', async () => {
    if (asked++ % 40 === 0) client.kill('SIGUSR1');
    return has('web', 'renew');
  });
}

guests('a port that goes takes its meter and its flows along', async () => {
  const port = AGENT_PORT_FIRST + 1;
  assert.match(await net.switch('alpha').ofctl('dump-meters', []), new RegExp(`meter=${port} `));
  await net.agent('alpha', 'port.detach', { owner: 'app' });
  await net.eventually('the meter is gone', async () => {
    return !(await net.switch('alpha').ofctl('dump-meters', [])).includes(`meter=${port} `);
  });
  await net.eventually('its flows are gone', async () => {
    return !(await net.switch('alpha').ofctl('dump-flows', [])).includes(`in_port=${port}`);
  });
});

guests.run();
