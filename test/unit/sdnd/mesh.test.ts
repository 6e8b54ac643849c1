// Ways over the mesh: by which addresses, over which gateways, the quickest first.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import type { MeshNode } from '../../../sdnd/mesh/underlay.ts';

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

test.run();
