// A disk moves between two real daemons, of which one is killed at a system call, or loses its node's power, or both do: one of
// them writes at most, and what was answered, or flushed, is where the disk is (S1, S4).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runMoves, sayMoves } from './moves.ts';

const MOVES = 6;
/** One in peace, and two that are struck; some times at most. */
const CAUGHT_MOVES = 3;
const TRIES_MAX = 6;
const seed = Number(process.env.MOVES_SEED ?? Date.now() % 2 ** 31);

async function check(strikes: 'kill' | 'cut'): Promise<void> {
  const violations: string[] = [];
  const told = await runMoves({ seed, moves: MOVES, strikes, violated: (what) => violations.push(what) });
  console.log(`seed ${seed}: ${sayMoves(told)}`);
  assert.equal(violations, [], `seed ${seed}`);
  assert.is(told.moved + told.refused + told.heldUp, MOVES);
  assert.ok(told.sources + told.destinations > 0, 'a strike hit');
}

async function isCaught(strikes: 'kill' | 'cut'): Promise<void> {
  const violations: string[] = [];
  const violated = (what: string): unknown => violations.push(what);
  for (let tries = 0; tries < TRIES_MAX && violations.length === 0; tries++) {
    const plants = [PLANTED[strikes]];
    await runMoves({ seed: seed + tries, moves: CAUGHT_MOVES, strikes, plants, endsWhenBroken: true, violated });
  }
  assert.ok(violations.length > 0, `seed ${seed}: no move shows it`);
}

test(`${MOVES} moves, in most of which a daemon dies, leave one writer and all that was answered`, () => check('kill'));

test(`${MOVES} moves, in most of which a node loses its power, leave one writer and all that was flushed`, () =>
  check('cut'));

/** A bug, and what the strikes are that show it. */
const PLANTED = {
  kill: {
    room: 'blockd/image/image.ts',
    find: "    this.gate.set('frozen');\n    const closing",
    replace: '    const closing',
  },
  cut: {
    room: 'blockd/store/image-store.ts',
    find: 'if (runs.length > 0) await this.#parts.data.datasync();',
    replace: '',
  },
};

test('an image that goes on changing in the hold is caught', () => isCaught('kill'));

test('a flush that is answered before its data are durable is caught', () => isCaught('cut'));

test.run();
