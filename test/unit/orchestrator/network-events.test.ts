// What is kept of what happened to the overlay: each thing once, and how long a link was gone; and the sentences in which the
// status page says it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkEvents } from '../../../orchestrator/network/network-events.ts';
import type { TopologyLink } from '../../../wire/contracts/topology.ts';
import { TurnedClock } from '../common/turned-clock.ts';

const PAGE = new URL('../../../orchestrator/status-page/events.js', import.meta.url).href;
const UP: TopologyLink = {
  ...{ a: 'alpha', b: 'beta', verdict: 'up', roundTripMs: 75, loss: 0, provedBytes: 1_344, isShared: true, via: [] },
};
const OTHER: TopologyLink = { ...UP, b: 'gamma' };

function seen(...verdicts: TopologyLink['verdict'][]) {
  const clock = new TurnedClock(1_000);
  const events = new NetworkEvents({ clock });
  for (const verdict of verdicts) {
    events.links([{ ...UP, verdict }, OTHER]);
    clock.turn(1_000);
  }
  return events.list();
}

test('a link that is gone is one event from the first look to the one that has it back', () => {
  const gone = { kind: 'link', a: 'alpha', b: 'beta', atMs: 2_000 };
  assert.equal(seen('up', 'down', 'down'), [{ ...gone, verdict: 'down', endedMs: null }]);
  assert.equal(seen('up', 'unheard', 'down'), [{ ...gone, verdict: 'down', endedMs: null }]);
  assert.equal(seen('up', 'down', 'unknown', 'up', 'up'), [{ ...gone, verdict: 'down', endedMs: 4_000 }]);
  assert.equal(
    seen('up', 'down', 'up', 'down').map(({ atMs }) => atMs),
    [4_000, 2_000],
  );
  assert.equal(seen('unknown', 'unheard', 'down', 'up'), [], 'of one that is joining');
});

test('changes of the controller stand among them, the newest first, and the oldest are forgotten', () => {
  const clock = new TurnedClock(1_000);
  const events = new NetworkEvents({ clock });
  events.chosen('beta', 'alpha');
  for (const verdict of ['up', 'down'] as const) events.links([{ ...UP, verdict }]);
  assert.equal(
    events.list().map(({ kind }) => kind),
    ['link', 'controller'],
  );
  for (let change = 0; change < 60; change++) events.chosen('alpha', 'beta');
  assert.is(events.list().length, 50);
  assert.ok(events.list().every(({ kind }) => kind === 'controller'));
});

test('each event has its sentence, also one that the page does not know', async () => {
  const { eventWords }: { eventWords: (event: object) => string } = await import(PAGE);
  const asked = { vm: 'web', node: 'alpha', place: 'gamma', trouble: '', atMs: 1, endedMs: null };
  const said = [
    { ...asked, stub: 'orders', address: '10.88.0.9' },
    { ...asked, image: 'db', waiting: 2, trouble: undefined },
    { ...asked, stub: 'orders', address: '10.88.0.9', trouble: 'it is pinned' },
    { kind: 'controller', node: 'beta', before: 'alpha', atMs: 1 },
    { kind: 'link', a: 'alpha', b: 'beta', verdict: 'unheard', atMs: 1, endedMs: null },
    { kind: 'of-tomorrow', atMs: 1 },
  ].map(eventWords);
  assert.equal(said, [
    'web at alpha asks for stub orders (10.88.0.9), which is in gamma',
    'web at alpha asks for image db, which is in gamma',
    'web at alpha asks for stub orders (10.88.0.9), which is in gamma; it stays: it is pinned',
    "the overlay's controller is beta, instead of alpha",
    'nothing gets through between alpha and beta: the switch agent of one of them is away',
    'of-tomorrow',
  ]);
  const over = eventWords({ kind: 'link', a: 'alpha', b: 'beta', verdict: 'down', atMs: 1, endedMs: 2 });
  assert.match(over, /^nothing gets through between alpha and beta; over at \S/);
});

test.run();
