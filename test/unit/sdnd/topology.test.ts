// The links between nodes as probes show them: soon there, soon gone, measured right, and never taken for lost because
// somebody is away.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LinkStates } from '../../../sdnd/topology/link-states.ts';
import type { LinkFigures } from '../../../sdnd/topology/peer-link.ts';
import { decodeProbe, encodeProbe, PROBE_BYTES_MIN, type Probe } from '../../../sdnd/topology/probe-frame.ts';
import { type ProbeFrame, Prober } from '../../../sdnd/topology/prober.ts';
import { Prng } from '../../sim/prng.ts';
import { addressOf, LONG_BYTES, TopologyWorld } from './topology-world.ts';

const NAMES = ['alpha', 'beta', 'gamma'];
const isFar = (): boolean => false;

function verdict(world: TopologyWorld, one = 'alpha', other = 'beta'): string | undefined {
  return world.states.link(one, other)?.verdict;
}

function runUntil(world: TopologyWorld, wanted: string, limitMs: number): number {
  const fromMs = world.nowMs;
  while (verdict(world) !== wanted && world.nowMs - fromMs < limitMs) world.run(100);
  return world.nowMs - fromMs;
}

test('a link is there within 2 s, gone within 3 s of a cut, and there again', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = new TopologyWorld(NAMES, undefined, seed);
    assert.ok(runUntil(world, 'up', 5_000) <= 2_000, 'up');
    world.run(5_000);
    world.way('alpha', 'beta').isCut = true;
    assert.ok(runUntil(world, 'down', 9_000) <= 3_000, 'a cut one way');
    assert.is(verdict(world, 'beta', 'gamma'), 'up');
    world.way('alpha', 'beta').isCut = false;
    assert.ok(runUntil(world, 'up', 9_000) <= 2_000, 'mended');
  }
});

test('who is not heard is told so by the other end', () => {
  const world = new TopologyWorld(NAMES);
  world.run(5_000);
  world.way('alpha', 'beta').isCut = true;
  world.run(4_000);
  const [alpha, beta] = [world.figures('alpha', 'beta'), world.figures('beta', 'alpha')];
  assert.is(alpha?.hearing, 'heard');
  assert.is(alpha?.isHeard, false);
  assert.is(beta?.hearing, 'silent');
});

test('a tenth of the frames lost for an hour takes no link for lost', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.way('alpha', 'beta').loss = 0.1;
  world.run(5_000);
  let isLost = false;
  world.run(3_600_000, () => {
    isLost ||= verdict(world) === 'down';
  });
  assert.not.ok(isLost);
  const loss = world.figures('beta', 'alpha')?.loss ?? 0;
  assert.ok(loss > 0 && loss < 0.4, String(loss));
  assert.is(world.figures('alpha', 'beta')?.loss, 0);
});

test('the round trip is that of both ways, whatever the clocks say and however long an echo was held', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.way('alpha', 'beta').delayMs = 60;
  world.way('beta', 'alpha').delayMs = 15;
  world.run(20_000);
  const link = world.states.link('beta', 'alpha');
  assert.ok(Math.abs((link?.roundTripMs ?? 0) - 75) < 0.01, String(link?.roundTripMs));
  // It follows a change.
  world.way('alpha', 'beta').delayMs = 160;
  world.run(30_000);
  const after = world.states.link('alpha', 'beta')?.roundTripMs ?? 0;
  assert.ok(Math.abs(after - 175) < 175 * 0.1, String(after));
});

test('frames that come twice, and late, change no figure', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.way('alpha', 'beta').againMs = 700;
  world.way('beta', 'alpha').againMs = 900;
  world.run(20_000);
  const figures = world.figures('alpha', 'beta');
  assert.ok(Math.abs((figures?.roundTripMs ?? 0) - 20) < 0.01, String(figures?.roundTripMs));
  assert.is(figures?.loss, 0);
});

test('the longest frame that a guest may send is proved per direction', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.run(10_000);
  assert.is(world.states.link('alpha', 'beta')?.provedBytes, LONG_BYTES);
  const narrow = new TopologyWorld(['alpha', 'beta']);
  narrow.way('beta', 'alpha').bytesMax = 1_200;
  narrow.run(10_000);
  assert.is(narrow.figures('alpha', 'beta')?.provedBytes, LONG_BYTES);
  assert.is(narrow.figures('beta', 'alpha')?.provedBytes, PROBE_BYTES_MIN);
  assert.is(narrow.states.link('alpha', 'beta')?.verdict, 'up', 'it is narrow, not down');
  assert.is(narrow.states.link('alpha', 'beta')?.provedBytes, PROBE_BYTES_MIN);
  // A way that becomes narrow is seen within two minutes.
  world.way('alpha', 'beta').bytesMax = 1_200;
  world.run(120_000);
  assert.is(world.states.link('alpha', 'beta')?.provedBytes, PROBE_BYTES_MIN);
});

test('while an end is not in session nothing changes', () => {
  const world = new TopologyWorld(NAMES);
  world.run(5_000);
  world.leave('beta');
  world.way('alpha', 'beta').isCut = true;
  world.way('beta', 'alpha').isCut = true;
  world.run(60_000);
  assert.is(verdict(world), 'up');
  world.join('beta');
  world.run(200);
  assert.is(verdict(world), 'down', 'both are there now, and hear nothing');
});

/** Two nodes whose frames cross at once, ten ticks a second. */
function pair(isClose: boolean) {
  const make = (node: string, other: string): Prober => {
    const prober = new Prober({ node, session: 7, random: () => 0.5, longBytes: LONG_BYTES });
    prober.setPeers([{ node: other, address: addressOf(other), isClose }], 0);
    return prober;
  };
  const [alpha, beta] = [make('alpha', 'beta'), make('beta', 'alpha')];
  const cross = (frames: readonly ProbeFrame[], from: string, to: Prober, nowMs: number): ProbeFrame[] =>
    frames.flatMap(({ bytes }) => to.receive(bytes, addressOf(from), nowMs));
  const run = (fromMs: number, toMs: number, isCut = false): void => {
    for (let nowMs = fromMs; nowMs < toMs; nowMs += 100) {
      const sent = [alpha.tick(nowMs), beta.tick(nowMs)] as const;
      if (isCut) continue;
      cross(cross(sent[0], 'alpha', beta, nowMs), 'beta', alpha, nowMs);
      cross(cross(sent[1], 'beta', alpha, nowMs), 'alpha', beta, nowMs);
    }
  };
  return { alpha, beta, run };
}

test('who was held up for a while calls nobody silent for it, and takes no time from what waited', () => {
  for (const isClose of [true, false]) {
    const { alpha, beta, run } = pair(isClose);
    run(0, 35_000);
    assert.is(alpha.news(35_000, true)[0]?.hearing, 'heard');
    assert.is(alpha.links(35_000)[0]?.roundTripMs, 0);
    // What alpha sent last is answered while it stands.
    const waiting = alpha.tick(35_000).flatMap(({ bytes }) => beta.receive(bytes, addressOf('alpha'), 35_000));
    for (let nowMs = 35_000; nowMs < 45_000; nowMs += 100) waiting.push(...beta.tick(nowMs));
    alpha.tick(45_000);
    assert.not.ok(alpha.news(45_000).some(({ hearing }) => hearing === 'silent'));
    for (const { bytes } of waiting) alpha.receive(bytes, addressOf('beta'), 45_000);
    assert.is(alpha.links(45_000)[0]?.roundTripMs, 0);
    assert.is(alpha.links(45_000)[0]?.hearing, 'heard');
  }
  // Nobody is heard after it: that is told as soon as ever.
  const { alpha, run } = pair(true);
  run(0, 5_000);
  run(15_000, 18_000, true);
  assert.is(alpha.links(18_000)[0]?.hearing, 'silent');
});

test('who dies is unheard by the others within 3 s, and no more once it is heard; nobody else is, and no verdict changes', () => {
  const world = new TopologyWorld(NAMES);
  const isUnheard = (): boolean | undefined => world.states.link('alpha', 'beta')?.isUnheard;
  const untilUnheard = (wanted: boolean): number => {
    const fromMs = world.nowMs;
    while (isUnheard() !== wanted && world.nowMs - fromMs < 9_000) world.run(100);
    return world.nowMs - fromMs;
  };
  world.run(5_000);
  world.leave('beta');
  world.run(5_000);
  assert.is(isUnheard(), false, 'its session alone is over');
  for (const way of [world.way('alpha', 'beta'), world.way('beta', 'alpha')]) way.isCut = true;
  assert.ok(untilUnheard(true) <= 3_000, 'unheard');
  assert.is(verdict(world), 'up');
  assert.is(world.states.link('alpha', 'gamma')?.isUnheard, false);
  world.leave('alpha');
  for (const way of [world.way('alpha', 'beta'), world.way('beta', 'alpha')]) way.isCut = false;
  world.run(5_000);
  assert.is(isUnheard(), true, 'nobody says anything new');
  world.join('alpha');
  assert.ok(untilUnheard(false) <= 2_000, 'heard again');
});

test('a restarted daemon is heard again, and nothing is counted lost for it', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.run(30_000);
  world.start('beta', ['alpha', 'beta'], () => true);
  world.run(3_000);
  assert.is(verdict(world), 'up');
  assert.is(world.figures('alpha', 'beta')?.loss, 0);
  assert.is(world.figures('alpha', 'beta')?.isHeard, true);
});

test('far nodes are drawn a few at a time: probes grow with the nodes', () => {
  const names = Array.from({ length: 30 }, (_, index) => `n${index}`);
  const world = new TopologyWorld(names, isFar);
  world.run(600_000);
  // 20 rounds, 3 drawn, a question and an answer each.
  assert.ok(world.sent <= names.length * 21 * 3 * 2, String(world.sent));
  const known = world.states.all.filter((link) => link.verdict !== 'down' && link.roundTripMs !== null);
  assert.ok(known.length > (names.length * (names.length - 1)) / 2 / 2, `${known.length} links are measured`);
  for (const { roundTripMs } of known) assert.ok(Math.abs((roundTripMs ?? 0) - 20) < 0.01);
});

test('a far node that answers nothing is silent after its round, and heard as soon as it speaks', () => {
  const world = new TopologyWorld(['alpha', 'beta'], isFar);
  world.way('beta', 'alpha').isCut = true;
  world.run(10_000);
  assert.is(world.figures('alpha', 'beta')?.hearing, 'silent');
  world.way('beta', 'alpha').isCut = false;
  world.run(31_000);
  assert.is(world.figures('alpha', 'beta')?.hearing, 'heard');
  assert.is(verdict(world), 'up');
});

test('one end takes the other for far: it is answered all the same', () => {
  const world = new TopologyWorld(['alpha', 'beta'], (one) => one === 'alpha');
  assert.ok(runUntil(world, 'up', 5_000) <= 2_000);
  world.run(60_000, () => assert.is(verdict(world), 'up'));
});

test('two that share nothing any more, or are no members for a moment, stay heard, whoever learns it first', () => {
  for (const isLeft of [false, true]) {
    for (let apartMs = 0; apartMs <= 600; apartMs += 100) {
      const names = ['alpha', 'beta'];
      const world = new TopologyWorld(names, undefined, apartMs + 1);
      for (const [one, other] of [names, names.toReversed()] as [string, string][]) world.way(one, other).delayMs = 40;
      world.run(60_000);
      for (const name of names) {
        if (isLeft) world.tell(name, [name], isFar);
        world.tell(name, names, isFar);
        world.run(apartMs);
      }
      let isLost = false;
      world.run(10 * 60_000, () => {
        isLost ||= names.some((one, at) => world.figures(one, names[1 - at] ?? '')?.hearing === 'silent');
      });
      assert.not.ok(isLost, `${apartMs} ms apart`);
    }
  }
});

test('only members at their own addresses are heard, and asking fast gets few answers', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  const alpha = world.probers.get('alpha');
  assert.ok(alpha);
  const probe: Probe = { from: 'beta', to: 'alpha', session: 9, sequence: 1, sentUs: 5n, asks: true, echo: undefined };
  const receive = (changed: Partial<Probe>, address = addressOf('beta'), atMs = 1e10): number =>
    alpha.receive(encodeProbe({ ...probe, ...changed }), address, atMs).length;
  assert.is(receive({}, addressOf('gamma')), 0, 'another address');
  assert.is(receive({ from: 'delta' }), 0, 'a stranger');
  assert.is(receive({ to: 'beta' }), 0, 'for somebody else');
  assert.is(receive({ from: 'alpha' }, addressOf('alpha')), 0, 'its own');
  assert.is(alpha.refused, 4);
  let answers = 0;
  for (let sequence = 1; sequence <= 1_000; sequence++) answers += receive({ sequence }, undefined, 1e10 + sequence);
  assert.is(answers, 5, 'one in 200 ms');
});

test('probes read as they were written, and rubbish reads as nothing', () => {
  const echo = { session: 1, sentUs: 2n ** 63n, heldUs: 3n, heardBytes: 1_344 };
  const probe: Probe = {
    from: 'a',
    to: 'z'.repeat(40),
    session: 2 ** 32 - 1,
    sequence: 7,
    sentUs: 1n,
    asks: true,
    echo,
  };
  for (const bytes of [0, PROBE_BYTES_MIN, LONG_BYTES]) {
    const frame = encodeProbe(probe, bytes);
    assert.is(frame.length, Math.max(bytes, PROBE_BYTES_MIN));
    assert.equal(decodeProbe(frame), probe);
  }
  assert.equal(decodeProbe(encodeProbe({ ...probe, echo: undefined, asks: false }))?.echo, undefined);
  const prng = new Prng(5);
  const frame = encodeProbe(probe);
  for (let round = 0; round < 20_000; round++) {
    const changed = Buffer.from(frame.subarray(0, prng.chance(0.1) ? prng.integer(frame.length) : frame.length));
    for (let flips = prng.integer(4); flips >= 0 && changed.length > 0; flips--)
      changed[prng.integer(changed.length)] = prng.integer(256);
    const read = decodeProbe(changed);
    if (read !== undefined) assert.ok(/^[a-z][a-z0-9-]*$/.test(read.from) && read.from.length <= 40);
  }
});

test('a session that has not begun says nothing; a member that is removed leaves no link', () => {
  const states = new LinkStates();
  const figures: LinkFigures = {
    peer: 'b',
    hearing: 'heard',
    isHeard: true,
    roundTripMs: 1,
    variationMs: 0,
    loss: 0,
    provedBytes: 0,
  };
  assert.throws(() => states.report('a', [figures]), /has not begun/);
  assert.equal(states.begin('a', [figures]), [], 'the other end has not spoken');
  const [up] = states.begin('b', [{ ...figures, peer: 'a' }]);
  assert.is(up?.verdict, 'up');
  assert.equal(up?.nodes, ['a', 'b']);
  states.remove('b');
  assert.is(states.link('a', 'b'), undefined);
  assert.equal(states.all, []);
});

test('who is unheard stays so while the other end, started anew, cannot know yet', () => {
  const states = new LinkStates();
  const figures = { isHeard: false, roundTripMs: null, variationMs: 0, loss: 0, provedBytes: 0 };
  const isUnheard = (): boolean | undefined => states.link('a', 'b')?.isUnheard;
  states.begin('a', [{ ...figures, peer: 'b', hearing: 'silent' }]);
  assert.is(isUnheard(), true);
  states.begin('a', [{ ...figures, peer: 'b', hearing: 'unknown' }]);
  assert.is(isUnheard(), true);
  states.report('a', [{ ...figures, peer: 'b', hearing: 'heard' }]);
  assert.is(isUnheard(), false);
});

test('two that share nothing have a guest frame proved in their first round', () => {
  const world = new TopologyWorld(['alpha', 'beta'], isFar);
  world.run(5_000);
  assert.is(world.states.link('alpha', 'beta')?.provedBytes, LONG_BYTES);
});

test.run();
