// Two nodes that nobody can send to, each behind a NAT of its own that lets in only what was asked for: WireGuard between them
// goes through a third that both can reach, and so do the tunnels inside of it. Needs root. In order.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DaemonKind, UNDERLAY } from '../../lab/daemons.ts';
import { FIGURE5 } from '../../lab/figure5.ts';
import { runIn } from '../../lab/namespace.ts';
import { until } from '../until.ts';
import { Figure5Stand } from './figure5-stand.ts';

/** Last octets of the hosts' addresses, and the nodes' addresses in WireGuard. */
const [APP, WEB] = [12, 14];
const [BETA, DELTA] = ['10.99.0.2', '10.99.0.4'];
/** Of the lab's WAN, and no machine's. */
const ELSEWHERE = '10.77.0.99';

/** It has no outer address to tell of. */
const HIDDEN: DaemonKind = {
  ...UNDERLAY,
  config: (site) => ({ ...UNDERLAY.config(site), outer: undefined }),
};

let stand: Figure5Stand;
const relays = suite('WireGuard between nodes that nobody can send to');

/** What a provider's NAT without a forward does; and nothing at all goes straight between the two. */
function blocked(other: string): string {
  return `
table ip blocked {
  chain ahead {
    type filter hook forward priority 0;
    ip saddr ${other} counter drop
    ip daddr ${other} counter drop
    iifname != "inside" udp dport 51820 ct state new drop
  }
}
`;
}

async function reaches(node: string, address: string): Promise<boolean> {
  const ping = `ping -q -n -c 2 -i 0.05 -W 1 ${address} || true`;
  return / 2 received/.test(await runIn(stand.cloud(node).namespace, 'sh', ['-c', ping]));
}

/** A setting of alpha's kernel for its WireGuard device. */
async function forwards(words: string): Promise<string> {
  const path = `/proc/sys/net/ipv4/conf/${stand.deviceOf('alpha')}/forwarding`;
  return (await runIn(stand.cloud('alpha').namespace, 'sh', ['-c', `${words} ${path}`])).trim();
}

/** Packets out of WireGuard that alpha sent nowhere. */
async function refused(): Promise<number> {
  const listed = await runIn(stand.cloud('alpha').namespace, 'nft', [
    ...['list', 'chain', 'inet', 'supercloud-tunnels', 'relayed'],
  ]);
  return Number(/counter packets (\d+)/.exec(listed)?.[1]);
}

relays.before(async () => {
  stand = await Figure5Stand.startEncrypted();
  const gamma = FIGURE5.clouds.find(({ node }) => node === 'gamma');
  await runIn(stand.nameOf('nat-beta'), 'nft', ['-f', '-'], { input: blocked(gamma?.address ?? '') });
  await stand.cloud('beta').daemon(UNDERLAY).kill();
  await stand.cloud('beta').startDaemon(HIDDEN);
  await stand.tunnelBy('beta', { role: 'app', last: APP }, DELTA);
  await stand.tunnelBy('delta', { role: 'web', last: WEB }, BETA);
});
relays.after(() => stand?.stop());

relays('each reaches the other, and so do guests by tunnels', async () => {
  await until('beta reaches delta', () => reaches('beta', DELTA));
  await until('delta reaches beta', () => reaches('delta', BETA));
  await until('app reaches web', async () => (await stand.pings('app', WEB)) === 2);
  await until('web reaches app', async () => (await stand.pings('web', APP)) === 2);
});

relays('nobody is told of a shorter way, which there is none of', async () => {
  const ping = await runIn(stand.cloud('beta').namespace, 'ping', ['-n', '-c', '3', '-i', '0.2', '-W', '5', DELTA]);
  assert.match(ping, / 3 received/);
  assert.not.match(ping, /Redirect/);
});

relays('the relay has its kernel send on, also after somebody has it not', async () => {
  assert.is(await forwards('cat'), '1');
  await forwards('echo 0 >');
  assert.not.ok(await reaches('beta', DELTA));
  await until('it sends on again', async () => (await forwards('cat')) === '1');
  assert.ok(await reaches('beta', DELTA));
});

relays('nobody gets by the relay to where no member is', async () => {
  const beta = stand.cloud('beta').namespace;
  const device = stand.deviceOf('beta');
  const [peer] = (await runIn(beta, 'wg', ['show', device, 'allowed-ips']))
    .split('\n')
    .filter((line) => line.includes(DELTA));
  const [key = '', addresses = ''] = peer?.split('\t') ?? [];
  const allowed = `${addresses.split(' ').join(',')},${ELSEWHERE}/32`;
  await runIn(beta, 'ip', ['route', 'add', `${ELSEWHERE}/32`, 'dev', device]);
  // The daemon takes it out again when it next looks.
  await until('the relay refuses', async () => {
    await runIn(beta, 'wg', ['set', device, 'peer', key, 'allowed-ips', allowed]);
    await runIn(beta, 'sh', ['-c', `ping -q -n -c 1 -W 1 ${ELSEWHERE} || true`]);
    return (await refused()) > 0;
  });
  assert.ok(await reaches('beta', DELTA));
});

relays.run();
