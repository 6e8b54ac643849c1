// What `supercloud net topology` draws.
import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeTopology } from '../../../cli/topology-text.ts';
import type { ClusterLink, ClusterTopology } from '../../../wire/contracts/topology.ts';

const NODE = { up: true, reports: true, hasSwitch: true };
const LINK: ClusterLink = {
  ...{ a: 'alpha', b: 'beta', verdict: 'up', roundTripMs: 75.26, loss: 0, provedBytes: 1_344, isShared: true, via: [] },
  encrypted: true,
};
const TOPOLOGY: ClusterTopology = {
  nodes: [
    { node: 'gamma', cloud: 'west', up: false, reports: false, hasSwitch: false },
    { node: 'beta', cloud: 'east', ...NODE },
    { node: 'alpha', cloud: 'east', ...NODE },
  ],
  links: [
    LINK,
    { ...LINK, b: 'delta', roundTripMs: 1.04, loss: 0.031, via: ['gw', 'gw2'] },
    { ...LINK, b: 'epsilon', relay: 'alpha' },
    { ...LINK, a: 'beta', b: 'gamma', verdict: 'down', provedBytes: 144, via: null },
    { ...LINK, a: 'beta', b: 'delta', verdict: 'unknown', roundTripMs: null, provedBytes: 0 },
  ],
  takenAtMs: 1_000_000,
};

function lines(topology: ClusterTopology, nowMs = 1_000_500): string[] {
  return stripVTControlCharacters(describeTopology(topology, nowMs)).split('\n');
}

test('nodes by cloud, each with what is wrong with it', () => {
  assert.equal(lines(TOPOLOGY).slice(0, 5), [
    'east',
    '├─ alpha',
    '└─ beta',
    'west',
    '└─ gamma (down) (its agent reports no links) (its switch is not connected)',
  ]);
});

test('a line for each link: longer where the way is, broken where nothing gets through', () => {
  const [head, long, short, relayed, down, unknown] = lines(TOPOLOGY).slice(6);
  assert.match(head ?? '', /^FROM +LINK +TO +STATE +RTT +LOSS +MTU +WAY$/);
  assert.match(long ?? '', /^alpha +─{13} +beta +up +75 ms +0 % +1330 +direct$/);
  assert.match(short ?? '', /^alpha +─{4} +delta +up +1\.0 ms +3 % +1330 +over gw, gw2$/);
  assert.match(relayed ?? '', /^alpha +─{13} +epsilon +up +75 ms +0 % +1330 +relayed by alpha$/);
  assert.match(down ?? '', /^beta +─+ ╳ ─+ +gamma +down +none$/);
  assert.match(unknown ?? '', /^beta +·{4} +delta +unknown +direct$/);
  assert.ok(lines(TOPOLOGY).every((line) => line.length <= 80));
});

test('which links are not encrypted is said', () => {
  const [first, ...others] = TOPOLOGY.links;
  const last = (links: readonly ClusterLink[]): string | undefined => lines({ ...TOPOLOGY, links: [...links] }).at(-1);
  const open = { ...LINK, encrypted: false };
  assert.is(last([open, ...others]), 'not encrypted: alpha - beta');
  assert.is(last([open]), 'no link is encrypted');
  assert.is(last([first ?? LINK]), 'every link is encrypted');
});

test('what is not of now is said so, and what was never known', () => {
  assert.is(lines(TOPOLOGY).at(-1), 'every link is encrypted');
  assert.match(lines(TOPOLOGY, 1_030_000).at(-1) ?? '', /does not answer: this was 30 s ago/);
  const nothing = lines({ nodes: [], links: [], takenAtMs: null });
  assert.match(nothing.join(' '), /no link was measured yet .*no link is known/);
});

test.run();
