// Traces between guests: their way, what they meet, why they end, and where the real switches differ.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import type { OverlayView } from '../../../sdnd/forwarding/view.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import { Priority, Table } from '../../../sdnd/pipeline.ts';
import { Tracer } from '../../../sdnd/trace/tracer.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import type { SecurityGroup } from '../../../wire/contracts/security-groups.ts';
import type { TopologyLink } from '../../../wire/contracts/topology.ts';
import type { TraceWalk } from '../../../wire/contracts/trace.ts';
import { failure } from '../common/members.ts';
import { bindingOf, NODES, portNoOf, portsOf, viewOf, wantedFlows } from './overlay-maker.ts';

const traces = suite('trace');

function link(a: string, b: string, roundTripMs: number | null): TopologyLink {
  return { ...{ a, b, verdict: 'up', roundTripMs, loss: 0, provedBytes: 0, isShared: true, via: [] } };
}

const UP = [link('n0', 'n1', 75), link('n0', 'n2', 10), link('n1', 'n2', 20), link('n0', 'n3', null)];
const WEB = bindingOf('g0', 'n0', 3);
const DB = bindingOf('g1', 'n1');

/** What each switch has: all that is wanted, and open gates; `change` makes something else of it. */
function tracer(
  view: OverlayView,
  change: (node: string, flows: Flow[]) => Flow[] = (_, flows) => flows,
  links: readonly TopologyLink[] = UP,
): Tracer {
  const wanted = (node: string): Flow[] => wantedFlows(view, { node, ports: portsOf(node) });
  return new Tracer({
    overlay: view,
    portsOf: (node) => (NODES.includes(node) ? portsOf(node) : undefined),
    wanted: ({ node }) => wanted(node),
    installed: (node) => {
      const open = [...view.bindings.values()].filter((binding) => binding.node === node);
      return Promise.resolve(change(node, [...wanted(node), ...open.flatMap((one) => gateFlows(portNoOf(one)))]));
    },
    links: () => links,
  });
}

async function walk(view: OverlayView, from: string, to: string): Promise<TraceWalk> {
  return (await tracer(view).trace({ from, to, compare: false })).wanted;
}

function way({ hops }: TraceWalk): string[] {
  return hops.map(({ node, rules, leaves }) => {
    const met = rules.map(({ table, priority }) => `${table} ${priority}`).join(', ');
    return `${node}: ${met} -> ${leaves.map(({ by, to }) => to ?? by).join(' ')}`;
  });
}

traces(
  'two guests behind a tunnel: every rule on the way, its words, its writer, and the latency of the link',
  async () => {
    const done = await walk(viewOf([WEB, DB]), 'g0', 'g1');
    assert.equal(way(done), [
      'n0: gate-in 200, ingress 200, route 0, forward 200, gate-out 200 -> n1',
      'n1: gate-in 200, ingress 200, forward 200, gate-out 200 -> g1',
    ]);
    assert.is(done.verdict, 'delivered');
    assert.is(done.why, 'it comes to g1 at port g1 of n1');
    assert.is(done.roundTripMs, 75);
    const [first, admitted, , delivered] = done.hops[0]?.rules ?? [];
    assert.equal([first?.writer, first?.epoch, first?.says], ['agent', null, 'the port is open']);
    assert.equal([admitted?.writer, admitted?.epoch, admitted?.cookie], ['controller', 3, '0x0100000100000003']);
    assert.is(admitted?.says, 'g0 sends from its own port by its own addresses');
    assert.is(delivered?.says, 'to g1: by the tunnel to 10.77.0.2');
    assert.is(done.hops[1]?.rules[1]?.says, 'g0 sends by the tunnel from 10.77.0.1');
  },
);

traces('over IPv6 a ping goes between the routed addresses, by the router where they are of two subnets', async () => {
  const view = viewOf([WEB, { ...DB, ip: '10.88.1.9' }, bindingOf('g2', 'n1')]);
  const far = await tracer(view).trace({ from: 'g0', to: 'g1', compare: false, ipv6: true });
  assert.equal([far.from.ipv6, far.to.ipv6], ['fd00:88::88:ff:fe00:1', 'fd00:88:0:1:88:ff:fe00:2']);
  assert.equal(way(far.wanted), [
    'n0: gate-in 200, ingress 200, route 300, forward 200, gate-out 200 -> n1',
    'n1: gate-in 200, ingress 200, forward 200, gate-out 200 -> g1',
  ]);
  assert.is(far.wanted.hops[0]?.rules[2]?.says, 'routed to g1, one off its time to live');
  const near = await tracer(view).trace({ from: 'g0', to: 'g2', compare: false, ipv6: true });
  assert.equal([near.wanted.verdict, near.wanted.hops[0]?.rules[2]?.priority], ['delivered', 0]);
  const plain = await tracer({ ...view, networks: [] }).trace({ from: 'g0', to: 'g1', compare: false, ipv6: true });
  assert.equal([plain.wanted.verdict, plain.from.ipv6], ['delivered', 'fe80::88:ff:fe00:1']);
});

traces('guests of one switch cross no tunnel; of a link that nobody measured no latency is told', async () => {
  const near = await walk(viewOf([WEB, bindingOf('g2', 'n0')]), 'g0', 'g2');
  assert.equal([near.verdict, near.roundTripMs, near.hops.length], ['delivered', 0, 1]);
  const far = await walk(viewOf([WEB, bindingOf('g2', 'n3')]), 'g0', 'g2');
  assert.equal([far.verdict, far.roundTripMs], ['delivered', null]);
});

traces('of a link that is down it is said that nothing crosses it, and no latency of before is told', async () => {
  const down = UP.map((one) => (one.b === 'n1' ? { ...one, verdict: 'down' as const } : one));
  const order = { from: 'g0', to: 'g1', compare: false };
  const { wanted } = await tracer(viewOf([WEB, DB]), undefined, down).trace(order);
  assert.equal([wanted.verdict, wanted.roundTripMs, wanted.hops[0]?.leaves[0]?.roundTripMs], ['delivered', null, null]);
  assert.match(wanted.why, /^it comes to g1 .*; but the link between n0 and n1 is down, and nothing crosses it now$/);
});

traces('to another subnet a guest sends to its router, which the trace does too', async () => {
  const other: Binding = { ...DB, ip: '10.88.1.2' };
  const done = await walk(viewOf([WEB, other]), 'g0', 'g1');
  assert.is(done.verdict, 'delivered');
  const routed = done.hops[0]?.rules.find(({ table }) => table === 'route');
  assert.equal([routed?.priority, routed?.says], [Priority.own, 'routed to g1, one off its time to live']);
});

traces('over a gateway every switch is told, and the latencies are added up', async () => {
  const foot = (underlay: string, inner: string) => ({ underlay, inner });
  const [a, b] = [foot('left', '10.77.0.1'), foot('right', '10.78.0.2')];
  const mesh = new Mesh([
    { node: 'n0', feet: [a] },
    { node: 'n1', feet: [{ ...b, port: 'vxlan0' }] },
    { node: 'n2', feet: [foot('left', '10.77.0.3'), { ...foot('right', '10.78.0.3'), port: 'lab0' }], isGateway: true },
  ]);
  const done = await walk({ ...viewOf([WEB, DB]), mesh }, 'g0', 'g1');
  assert.equal(way(done), [
    'n0: gate-in 200, ingress 200, route 0, forward 200, gate-out 200 -> n2',
    'n2: gate-in 200, ingress 200, forward 300, relay 200 -> n1',
    'n1: gate-in 200, ingress 200, forward 200, gate-out 200 -> g1',
  ]);
  assert.equal([done.verdict, done.roundTripMs], ['delivered', 30]);
  assert.is(done.hops[1]?.rules[3]?.says, 'into the next tunnel, one off its hop budget');
});

traces('guests of two networks never meet, and a trace says so', async () => {
  const done = await walk(viewOf([WEB, { ...DB, tenant: 2 }]), 'g0', 'g1');
  assert.is(done.verdict, 'dropped');
  assert.is(done.why, 'g0 is in network 1 and g1 in 2: they never meet');
  assert.is(done.hops.length, 1);
});

traces('switches that have what is wanted make the same way', async () => {
  const { wanted, real, differences } = await tracer(viewOf([WEB, DB])).trace({ from: 'g0', to: 'g1', compare: true });
  assert.equal(real, wanted);
  assert.equal(differences, []);
});

traces(
  'a closed gate, a rule that is gone and one of a stranger: where the real way parts from the wanted one',
  async () => {
    const request = { from: 'g0', to: 'g1', compare: true };
    const real = async (change: (node: string, flows: Flow[]) => Flow[]) => {
      const traced = await tracer(viewOf([WEB, DB]), change).trace(request);
      assert.is(traced.wanted.verdict, 'delivered');
      assert.is(traced.differences.length, 1);
      return { ...traced.real, at: traced.differences[0] };
    };
    const shut = await real((node, flows) => flows.filter((flow) => node !== 'n1' || flow.tableId !== Table.gateOut));
    assert.equal([shut.verdict, shut.why], ['dropped', 'it ends at n1 in gate-out: the port of g1 is closed']);
    assert.equal([shut.at?.node, shut.at?.table, shut.at?.real], ['n1', 'gate-out', null]);
    const unknown = await real((_, flows) => flows.filter((flow) => flow.tableId !== Table.forward));
    assert.is(unknown.why, 'it ends at n0 in forward: g1 is not known there in the network of g0');
    assert.is(unknown.at?.wanted?.says, 'to g1: by the tunnel to 10.77.0.2');
    const stranger: Flow = { tableId: 0, priority: 900, match: {}, cookie: 0n, instructions: [] };
    const strange = await real((node, flows) => (node === 'n0' ? [stranger, ...flows] : flows));
    assert.equal([strange.verdict, strange.at?.real?.writer], ['dropped', 'stranger']);
    const bent = await real((node, flows) =>
      node === 'n0' ? [{ ...stranger, instructions: normal() }, ...flows] : flows,
    );
    assert.equal([bent.verdict, bent.why?.includes('cannot be followed')], ['unknown', true]);
  },
);

traces('an entry that does something else, one that leads astray, and registers, which cross no tunnel', async () => {
  const request = { from: 'g0', to: 'g1', compare: true };
  const at = (change: (flows: Flow[]) => Flow[]) =>
    tracer(viewOf([WEB, DB]), (node, flows) => (node === 'n1' ? change(flows) : flows)).trace(request);
  const emptied = (flow: Flow): Flow => (flow.tableId === Table.forward ? { ...flow, instructions: [] } : flow);
  const ended = await at((flows) => flows.map(emptied));
  assert.is(ended.real?.why, 'it ends at n1 in forward: a rule of that table ends it');
  assert.equal(
    ended.differences.map(({ node, table, real }) => [node, table, real?.says]),
    [['n1', 'forward', 'dropped: to g1: a port of this switch']],
  );
  const first = { tableId: 0, priority: 900, cookie: 0n };
  const other = portsOf('n1').get('g2') ?? 0;
  const out: Flow['instructions'] = [
    { type: 'apply-actions', actions: [{ type: 'output', port: other, maxBytes: 0 }] },
  ];
  const astray = await at((flows) => [{ ...first, match: { inPort: 1 }, instructions: out }, ...flows]);
  assert.is(astray.real?.verdict, 'astray');
  assert.is(astray.real?.why, 'it comes out at port g2 of n1, which is not where g1 is');
  const registers = await at((flows) => [{ ...first, match: { inPort: 1, reg2: 1 }, instructions: out }, ...flows]);
  assert.equal([registers.real, registers.differences], [registers.wanted, []]);
});

function normal(): Flow['instructions'] {
  return [{ type: 'apply-actions', actions: [{ type: 'output', port: 0xffff_fffa, maxBytes: 0 }] }];
}

traces('a switch that cannot be asked is told with the reason, and what has no address is refused', async () => {
  const view = viewOf([WEB, DB, { ...bindingOf('g3', 'n2'), node: 'n9' }]);
  const away = tracer(view, (node, flows) => {
    if (node === 'n1') throw new Error('n1 is away');
    return flows;
  });
  const { real } = await away.trace({ from: 'g0', to: 'g1', compare: true });
  assert.equal([real?.verdict, real?.why], ['unknown', 'it is not known beyond n1: n1 is away']);
  assert.is(real?.hops.length, 1);
  const nowhere = await away.trace({ from: 'g3', to: 'g1', compare: false });
  assert.equal([nowhere.wanted.verdict, nowhere.wanted.hops], ['unknown', []]);
  assert.is((await failure(away.trace({ from: 'g0', to: 'nobody', compare: false }))).code, 'NOT_BOUND');
  assert.is((await failure(away.trace({ from: 'g0', to: 'g0', compare: false }))).code, 'TRACE_TO_ITSELF');
});

traces('tables that send a frame round and round end the trace', async () => {
  const round: Flow = {
    ...{ tableId: 0, priority: 900, match: {}, cookie: 0n },
    instructions: [{ type: 'apply-actions', actions: [] }],
  };
  const to = (address: number): Flow['instructions'] => [
    {
      type: 'apply-actions',
      actions: [
        { type: 'set-field', field: 'tunIpv4Dst', value: address },
        { type: 'output', port: 0xffff_fff8, maxBytes: 0 },
      ],
    },
  ];
  const [n0, n1] = [0x0a4d0001, 0x0a4d0002];
  const looping = tracer(viewOf([WEB, DB]), (node, flows) => {
    const back = { ...round, match: { inPort: 1 }, instructions: to(node === 'n0' ? n1 : n0) };
    return [back, ...flows];
  });
  const { real } = await looping.trace({ from: 'g0', to: 'g1', compare: true });
  assert.is(real?.verdict, 'endless');
  assert.ok((real?.hops.length ?? 0) < 12);
});

traces(
  'a ping that a group stops is said to be stopped by it, and one that is allowed goes through its tables',
  async () => {
    const egress = { direction: 'egress', ethertype: 'IPv4', protocol: 'any' } as const;
    const icmp = { direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp' } as const;
    const groups = (rules: SecurityGroup['rules'], members: string[]) => ({
      ...viewOf([WEB, DB]),
      groups: [{ name: 'web', rules, members }],
    });
    const stopped = await walk(groups([egress], ['g0', 'g1']), 'g0', 'g1');
    assert.equal(
      [stopped.verdict, stopped.why],
      ['dropped', 'it ends at n1 in judge-in: no security group of g1 allows that'],
    );
    const kept = await walk(groups([icmp], ['g0']), 'g0', 'g1');
    assert.is(kept.why, 'it ends at n0 in judge-out: no security group of g0 allows that');
    const done = await walk(groups([egress, icmp], ['g0', 'g1']), 'g0', 'g1');
    assert.is(done.verdict, 'delivered');
    assert.equal(way(done), [
      'n0: gate-in 200, ingress 200, far-out 0, groups-out 200, judge-out 200, route 0, forward 200, gate-out 200 -> n1',
      'n1: gate-in 200, ingress 200, forward 200, track-in 200, far-in 0, groups-in 200, judge-in 200, gate-out 200 -> g1',
    ]);
    assert.equal(
      done.hops[1]?.rules.slice(3, 7).map(({ says }) => says),
      [
        "looked up among its receiver's connections",
        'its sender is in no group that rules here name',
        'allowed by a rule of its security groups',
        'let through by its security groups',
      ],
    );
  },
);

traces('a ping that a rule allows since its sender is in a group is looked up by that group', async () => {
  const ping = { direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp' } as const;
  const groups = (remoteGroup: string) => ({
    ...viewOf([WEB, DB]),
    groups: [
      { name: 'db', rules: [{ ...ping, remoteGroup }], members: ['g1'] },
      { name: 'web', rules: [{ ...ping, direction: 'egress' as const }], members: ['g0'] },
    ],
  });
  const done = await walk(groups('web'), 'g0', 'g1');
  assert.is(done.verdict, 'delivered');
  assert.is(
    way(done)[1],
    'n1: gate-in 200, ingress 200, forward 200, track-in 200, far-in 200, named-in 200, groups-in 300, judge-in 200, gate-out 200 -> g1',
  );
  assert.equal(
    done.hops[1]?.rules.slice(4, 7).map(({ says }) => says),
    [
      'its sender is in a group that rules here name',
      'allowed by a rule that names that group',
      'allowed by a rule of its security groups',
    ],
  );
  const kept = await walk(groups('db'), 'g0', 'g1');
  assert.is(kept.why, 'it ends at n1 in judge-in: no security group of g1 allows that');
});

traces.run();
