// The router of a tenant's network in the computed tables: between its subnets and no further, a hop less, and only for
// whom it belongs to.
import { CtState, ethAddress, ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { egressMac } from '../../../sdnd/forwarding/egress.ts';
import { linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { SERVICE_MAC, TENANT } from '../../../sdnd/pipeline.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { bindingOf, ipFrame, ipv6Frame, ipv6Of, meshOf, portNoOf, tablesOf, viewOf } from './overlay-maker.ts';
import { type Delivery, type Frame, walkMesh, walkTables } from './table-walk.ts';

const far: Binding = { ...bindingOf('g1', 'n1'), ip: '10.88.1.9' };
const near = bindingOf('g0', 'n0');
const view = viewOf([near, far]);

/** A packet for the router to send on. */
function toRouter(from: Binding, ip: string): Frame {
  return { ...ipFrame(from, SERVICE_MAC), ipv4Dst: ipv4(ip), ipTtl: 64 };
}

function walk(frame: Frame, overlay = view): Delivery[] {
  const open = [...overlay.bindings.values()];
  return walkMesh(
    meshOf((node) => tablesOf(overlay, node), open),
    'n0',
    frame,
  );
}

test('a packet for a guest of another subnet gets there directly, with a hop less', () => {
  const [delivery, ...more] = walk(toRouter(near, far.ip));
  assert.equal([more, delivery?.node, delivery?.port, delivery?.tunnels], [[], 'n1', portNoOf(far), 1]);
  const { ethSrc, ethDst, ipTtl } = delivery?.frame ?? {};
  assert.equal([ethSrc, ethDst, ipTtl], [ethAddress(near.mac), ethAddress(far.mac), 63]);
});

test('nobody is routed to whom nobody has bound, to another tenant, or under another address', () => {
  assert.equal(walk(toRouter(near, '10.88.1.10')), []);
  assert.equal(walk({ ...toRouter(near, far.ip), ipv4Src: ipv4(far.ip) }), []);
  const others = viewOf([near, { ...far, tenant: 2 }]);
  assert.equal(walk(toRouter(near, far.ip), others), []);
});

test('over IPv6 it is the same: directly to a guest of another subnet, with a hop less, and to nobody else', () => {
  const routed: Frame = { ...ipv6Frame(near, SERVICE_MAC), ipv6Dst: ipv6Of(far) };
  const [delivery, ...more] = walk(routed);
  assert.equal([more, delivery?.node, delivery?.port, delivery?.tunnels], [[], 'n1', portNoOf(far), 1]);
  const { ethSrc, ethDst, ipTtl } = delivery?.frame ?? {};
  assert.equal([ethSrc, ethDst, ipTtl], [ethAddress(near.mac), ethAddress(far.mac), 63]);
  assert.equal(walk({ ...routed, ipv6Dst: ipv6Of(far) + 1n }), []);
  assert.equal(walk({ ...routed, ipv6Src: ipv6Of(far) }), []);
  // From a link-local address no router sends anything on (RFC 4291, 2.5.6).
  assert.equal(walk({ ...routed, ipv6Src: linkLocalOf(ethAddress(near.mac)) }), []);
  assert.equal(walk(routed, viewOf([near, { ...far, tenant: 2 }])), []);
  const unnumbered = view.networks.map((network) => ({
    ...network,
    subnets: network.subnets.map(({ ipv6: _, ...subnet }) => subnet),
  }));
  assert.equal(walk(routed, { ...view, networks: unnumbered }), []);
});

test('a network of which nobody has told has no router', () => {
  assert.equal(walk(toRouter(near, far.ip), { ...view, networks: [] }), []);
});

test('a node knows the routes of tenants that it has, and of no others', () => {
  const routes = (node: string): number =>
    [...tablesOf(view, node).values()].filter(({ match }) => match.ethDst === SERVICE_MAC).length;
  assert.equal([routes('n0'), routes('n2')], [4, 0]);
});

test('what is outside is sent to the node of the way out, but nothing that no router sends on', () => {
  const egress = { node: 'n2', port: 'lab0', address: '198.51.100.7', nextHop: '02:99:00:00:00:01' };
  const overlay = { ...view, networks: view.networks.map((network) => ({ ...network, egress })) };
  const [n0] = meshOf((node) => tablesOf(overlay, node), [near]);
  const sent = (ip: string): number => walkTables(n0?.flows ?? [], toRouter(near, ip)).length;
  assert.equal(['203.0.113.9', '10.0.0.1', '169.253.1.1', '223.255.255.1'].map(sent), [1, 1, 1, 1]);
  const never = ['169.254.169.254', '127.0.0.1', '0.1.2.3', '224.0.0.1', '255.255.255.255', '10.88.1.77'];
  assert.equal(never.map(sent), [0, 0, 0, 0, 0, 0]);
  assert.equal(['168.63.129.16', '100.100.100.200'].map(sent), [0, 0]);
  assert.equal(['168.63.129.17', '100.100.100.201'].map(sent), [1, 1]);
});

const EGRESS = { node: 'n2', port: 'lab0', address: '198.51.100.7', nextHop: '02:99:00:00:00:01' };
const LEADS_IN = { protocol: 'tcp' as const, port: 8080, to: near.ip, toPort: 80 };
const OUTSIDE_PORT = 2;

/** What the node of the way out sends of a frame that comes from outside. */
function fromOutside(frame: Frame, forwards: readonly (typeof LEADS_IN)[] = [LEADS_IN]): number {
  const egress = { ...EGRESS, forwards: [...forwards] };
  const overlay = { ...view, networks: view.networks.map((network) => ({ ...network, egress })) };
  const ethernet = { inPort: OUTSIDE_PORT, ethSrc: ethAddress(EGRESS.nextHop), ethDst: egressMac(EGRESS.address) };
  const tcp = { ethType: 0x0800, ipProto: 6, ipTtl: 64 };
  return walkTables(tablesOf(overlay, 'n2').values(), { ...ethernet, ...tcp, ...frame }).length;
}

test('nobody calls from outside under the address of a guest, or of nobody', () => {
  const call = (ip: string): number =>
    fromOutside({ ipv4Src: ipv4(ip), ipv4Dst: ipv4(EGRESS.address), tcpDst: LEADS_IN.port, ctState: 0 });
  assert.throws(() => call('203.0.113.9'), /nx-ct/, 'it is looked up among the connections');
  const pretended = [near.ip, far.ip, '10.88.0.200', '127.0.0.1', '169.254.1.1', '0.0.0.0', '224.0.0.1'];
  assert.equal(pretended.map(call), [0, 0, 0, 0, 0, 0, 0]);
});

test('who has called from outside goes on only while that port leads there; answers do without one', () => {
  const { tracked, established, reply } = CtState;
  const known = { reg2: TENANT, ipv4Src: ipv4('203.0.113.9'), ipv4Dst: ipv4(near.ip), tcpSrc: 50_000, tcpDst: 80 };
  const called = { ...known, ctState: tracked | established };
  const later = { ...called, tcpSrc: 0, tcpDst: 0, ipFrag: 3 };
  const answer = { ...known, tcpDst: 40_000, ctState: tracked | established | reply };
  for (const forwards of [[LEADS_IN], [{ ...LEADS_IN, port: 8081 }, LEADS_IN]])
    assert.equal(
      [called, later, answer].map((frame) => fromOutside(frame, forwards)),
      [1, 1, 1],
    );
  const others = [[], [{ ...LEADS_IN, to: far.ip }], [{ ...LEADS_IN, toPort: 81 }]];
  assert.equal(
    others.map((forwards) => [called, answer].map((frame) => fromOutside(frame, forwards))),
    [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  );
});

test.run();
