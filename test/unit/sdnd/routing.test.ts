// The router of a tenant's network in the computed tables: between its subnets and no further, a hop less, and only for
// whom it belongs to.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVICE_MAC } from '../../../sdnd/pipeline.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { bindingOf, ipFrame, meshOf, portNoOf, tablesOf, viewOf } from './overlay-maker.ts';
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

test('a network of which nobody has told has no router', () => {
  assert.equal(walk(toRouter(near, far.ip), { ...view, networks: [] }), []);
});

test('a node knows the routes of tenants that it has, and of no others', () => {
  const routes = (node: string): number =>
    [...tablesOf(view, node).values()].filter(({ match }) => match.ethDst === SERVICE_MAC).length;
  assert.equal([routes('n0'), routes('n2')], [2, 0]);
});

test('what is outside is sent to the node of the way out, but nothing that no router sends on', () => {
  const egress = { node: 'n2', port: 'lab0', address: '198.51.100.7', nextHop: '02:99:00:00:00:01' };
  const overlay = { ...view, networks: view.networks.map((network) => ({ ...network, egress })) };
  const [n0] = meshOf((node) => tablesOf(overlay, node), [near]);
  const sent = (ip: string): number => walkTables(n0?.flows ?? [], toRouter(near, ip)).length;
  assert.equal(['203.0.113.9', '10.0.0.1', '169.253.1.1', '223.255.255.1'].map(sent), [1, 1, 1, 1]);
  const never = ['169.254.169.254', '127.0.0.1', '0.1.2.3', '224.0.0.1', '255.255.255.255', '10.88.1.77'];
  assert.equal(never.map(sent), [0, 0, 0, 0, 0, 0]);
});

test.run();
