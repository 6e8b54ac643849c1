// A session on a socket: what becomes of a switch that sends and does not read.
import { Duplex } from 'node:stream';
import { encode } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { settle } from './controller-fixture.ts';

const TOO_MUCH_BYTES = 2 ** 28 + 1;

test('who sends and does not read is let go of before it fills the memory', async () => {
  const socket = new Duplex({ read: () => undefined, write: () => undefined });
  const clock = new TurnedClock();
  const ends: string[] = [];
  new OpenFlowChannel(socket, clock, {
    ready: () => undefined,
    port: () => undefined,
    closed: (reason) => ends.push(reason),
  });
  socket.push(encode({ type: 'hello', versions: [4] }, 1));
  await settle();
  assert.equal(ends, []);
  // As after gigabytes of questions.
  Object.defineProperty(socket, 'writableLength', { value: TOO_MUCH_BYTES });
  socket.push(encode({ type: 'echo-request', data: new Uint8Array(0) }, 2));
  await settle();
  assert.match(ends.join(), /wait to be read by it/);
  assert.ok(socket.destroyed);
  assert.is(clock.timers, 0);
});

test.run();
