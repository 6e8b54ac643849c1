// The source's half of the hold, input by input: the order of its effects and what it must never do.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HoldSource } from '../../../hypervisor/migration/hold-source.ts';
import {
  ASK_PAUSE_MS,
  ASK_RETRY_MS,
  ASK_TIMEOUT_MS,
  DEADLINE_MS,
  RELEASE_LIMIT_MS,
  SILENCE_MS,
  type SourceEffect,
  type SourceInput,
  type SourceRecord,
} from '../../../hypervisor/migration/hold-source-steps.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';

const CLOSINGS: Closing[] = [
  { image: 'web', epoch: 1, lastSequence: 9, entries: 4, digest: '0'.repeat(32), generation: 1 },
];

/** Short words for effects: `journal released`, `ask refuse`, `chore thaw`, `outcome started`. */
function words(effects: readonly SourceEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.type === 'journal') return `journal ${effect.record.kind}`;
    if (effect.type === 'ask') return `ask ${effect.question}`;
    if (effect.type === 'chore') return `chore ${effect.chore}`;
    return effect.type === 'outcome' ? `outcome ${effect.decision}` : effect.type;
  });
}

class Play {
  readonly hold: HoldSource;
  nowMs = 1_000;

  constructor(restored?: readonly SourceRecord[]) {
    this.hold = new HoldSource(restored);
  }

  give(input: SourceInput): string[] {
    return words(this.hold.step(input, this.nowMs));
  }

  /** Time passes to the next moment that the machine asks for. */
  wake(): string[] {
    this.nowMs = this.hold.wakeAtMs;
    return this.give({ type: 'tick' });
  }

  toFrozen(): string[] {
    this.give({ type: 'begin' });
    this.give({ type: 'journaled', kind: 'outgoing' });
    this.give({ type: 'drained' });
    this.give({ type: 'portClosed' });
    return this.give({ type: 'frozen', closings: CLOSINGS });
  }

  toReleased(): string[] {
    this.toFrozen();
    return this.give({ type: 'journaled', kind: 'released' });
  }
}

const STAY = ['outcome refused', 'chore thaw', 'chore resume', 'chore openPort'];

test('takes each step only after the one before', () => {
  const play = new Play();
  assert.equal(play.give({ type: 'begin' }), ['journal outgoing']);
  assert.equal(play.give({ type: 'journaled', kind: 'outgoing' }), ['sendMemory']);
  assert.equal(play.give({ type: 'drained' }), ['closePort']);
  assert.equal(play.give({ type: 'portClosed' }), ['freeze']);
  assert.equal(play.give({ type: 'frozen', closings: CLOSINGS }), ['journal released']);
  assert.equal(play.give({ type: 'journaled', kind: 'released' }), ['ask released', 'continueMemory']);
  assert.equal(play.give({ type: 'answer', ask: 1, decision: 'undecided' }), ['ask decision']);
  assert.equal(play.give({ type: 'answer', ask: 2, decision: 'started' }), ['journal decided']);
  assert.is(play.hold.decision, 'undecided');
  assert.equal(play.give({ type: 'journaled', kind: 'decided' }), ['outcome started', 'chore kill']);
  assert.is(play.hold.decision, 'started');
  assert.equal(play.give({ type: 'choreDone', chore: 'kill' }), ['chore releaseWriter', 'chore detachPort']);
  assert.equal(play.give({ type: 'choreDone', chore: 'detachPort' }), []);
  assert.equal(play.give({ type: 'choreDone', chore: 'releaseWriter' }), ['journal settled']);
  assert.equal(play.give({ type: 'journaled', kind: 'settled' }), ['settled']);
  assert.is(play.hold.wakeAtMs, Number.POSITIVE_INFINITY);
});

test('says where the time went, from the stop', () => {
  const play = new Play();
  play.toReleased();
  play.nowMs += 40;
  play.give({ type: 'memorySent' });
  play.nowMs += 10;
  play.give({ type: 'answer', ask: 1, decision: 'started' });
  const steps = play.hold.steps.map(({ step, atMs }) => `${step} ${atMs}`);
  assert.equal(steps, ['stopped 0', 'port closed 0', 'frozen 0', 'released 0', 'memory sent 40', 'decided 50']);
});

test('before the release every failure leaves the guest running here', () => {
  const failed: SourceInput = { type: 'failed', reason: 'the stream broke' };
  const abort: SourceInput = { type: 'abort', reason: 'asked to' };
  const way: SourceInput[] = [{ type: 'journaled', kind: 'outgoing' }, { type: 'drained' }, { type: 'portClosed' }];
  for (const end of [failed, abort])
    for (let steps = 0; steps <= way.length; steps += 1) {
      const play = new Play();
      play.give({ type: 'begin' });
      for (const input of way.slice(0, steps)) play.give(input);
      assert.equal(play.give(end), ['ask refuse', ...STAY], `${end.type} after ${steps} steps`);
      assert.is(play.hold.decision, 'refused');
    }
});

test('a local daemon that hangs in the hold ends it in time', () => {
  const play = new Play();
  play.give({ type: 'begin' });
  play.give({ type: 'journaled', kind: 'outgoing' });
  play.give({ type: 'drained' });
  const stoppedAtMs = play.nowMs;
  assert.equal(play.wake(), ['ask refuse', ...STAY]);
  assert.is(play.nowMs, stoppedAtMs + RELEASE_LIMIT_MS);
  assert.equal(play.give({ type: 'portClosed' }), []);
});

test('after the release no failure and no time brings the guest back', () => {
  const play = new Play();
  play.toReleased();
  assert.equal(play.give({ type: 'failed', reason: 'the stream broke' }), []);
  const all: string[] = [];
  while (play.nowMs < 3_600_000) {
    all.push(...play.wake());
    play.give({ type: 'noAnswer', ask: all.filter((word) => word.startsWith('ask')).length + 1 });
  }
  assert.is(play.hold.decision, 'undecided');
  const harmless = ['ask released', 'ask refuse', 'outcome undecided'];
  assert.equal(
    all.filter((word) => !harmless.includes(word)),
    [],
  );
  assert.is(all.filter((word) => word === 'outcome undecided').length, 1);
  assert.ok(all.filter((word) => word === 'ask refuse').length > 100);
});

test('an abort after the release only asks, and obeys what stands', () => {
  const play = new Play();
  play.toReleased();
  assert.equal(play.give({ type: 'abort', reason: 'asked to' }), ['ask refuse']);
  assert.equal(play.give({ type: 'answer', ask: 2, decision: 'started' }), ['journal decided']);
  assert.equal(play.give({ type: 'journaled', kind: 'decided' }), ['outcome started', 'chore kill']);
});

test('an abort while the release is being written asks for a refusal and sends no memory', () => {
  const play = new Play();
  play.toFrozen();
  assert.equal(play.give({ type: 'abort', reason: 'asked to' }), []);
  assert.equal(play.give({ type: 'journaled', kind: 'released' }), ['ask refuse']);
});

test('the controller hears of silence within 5 s, and of the deadline the destination', () => {
  const play = new Play();
  play.toReleased();
  const releasedAtMs = play.nowMs;
  assert.equal(play.wake(), ['outcome undecided']);
  assert.is(play.nowMs, releasedAtMs + SILENCE_MS);
  assert.equal(play.wake(), ['ask refuse']);
  assert.is(play.nowMs, releasedAtMs + DEADLINE_MS);
});

test('asks again after a failed question, only once per question, and offers the release until it is heard', () => {
  const play = new Play();
  play.toReleased();
  const askedAtMs = play.nowMs;
  play.give({ type: 'noAnswer', ask: 1 });
  assert.is(play.hold.wakeAtMs, askedAtMs + ASK_RETRY_MS);
  assert.equal(play.wake(), ['ask released']);
  assert.equal(play.give({ type: 'answer', ask: 1, decision: 'undecided' }), []);
  assert.equal(play.give({ type: 'answer', ask: 2, decision: 'undecided' }), ['ask decision']);
  assert.equal(play.give({ type: 'answer', ask: 2, decision: 'undecided' }), []);
  assert.equal(play.give({ type: 'answer', ask: 3, decision: 'undecided' }), []);
  assert.is(play.hold.wakeAtMs, play.nowMs + ASK_PAUSE_MS);
  assert.ok(ASK_TIMEOUT_MS > 10_000);
});

test('hears the record by way of the controller', () => {
  const play = new Play();
  play.toReleased();
  assert.equal(play.give({ type: 'answer', ask: 0, decision: 'refused' }), ['journal decided']);
  assert.equal(play.give({ type: 'answer', ask: 1, decision: 'started' }), []);
  assert.equal(play.give({ type: 'journaled', kind: 'decided' }), STAY);
});

test('a chore that fails is repeated until it succeeds', () => {
  const play = new Play();
  play.toReleased();
  play.give({ type: 'answer', ask: 1, decision: 'refused' });
  play.give({ type: 'journaled', kind: 'decided' });
  for (let tries = 0; tries < 50; tries += 1) {
    play.give({ type: 'choreFailed', chore: 'thaw' });
    assert.equal(play.wake(), ['chore thaw']);
  }
  for (const chore of ['thaw', 'resume'] as const) assert.equal(play.give({ type: 'choreDone', chore }), []);
  assert.equal(play.give({ type: 'choreDone', chore: 'openPort' }), ['journal settled']);
});

test('goes on from its journal after a restart', () => {
  const outgoing: SourceRecord = { kind: 'outgoing' };
  const released: SourceRecord = { kind: 'released', closings: CLOSINGS };
  const begin = (...records: SourceRecord[]) => new Play(records).give({ type: 'begin' });
  assert.equal(begin(outgoing), ['ask refuse', ...STAY]);
  assert.equal(begin(outgoing, released), ['ask refuse']);
  assert.equal(begin(outgoing, released, { kind: 'decided', decision: 'started' }), ['outcome started', 'chore kill']);
  assert.equal(begin(outgoing, released, { kind: 'decided', decision: 'refused' }), STAY);
  const settled = new Play([outgoing, released, { kind: 'decided', decision: 'started' }, { kind: 'settled' }]);
  assert.equal(settled.give({ type: 'begin' }), ['settled']);
  assert.is(settled.hold.decision, 'started');
});

test.run();
