// The encrypted underlay as nodes run it: wireguard-go with keys from the membership, Open vSwitch's tunnels inside of it, over a
// 1:1 NAT and out of a private network; and tunnels from nobody else. Needs root. In order.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { type DaemonKind, UNDERLAY } from '../../lab/daemons.ts';
import { runIn } from '../../lab/namespace.ts';
import { WIREGUARD_PORT } from '../../lab/wireguard.ts';
import { newKeyPair } from '../../sdnd/underlay/wireguard-keys.ts';
import type { UnderlayPlace } from '../../wire/contracts/underlay.ts';
import { UNDERLAY_PORT, VXLAN_PORT } from '../../wire/ports.ts';
import { until } from '../until.ts';
import { Figure5Stand } from './figure5-stand.ts';
import { answeredPings } from './pings.ts';

/** Last octets of the hosts' addresses, and the nodes' addresses in WireGuard. */
const [APP, WEB] = [11, 13];
const [ALPHA, BETA, DELTA] = ['10.99.0.1', '10.99.0.2', '10.99.0.4'];

/** What crosses beta's NAT: WireGuard, the exchange of keys, and what should not be there. */
const WATCH = `
table ip watched {
  chain seen {
    type filter hook forward priority 0;
    udp dport ${WIREGUARD_PORT} accept
    udp sport ${WIREGUARD_PORT} accept
    tcp dport ${UNDERLAY_PORT} accept
    tcp sport ${UNDERLAY_PORT} accept
    counter
  }
}
`;

let stand: Figure5Stand;
const underlay = suite('WireGuard with keys from the membership');

/** Both hosts reach each other by their tunnel, and the controller's node reaches the one behind the NAT. */
async function allReach(): Promise<void> {
  await until('app reaches web', async () => (await stand.pings('app', WEB)) === 2);
  await until('web reaches app', async () => (await stand.pings('web', APP)) === 2);
  await until('alpha reaches beta', () => reaches('alpha', BETA));
  await until('delta reaches beta', () => reaches('delta', BETA));
}

async function reaches(node: string, address: string): Promise<boolean> {
  const ping = `ping -q -n -c 2 -i 0.05 -W 1 ${address} || true`;
  return / 2 received/.test(await runIn(stand.cloud(node).namespace, 'sh', ['-c', ping]));
}

/** Packets that met the last rule of a table's chain. */
async function counted(namespace: string, table: string): Promise<number> {
  return Number(
    /counter packets (\d+)/.exec(await runIn(namespace, 'nft', ['list', 'table', ...table.split(' ')]))?.[1],
  );
}

underlay.before(async () => {
  stand = await Figure5Stand.startEncrypted();
  await runIn(stand.nameOf('nat-beta'), 'nft', ['-f', '-'], { input: WATCH });
  await stand.tunnelBy('alpha', { role: 'app', last: APP }, DELTA);
  await stand.tunnelBy('delta', { role: 'web', last: WEB }, ALPHA);
});
underlay.after(() => stand?.stop());

underlay('guests reach each other by tunnels inside of WireGuard, and nothing else crosses the NAT', async () => {
  await allReach();
  assert.is(await counted(stand.nameOf('nat-beta'), 'ip watched'), 0);
});

underlay('tunnels from elsewhere are dropped, whatever they carry', async () => {
  const { namespace } = stand.cloud('alpha');
  const dropped = (): Promise<number> => counted(namespace, 'inet supercloud-tunnels');
  assert.is(await dropped(), 0);
  const send = (address: string): string => `echo none > /dev/udp/${address}/${VXLAN_PORT}`;
  await runIn(stand.nameOf('gamma'), 'bash', ['-c', send('10.77.0.1')]);
  await until('a frame by the open network is dropped', async () => (await dropped()) === 1);
});

underlay('nobody takes the address or the key of another node', async () => {
  const mine: UnderlayPlace = {
    ...{ cloud: 'delta', address: '10.99.0.4', keys: [newKeyPair().publicKey] },
    inner: { address: '10.78.0.2', port: WIREGUARD_PORT },
  };
  const code = (place: UnderlayPlace): Promise<string | undefined> =>
    stand.takePlace('delta', place).then(() => undefined, codeOf);
  assert.is(await code({ ...mine, address: '10.99.0.2' }), 'PLACE_TAKEN');
  const key = await runIn(stand.cloud('beta').namespace, 'wg', ['show', stand.deviceOf('beta'), 'public-key']);
  assert.is(await code({ ...mine, keys: [key.trim()] }), 'PLACE_TAKEN');
});

underlay('a killed daemon costs nothing, and what is taken out by hand comes back', async () => {
  const [beta, device] = [stand.cloud('beta'), stand.deviceOf('beta')];
  await beta.daemon(UNDERLAY).kill();
  assert.is(await answeredPings(stand.cloud('alpha').namespace, BETA, 2), 2);
  const peers = async (): Promise<string[]> =>
    (await runIn(beta.namespace, 'wg', ['show', device, 'peers'])).trim().split('\n').sort();
  const before = await peers();
  assert.is(before.length, 2);
  for (const peer of before) await runIn(beta.namespace, 'wg', ['set', device, 'peer', peer, 'remove']);
  assert.not.ok(await reaches('alpha', BETA));
  await beta.startDaemon(UNDERLAY);
  await until('the peers are back', async () => String(await peers()) === String(before));
  await until('alpha reaches beta', () => reaches('alpha', BETA));
});

underlay('a node draws a new key while its neighbours speak to it', async () => {
  const beta = stand.cloud('beta');
  await beta.daemon(UNDERLAY).kill();
  const hasty: DaemonKind = {
    ...UNDERLAY,
    config: (site) => ({ ...UNDERLAY.config(site), keys: { lifeSeconds: 1, settleSeconds: 1 } }),
  };
  const key = async (): Promise<string> =>
    (await runIn(beta.namespace, 'wg', ['show', stand.deviceOf('beta'), 'public-key'])).trim();
  const before = await key();
  await beta.startDaemon(hasty);
  await until('it speaks with a new key', async () => (await key()) !== before);
  await beta.daemon(UNDERLAY).kill();
  await beta.startDaemon(UNDERLAY);
  await until('alpha reaches beta', () => reaches('alpha', BETA));
});

underlay.run();
