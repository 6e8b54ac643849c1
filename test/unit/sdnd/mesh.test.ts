// Ways over the mesh: by which addresses, over which gateways, the quickest first.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { longestWay } from '../../../sdnd/mesh/longest-way.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import { isTunnelBetween, type MeshNode, tunnelBetween } from '../../../sdnd/mesh/underlay.ts';
import { Random } from '../openflow/random.ts';

const cloud = (underlay: string, host: number) => ({ underlay, inner: `10.0.0.${host}`, outer: `192.0.2.${host}` });
const inside = (underlay: string, host: number, port = 'vxlan0') => ({ underlay, inner: `10.0.0.${host}`, port });

const east: MeshNode = { node: 'east', feet: [cloud('e', 1), inside('home', 1, 'vxlan1')], isGateway: true };
const west: MeshNode = { node: 'west', feet: [cloud('w', 2), inside('home', 2, 'vxlan1')], isGateway: true };
const far: MeshNode = { node: 'far', feet: [cloud('w', 3)] };
const home: MeshNode = { node: 'home', feet: [inside('home', 4), inside('nest', 4, 'vxlan1')], isGateway: true };
const nested: MeshNode = { node: 'nested', feet: [inside('nest', 5)] };
const ALL = [east, west, far, home, nested];

test('within a network by the inner address, between networks by the outer one, as the other side sees it', () => {
  const mesh = new Mesh(ALL);
  const near = mesh.tunnel('west', 'far');
  assert.equal(near, { port: 'vxlan0', farPort: 'vxlan0', source: ipv4('10.0.0.2'), destination: ipv4('10.0.0.3') });
  const out = mesh.tunnel('east', 'far');
  assert.equal(out, { port: 'vxlan0', farPort: 'vxlan0', source: ipv4('192.0.2.1'), destination: ipv4('192.0.2.3') });
  assert.is(mesh.tunnel('east', 'home')?.port, 'vxlan1');
  assert.is(mesh.tunnel('home', 'far'), undefined);
  assert.equal(mesh.portsOf('home'), ['vxlan0', 'vxlan1']);
});

test('over the gateways that take the least time, and over no others', () => {
  const link = (a: string, b: string, latencyMs: number | undefined) => ({ a, b, latencyMs });
  const quick = [link('home', 'east', 5), link('home', 'west', 40), link('far', 'east', 10), link('far', 'west', 1)];
  assert.equal(new Mesh(ALL, quick).path('nested', 'far'), ['home', 'east', 'far']);
  const slow = [...quick, link('home', 'east', 60)];
  assert.equal(new Mesh(ALL, slow).path('nested', 'far'), ['home', 'west', 'far']);
  const cut = [...quick, link('far', 'east', undefined), link('far', 'west', undefined)];
  assert.equal(new Mesh(ALL, cut).path('nested', 'far'), []);
  assert.is(new Mesh(ALL, quick).longest, 3);
  const { isGateway: _, ...plain } = home;
  assert.equal(new Mesh([east, west, far, plain, nested]).path('nested', 'far'), []);
});

test('of two ways that nobody has measured the one with fewer tunnels', () => {
  const mesh = new Mesh(ALL);
  assert.equal(mesh.path('east', 'far'), ['far']);
  assert.is(mesh.path('home', 'far').length, 2);
});

test('what takes nothing unasked is reached by its relays alone', () => {
  const shy: MeshNode = { node: 'shy', feet: [cloud('s', 6)], relays: ['east'] };
  const mesh = new Mesh([east, west, far, shy]);
  assert.equal(mesh.path('far', 'shy'), ['east', 'shy']);
  assert.equal(mesh.path('shy', 'west'), ['east', 'west']);
});

test('ways that can take each other’s place: over one gateway, or over two where none is next to both', () => {
  const mesh = new Mesh(ALL);
  assert.equal(mesh.relays('home', 'far'), [['east'], ['west']]);
  assert.equal(mesh.relays('nested', 'far'), [
    ['home', 'east'],
    ['home', 'west'],
  ]);
  assert.equal(mesh.relays('east', 'far'), [], 'there is a tunnel');
  assert.equal(mesh.relays('far', 'far'), []);
  assert.equal(new Mesh([far, nested]).relays('far', 'nested'), []);
});

test('a full mesh has direct ways only, and a node that is not there has none', () => {
  const mesh = new Mesh([far, { ...west, isGateway: false }]);
  assert.equal(mesh.path('far', 'west'), ['west']);
  assert.equal(mesh.path('far', 'east'), []);
  assert.equal(mesh.path('far', 'far'), []);
  assert.is(mesh.longest, 1);
});

const MESHES = 400;

/** Nodes in up to two of three networks, some seen from outside, some only by relays; many links of equal latency, some dead. */
function randomMesh(random: Random): Mesh {
  const names = Array.from({ length: 3 + random.below(9) }, (_, no) => `n${no}`);
  const nodes = names.map((node, no): MeshNode => {
    const networks = [random.pick(['a', 'b', 'c']), ...random.list(1, () => random.pick(['a', 'b', 'c']))];
    const feet = [...new Set(networks)].map((underlay) => (random.chance(0.3) ? cloud : inside)(underlay, no + 1));
    const isGateway = random.chance(0.4);
    return { node, feet, isGateway, ...(random.chance(0.2) && { relays: random.list(2, () => random.pick(names)) }) };
  });
  const links = names.flatMap((a, no) => {
    const known = names.slice(no + 1).filter(() => random.chance(0.7));
    return known.map((b) => ({ a, b, latencyMs: random.chance(0.15) ? undefined : random.below(8) / 2 }));
  });
  return new Mesh(nodes, links);
}

test('the longest way is that of all ways, searched for one by one', () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < MESHES; seed++) {
    const mesh = randomMesh(new Random(seed));
    const names = mesh.nodes.map(({ node }) => node);
    const tunnels = names.flatMap((from) => names.map((to) => mesh.path(from, to).length));
    // Without gateways it is not asked whether anybody is reached.
    const longest = mesh.gateways.length === 0 ? 1 : Math.max(...tunnels);
    assert.is(mesh.longest, longest, `mesh ${seed}`);
    seen.add(longest);
  }
  assert.equal([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test('the longest way is found without a search for each pair of nodes', () => {
  let asked = 0;
  const names = Array.from({ length: 500 }, (_, no) => `n${no}`);
  const isGateway = (node: string): boolean => node === 'n0' || node === 'n1';
  // Half of them reach the other half over gateways alone.
  const latency = (a: string, b: string): number | undefined => {
    asked++;
    return isGateway(a) || isGateway(b) || Number(a.slice(1)) % 2 === Number(b.slice(1)) % 2 ? 5 : undefined;
  };
  assert.is(longestWay(names, ['n0', 'n1'], { isGateway, latency }), 2);
  assert.ok(asked < 10 * names.length, `${asked} tunnels were looked at`);
});

test('whether there is a tunnel is known without making it', () => {
  for (let seed = 0; seed < MESHES; seed++) {
    const { nodes } = randomMesh(new Random(seed));
    for (const from of nodes)
      for (const to of nodes) assert.is(isTunnelBetween(from, to), tunnelBetween(from, to) !== undefined);
  }
});

test.run();
