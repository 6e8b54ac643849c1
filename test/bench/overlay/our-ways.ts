// Ways between two hosts by our switches with all that they do for guests (links, bindings, rules against spoofing), on the
// lab's ground of Figure 5, with a bridge in the WAN's place.
import { bindingOf, Figure5Stand } from '../../interop/figure5-stand.ts';
import { until } from '../../until.ts';
import type { LaidWay } from './bench-net.ts';

const READY_MS = 60_000;
/** Last octets of the hosts' addresses, and the nodes' addresses in WireGuard. */
const [NEAR, FAR] = [11, 12];
const [ALPHA, DELTA] = ['10.99.0.1', '10.99.0.4'];

/** Node to node. */
export const layDirect = (): Promise<LaidWay> => layTo('gamma');

/** To a node in a private network, by the switch of its gateway. */
export const layByGateway = (): Promise<LaidWay> => layTo('delta');

/** Our switches with the tunnels' rules alone, in WireGuard with keys from the membership. */
export async function layEncrypted(): Promise<LaidWay> {
  const stand = await Figure5Stand.startEncrypted();
  return ready(stand, async () => {
    await stand.tunnelBy('alpha', { role: 'near', last: NEAR }, DELTA);
    await stand.tunnelBy('delta', { role: 'far', last: FAR }, ALPHA);
  });
}

async function layTo(node: string): Promise<LaidWay> {
  const stand = await Figure5Stand.start();
  return ready(stand, async () => {
    for (const [owner, at, last] of [
      ['near', 'alpha', NEAR],
      ['far', node, FAR],
    ] as const) {
      await stand.addHost(owner, at, { role: owner, last });
      await stand.sdnd('binding.set', { binding: bindingOf(owner, at, last) });
      await stand.agent(at, 'port.open', { owner });
    }
  });
}

async function ready(stand: Figure5Stand, addHosts: () => Promise<void>): Promise<LaidWay> {
  try {
    await addHosts();
    await until('the hosts reach each other', async () => (await stand.pings('near', FAR)) === 2, READY_MS);
    const [from, to] = [stand.nameOf('near'), stand.nameOf('far')];
    return { from, to, address: `10.88.0.${FAR}`, stop: () => stand.stop() };
  } catch (error) {
    await stand.stop();
    throw error;
  }
}
