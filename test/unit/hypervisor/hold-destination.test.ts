// The destination's half of the hold, input by input: one record, written once, and nothing runs before it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type DestinationEffect,
  type DestinationInput,
  HoldDestination,
} from '../../../hypervisor/migration/hold-destination.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';

const CLOSINGS: Closing[] = [
  { image: 'web', epoch: 1, lastSequence: 9, entries: 4, digest: '0'.repeat(32), generation: 1 },
];
const DEADLINE_MS = 10_000;
const RELEASED: DestinationInput = { type: 'released', closings: CLOSINGS };
const LOADED: DestinationInput = { type: 'loaded' };
const EQUAL: DestinationInput = { type: 'verified', equal: true, reason: '' };
const REFUSE: DestinationInput = { type: 'refuse', reason: 'asked to' };

function words(effects: readonly DestinationEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === 'journal') return `journal ${effect.record}`;
    if (effect.type === 'chore') return `chore ${effect.chore}`;
    return effect.type === 'decided' ? `decided ${effect.decision}` : effect.type;
  });
}

class Play {
  readonly hold: HoldDestination;
  nowMs = 500;

  constructor(restored?: ConstructorParameters<typeof HoldDestination>[1]) {
    this.hold = new HoldDestination(DEADLINE_MS, restored);
    if (!restored) this.give({ type: 'begin' });
  }

  give(...inputs: DestinationInput[]): string[] {
    return inputs.flatMap((input) => words(this.hold.step(input, this.nowMs)));
  }

  wake(): string[] {
    this.nowMs = this.hold.wakeAtMs;
    return this.give({ type: 'tick' });
  }
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

test('starts when memory, release and equal tables are here, whatever comes first', () => {
  for (const [first, second, third] of permutations([RELEASED, LOADED, EQUAL])) {
    if (!first || !second || !third) continue;
    const play = new Play();
    const words = play.give(first, second, third, ...(first === EQUAL || second === EQUAL ? [EQUAL] : []));
    assert.equal(
      words.filter((word) => word !== 'verify'),
      ['journal started'],
    );
  }
});

test('runs the guest only after the record is durable, then disk and port, then the guest', () => {
  const play = new Play();
  play.give(RELEASED, LOADED, EQUAL);
  assert.is(play.hold.decision, 'undecided');
  assert.equal(play.give({ type: 'journaled', record: 'started' }), [
    'decided started',
    'chore activate',
    'chore openPort',
  ]);
  assert.is(play.hold.decision, 'started');
  assert.equal(play.give({ type: 'choreDone', chore: 'openPort' }), []);
  assert.equal(play.give({ type: 'choreDone', chore: 'activate' }), ['chore cont']);
  assert.equal(play.give({ type: 'choreDone', chore: 'cont' }), ['chore announce']);
  assert.equal(play.give({ type: 'choreDone', chore: 'announce' }), ['journal settled']);
  assert.equal(play.give({ type: 'journaled', record: 'settled' }), ['settled']);
});

test('every reason to refuse kills first, records once, then tidies up', () => {
  const reasons: DestinationInput[][] = [
    [REFUSE],
    [{ type: 'broken', reason: 'the stream broke' }],
    [{ type: 'died', reason: 'QEMU ended' }],
    [RELEASED, { type: 'verified', equal: false, reason: 'web' }],
    [LOADED, RELEASED, REFUSE],
  ];
  for (const inputs of reasons) {
    const play = new Play();
    assert.equal(
      play.give(...inputs).filter((word) => word !== 'verify'),
      ['chore kill'],
    );
    assert.equal(play.give(REFUSE, LOADED, RELEASED, EQUAL), []);
    assert.equal(play.give({ type: 'choreDone', chore: 'kill' }), ['journal refused']);
    assert.equal(play.give({ type: 'choreDone', chore: 'kill' }, REFUSE, LOADED, RELEASED, EQUAL), []);
    assert.equal(play.give({ type: 'journaled', record: 'refused' }), [
      'decided refused',
      'chore cancelStandby',
      'chore detachPort',
    ]);
  }
});

test('a refusal that comes while `started` is being written is too late', () => {
  const play = new Play();
  play.give(RELEASED, LOADED, EQUAL);
  assert.equal(play.give(REFUSE, { type: 'died', reason: 'QEMU ended' }), []);
  play.give({ type: 'journaled', record: 'started' });
  assert.equal(play.give(REFUSE), []);
  assert.is(play.hold.decision, 'started');
});

test("the stream's end after the load is no news", () => {
  const play = new Play();
  play.give(LOADED);
  assert.equal(play.give({ type: 'broken', reason: 'the source is gone' }), []);
  assert.equal(play.give(RELEASED, EQUAL), ['verify', 'journal started']);
});

test('the deadline runs from the release or the load, whichever is known first', () => {
  for (const first of [RELEASED, LOADED]) {
    const play = new Play();
    assert.is(play.hold.wakeAtMs, Number.POSITIVE_INFINITY);
    play.give(first);
    const atMs = play.nowMs;
    assert.equal(play.wake(), ['chore kill']);
    assert.is(play.nowMs, atMs + DEADLINE_MS);
    assert.match(play.hold.reason, first === LOADED ? 'the release did not arrive' : 'the memory did not arrive');
  }
});

test('compares again while its block daemon does not answer, until the deadline', () => {
  const play = new Play();
  play.give(RELEASED);
  const endMs = play.nowMs + DEADLINE_MS;
  let tries = 0;
  for (let words = ['verify']; words.includes('verify'); tries += 1) {
    play.give({ type: 'verifyFailed' });
    words = play.wake();
  }
  assert.ok(tries > 10);
  assert.is(play.nowMs, endMs);
});

test('after a restart: no record means `refused`, a record means its consequences', () => {
  assert.equal(new Play([]).give({ type: 'begin' }), ['chore kill']);
  const begin: DestinationInput = { type: 'begin' };
  assert.equal(new Play(['started']).give(begin), ['decided started', 'chore activate', 'chore openPort']);
  assert.equal(new Play(['refused']).give(begin), ['decided refused', 'chore cancelStandby', 'chore detachPort']);
  const settled = new Play(['started', 'settled']);
  assert.equal(settled.give(begin), ['settled']);
  assert.is(settled.hold.decision, 'started');
  assert.equal(settled.give(REFUSE, RELEASED), []);
});

test.run();
