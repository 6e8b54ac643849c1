// Connections dialled ahead: each serves once, for its migration; one that failed, died or waited too long is as if it
// had never been, and nothing stays open.
import type { TLSSocket } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WarmStreams } from '../../../hypervisor/migration/warm-streams.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';

const FIRST = '0000000000000001';
const SECOND = '0000000000000002';

function socket(): TLSSocket {
  const made = {
    destroyed: false,
    destroy: (): void => {
      made.destroyed = true;
    },
  };
  // Of a socket nothing else is used.
  return made as unknown as TLSSocket;
}

function streams(): { warm: WarmStreams; clock: TurnedClock } {
  const clock = new TurnedClock();
  return { warm: new WarmStreams({ clock, log: quiet }), clock };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a connection serves once, and only its migration', async () => {
  const { warm, clock } = streams();
  const one = socket();
  let dials = 0;
  const dial = async (): Promise<TLSSocket> => {
    dials += 1;
    return one;
  };
  warm.begin(FIRST, dial);
  warm.begin(FIRST, dial);
  assert.is(dials, 1);
  assert.is(await warm.take(SECOND), undefined);
  assert.is(await warm.take(FIRST), one);
  assert.is(await warm.take(FIRST), undefined);
  clock.turn(60_000);
  await settled();
  assert.is(one.destroyed, false, 'it is the taker’s');
});

test('one that is being dialled is waited for', async () => {
  const { warm } = streams();
  const dialled = Promise.withResolvers<TLSSocket>();
  warm.begin(FIRST, () => dialled.promise);
  const taken = warm.take(FIRST);
  const one = socket();
  dialled.resolve(one);
  assert.is(await taken, one);
});

test('one that failed, or has died, is none', async () => {
  const { warm } = streams();
  warm.begin(FIRST, () => Promise.reject(new Error('unreachable')));
  assert.is(await warm.take(FIRST), undefined);
  warm.begin(FIRST, () => Promise.reject(new Error('unreachable')));
  await settled();
  assert.is(await warm.take(FIRST), undefined);
  const dead = socket();
  warm.begin(SECOND, async () => dead);
  dead.destroy();
  assert.is(await warm.take(SECOND), undefined);
});

test('what nobody takes is hung up in time, and at the end', async () => {
  const { warm, clock } = streams();
  const [early, late] = [socket(), socket()];
  warm.begin(FIRST, async () => early);
  await settled();
  clock.turn(6_000);
  assert.is(early.destroyed, false);
  clock.turn(2_000);
  await settled();
  assert.is(early.destroyed, true);
  assert.is(await warm.take(FIRST), undefined);
  warm.begin(SECOND, async () => late);
  warm.close();
  await settled();
  assert.is(late.destroyed, true);
});

test.run();
