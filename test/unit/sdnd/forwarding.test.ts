// The computed tables, walked: who reaches whom, what is dropped, and that no prefix of a migration's flow-mods loops,
// misdelivers or, while one of the two ports is open, loses a frame at the two switches that turn gates.
import { ethAddress, ipv4, PortNumber, VLAN_PRESENT } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { flowsByKey } from '../../../sdnd/flow.ts';
import { linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { originTunnelId, TENANT } from '../../../sdnd/pipeline.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { Random } from '../openflow/random.ts';
import {
  addressOf,
  bindingOf,
  ipFrame,
  ipv6Frame,
  ipv6Of,
  meshOf,
  midway,
  NODES,
  type OpenPort,
  portNoOf,
  portsOf,
  randomBindings,
  stepsBetween,
  tablesOf,
  viewOf,
  wantedFlows,
} from './overlay-maker.ts';
import { type Delivery, type Frame, type MeshNode, walkMesh, walkTables } from './table-walk.ts';

const ROUNDS = 60;
const ARP = 0x0806;

function checkDelivery(deliveries: readonly Delivery[], to: OpenPort, what: string): void {
  assert.is(deliveries.length, 1, `${what}: ${deliveries.length} deliveries`);
  assert.is(deliveries[0]?.node, to.node, what);
  assert.is(deliveries[0]?.port, portNoOf(to), what);
}

/** Whatever happens to a frame for `owner`, it crosses two tunnels at the most and goes to an open port of that owner. */
function checkSafe(mesh: readonly MeshNode[], from: Binding, owner: string, open: readonly OpenPort[]): Delivery[] {
  const deliveries = walkMesh(mesh, from.node, ipFrame(from, bindingOf(owner, 'n0').mac));
  assert.ok(deliveries.length <= 1, 'a frame is delivered once');
  for (const { node, port, tunnels } of deliveries) {
    assert.ok(tunnels <= 2, `${tunnels} tunnels`);
    assert.ok(open.some((one) => one.owner === owner && one.node === node && portNoOf(one) === port));
  }
  return deliveries;
}

test('every bound guest reaches every other and no other port', () => {
  const random = new Random(1);
  for (let round = 0; round < ROUNDS; round++) {
    const bindings = randomBindings(random);
    const mesh = meshOf((node) => tablesOf(viewOf(bindings), node), bindings);
    for (const from of bindings) {
      for (const to of bindings) {
        if (from !== to)
          checkDelivery(walkMesh(mesh, from.node, ipFrame(from, to.mac)), to, `${from.owner} to ${to.owner}`);
      }
      for (const nobody of ['02:88:00:00:00:ee', 'ff:ff:ff:ff:ff:ff', from.mac]) {
        assert.equal(walkMesh(mesh, from.node, ipFrame(from, nobody)), []);
      }
    }
  }
});

test('a closed port passes nothing in and nothing out', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n0')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a]);
  assert.equal(walkMesh(mesh, 'n0', ipFrame(a, b.mac)), []);
  assert.equal(walkMesh(mesh, 'n0', ipFrame(b, a.mac)), []);
});

test('a port without an agent needs no gate', () => {
  const lab = { ...bindingOf('g0', 'n0'), port: 'lab0' };
  const guest = bindingOf('g1', 'n1');
  const mesh = meshOf((node) => tablesOf(viewOf([lab, guest]), node), [guest]);
  const there = walkMesh(mesh, 'n0', { ...ipFrame(lab, guest.mac), inPort: 2 });
  checkDelivery(there, guest, 'lab to guest');
  assert.is(walkMesh(mesh, 'n1', ipFrame(guest, lab.mac))[0]?.port, 2);
});

test('a guest sends only from its own MAC and IP address', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a, b]);
  const frame = ipFrame(a, b.mac);
  assert.is(walkMesh(mesh, 'n0', frame).length, 1);
  assert.equal(walkMesh(mesh, 'n0', { ...frame, ethSrc: ethAddress(b.mac) }), []);
  assert.equal(walkMesh(mesh, 'n0', { ...frame, ipv4Src: ipv4(b.ip) }), []);
  const { ipv4Src: _, ...any } = frame;
  const ipv6 = { ...any, ethType: 0x86dd };
  assert.is(walkMesh(mesh, 'n0', { ...ipv6, ipv6Src: linkLocalOf(ethAddress(a.mac)) }).length, 1);
  for (const ipv6Src of [linkLocalOf(ethAddress(b.mac)), 0n, 1n << 125n]) {
    assert.equal(walkMesh(mesh, 'n0', { ...ipv6, ipv6Src }), []);
  }
  const arp = { inPort: portNoOf(a), ethSrc: ethAddress(a.mac), ethDst: ethAddress(b.mac), ethType: ARP, arpOp: 2 };
  const claim = { ...arp, arpSha: ethAddress(a.mac), arpSpa: ipv4(a.ip), arpTpa: ipv4(b.ip) };
  assert.is(walkMesh(mesh, 'n0', claim).length, 1);
  assert.equal(walkMesh(mesh, 'n0', { ...claim, arpSpa: ipv4('10.88.0.9') }), []);
  assert.equal(walkMesh(mesh, 'n0', { ...claim, arpSha: ethAddress(b.mac) }), []);
});

test('a frame with a VLAN tag goes nowhere, neither from a guest nor from the tunnel', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a, b]);
  const { inPort: _, ...frame } = ipFrame(a, b.mac);
  const tunnelled = { ...frame, inPort: 1, tunnelId: originTunnelId(TENANT), tunIpv4Src: ipv4(addressOf('n0')) };
  assert.is(walkMesh(mesh, 'n0', ipFrame(a, b.mac)).length, 1);
  assert.is(walkMesh(mesh, 'n1', tunnelled).length, 1);
  for (const vlanVid of [VLAN_PRESENT, VLAN_PRESENT | 100]) {
    assert.equal(walkMesh(mesh, 'n0', { ...ipFrame(a, b.mac), vlanVid }), []);
    assert.equal(walkMesh(mesh, 'n1', { ...tunnelled, vlanVid }), []);
  }
});

test('over IPv6 a guest sends only from the addresses that follow from its MAC address', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a, b]);
  const comes = (frame: Frame): number => walkMesh(mesh, 'n0', frame).length;
  const own = [linkLocalOf(ethAddress(a.mac)), ipv6Of(a)];
  assert.equal(
    own.map((source) => comes(ipv6Frame(a, b.mac, source))),
    [1, 1],
  );
  const others = [linkLocalOf(ethAddress(b.mac)), ipv6Of(b), ipv6Of(a) ^ (1n << 64n), ipv6Of(a) + 1n, 0n, 1n << 125n];
  assert.equal(others.map((source) => comes(ipv6Frame(a, b.mac, source))).join(), '0,0,0,0,0,0');
  assert.is(comes({ ...ipv6Frame(a, b.mac), ethSrc: ethAddress(b.mac) }), 0);
});

test('of neighbour discovery comes what says the truth of who says it, and no guest is a router', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  const [mac, other] = [ethAddress(a.mac), ethAddress(b.mac)];
  const [own, theirs] = [ipv6Of(a), ipv6Of(b)];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a, b]);
  const says = (icmpv6Type: number, words: Frame): number =>
    walkMesh(mesh, 'n0', { ...ipv6Frame(a, b.mac), ipv6Dst: theirs, ipProto: 58, icmpv6Type, ...words }).length;
  const asks = (ipv6NdSll: string): number => says(135, { ipv6NdTarget: theirs, ipv6NdSll });
  const answers = (ipv6NdTarget: bigint, ipv6NdTll: string): number => says(136, { ipv6NdTarget, ipv6NdTll });
  const none = '00:00:00:00:00:00';
  assert.equal([asks(mac), asks(other), asks(none)], [1, 0, 0]);
  assert.equal([answers(own, mac), answers(own, none)], [1, 1]);
  assert.equal([answers(own, other), answers(theirs, mac), answers(theirs, none), answers(0n, none)], [0, 0, 0, 0]);
  assert.equal([says(134, {}), says(137, {}), says(128, {})], [0, 0, 1]);
  // From its other address it answers for that one.
  const linkLocal = linkLocalOf(mac);
  assert.equal([says(136, { ipv6Src: linkLocal, ipv6NdTarget: linkLocal, ipv6NdTll: mac }), asks(mac)], [1, 1]);
});

test('ARP requests are answered at the first switch, of guests only, never for the asker itself', () => {
  const [a, b] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b]), node), [a, b]);
  const asked: Frame = {
    inPort: portNoOf(a),
    ethSrc: ethAddress(a.mac),
    ethDst: ethAddress('ff:ff:ff:ff:ff:ff'),
    ethType: ARP,
    arpOp: 1,
    arpSha: ethAddress(a.mac),
    arpSpa: ipv4(a.ip),
    arpTpa: ipv4(b.ip),
  };
  for (const arpSpa of [ipv4(a.ip), 0]) {
    const [answer, ...others] = walkMesh(mesh, 'n0', { ...asked, arpSpa });
    assert.equal(others, []);
    assert.is(answer?.tunnels, 0);
    assert.is(answer?.port, portNoOf(a));
    const { ethSrc, ethDst, arpOp, arpSha, arpSpa: sender, arpTha, arpTpa } = answer?.frame ?? {};
    assert.equal({ ethSrc, ethDst, arpOp }, { ethSrc: b.mac, ethDst: a.mac, arpOp: 2 });
    assert.equal(
      { arpSha, sender, arpTha, arpTpa },
      { arpSha: b.mac, sender: ipv4(b.ip), arpTha: a.mac, arpTpa: arpSpa },
    );
  }
  assert.equal(walkMesh(mesh, 'n0', { ...asked, arpTpa: ipv4('10.88.0.99') }), []);
  assert.equal(walkMesh(mesh, 'n0', { ...asked, arpTpa: ipv4(a.ip) }), []);
  const tunnelled = { ...asked, inPort: 1, tunnelId: originTunnelId(TENANT), tunIpv4Src: ipv4(addressOf('n0')) };
  assert.equal(walkMesh(mesh, 'n1', tunnelled), []);
});

test('from the tunnel: only the right tenant, node and MAC, only to local guests', () => {
  const [a, b, c] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1'), bindingOf('g2', 'n2')];
  const mesh = meshOf((node) => tablesOf(viewOf([a, b, c]), node), [a, b, c]);
  const { inPort: _, ...frame } = ipFrame(a, b.mac);
  const good = { ...frame, inPort: 1, tunnelId: originTunnelId(TENANT), tunIpv4Src: ipv4(addressOf('n0')) };
  checkDelivery(walkMesh(mesh, 'n1', good), b, 'a good frame');
  assert.equal(walkMesh(mesh, 'n1', { ...good, tunnelId: originTunnelId(TENANT + 1) }), []);
  assert.equal(walkMesh(mesh, 'n1', { ...good, tunIpv4Src: ipv4(addressOf('n2')) }), []);
  assert.equal(walkMesh(mesh, 'n1', { ...good, ethSrc: ethAddress('02:88:00:00:00:ee') }), []);
  assert.equal(walkMesh(mesh, 'n1', { ...good, ethDst: ethAddress(c.mac) }), []);
  assert.equal(walkMesh(mesh, 'n1', { ...good, ethDst: ethAddress(a.mac) }), []);
});

test('a switch that knows no port and no tunnel port still has flows that make sense', () => {
  const view = viewOf([bindingOf('g0', 'n0'), bindingOf('g1', 'n1')]);
  const flows = wantedFlows(view, { node: 'n0', ports: new Map() });
  assert.equal(walkTables(flows, ipFrame(bindingOf('g0', 'n0'), bindingOf('g1', 'n1').mac)), []);
  assert.not.ok(flows.some(({ instructions }) => JSON.stringify(instructions).includes(`${PortNumber.any}`)));
});

test('no prefix of a migration loops, misdelivers, or loses a frame', () => {
  const random = new Random(2);
  for (let round = 0; round < ROUNDS; round++) {
    const others = randomBindings(random).filter(({ owner }) => owner !== 'g0');
    const [source, destination] = [random.pick(NODES), random.pick(NODES)];
    if (source === destination) continue;
    const from = bindingOf('g0', source);
    const to = bindingOf('g0', destination, 2);
    const [before, prepared, after] = [
      viewOf([...others, from]),
      viewOf([...others, from], [to]),
      viewOf([...others, to], [], [from]),
    ];
    const changes = [
      { first: before, last: prepared, place: from },
      { first: prepared, last: before, place: from },
      { first: prepared, last: after, place: to },
    ];
    for (const { first, last, place } of changes) {
      const open: OpenPort[] = [...others, place];
      const done = new Map(
        NODES.map(
          (node) => [node, random.below(1 + stepsBetween(tablesOf(first, node), tablesOf(last, node)))] as const,
        ),
      );
      const mesh = meshOf((node) => midway(tablesOf(first, node), tablesOf(last, node), done.get(node) ?? 0), open);
      for (const sender of others) {
        const deliveries = checkSafe(mesh, sender, 'g0', open);
        checkDelivery(deliveries, place, `${sender.owner} at ${sender.node}`);
        for (const receiver of others) checkSafe(mesh, sender, receiver.owner, open);
      }
      for (const receiver of others) checkSafe(mesh, place === from ? from : to, receiver.owner, open);
    }
  }
});

test('prepared: with both gates closed nothing arrives, with the new one open everyone is there', () => {
  const others = NODES.map((node, index) => bindingOf(`g${index + 1}`, node));
  const [from, to] = [bindingOf('g0', 'n0'), bindingOf('g0', 'n1', 2)];
  const prepared = viewOf([...others, from], [to]);
  const closed = meshOf((node) => tablesOf(prepared, node), others);
  const opened = meshOf((node) => tablesOf(prepared, node), [...others, to]);
  for (const sender of others) {
    assert.equal(walkMesh(closed, sender.node, ipFrame(sender, from.mac)), []);
    checkDelivery(walkMesh(opened, sender.node, ipFrame(sender, from.mac)), to, sender.node);
  }
  // What the guest sends from its new place is admitted everywhere before the controller hears of it.
  for (const receiver of others)
    checkDelivery(walkMesh(opened, 'n1', ipFrame(to, receiver.mac)), receiver, receiver.node);
});

test('the source may take its port away before the controller hears that the guest has moved', () => {
  const [neighbour, from, to] = [bindingOf('g1', 'n0'), bindingOf('g0', 'n0'), bindingOf('g0', 'n1', 2)];
  const prepared = viewOf([neighbour, from], [to]);
  const ports = portsOf('n0');
  ports.delete('g0');
  const detached = flowsByKey(wantedFlows(prepared, { node: 'n0', ports }));
  const mesh = meshOf((node) => (node === 'n0' ? detached : tablesOf(prepared, node)), [neighbour, to]);
  checkDelivery(walkMesh(mesh, 'n0', ipFrame(neighbour, from.mac)), to, 'to the new place');
});

test('the tables of a node name only ports of that node', () => {
  const random = new Random(3);
  for (let round = 0; round < ROUNDS; round++) {
    const view = viewOf(randomBindings(random));
    for (const node of NODES) {
      const own = new Set(portsOf(node).values());
      for (const { match } of tablesOf(view, node).values()) {
        if (typeof match.inPort === 'number') assert.ok(own.has(match.inPort));
      }
    }
  }
});

test.run();
