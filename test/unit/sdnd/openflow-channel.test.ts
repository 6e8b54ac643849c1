// A session on a socket: what becomes of a switch that sends and does not read, and which entries are counted.
import { Duplex, PassThrough } from 'node:stream';
import { encode } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { flowKey } from '../../../sdnd/flow.ts';
import { AGENT_COOKIES, CONTROLLER_COOKIE } from '../../../sdnd/pipeline.ts';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { settle } from './controller-fixture.ts';
import { CodecSwitch } from './switch-made-of-codec.ts';

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

test('entries are counted but for agents’: also those of whoever is neither that nor a controller', async () => {
  const peer = new CodecSwitch();
  const cookies = [0n, CONTROLLER_COOKIE, CONTROLLER_COOKIE + 7n, ...AGENT_COOKIES];
  for (const [priority, cookie] of cookies.entries()) {
    const flow = { tableId: 0, priority, match: {}, instructions: [], cookie };
    peer.flows.set(flowKey(flow), flow);
  }
  const [answers, orders] = [new PassThrough(), new PassThrough()];
  orders.on('data', (bytes: Uint8Array) => {
    for (const answer of peer.receive(bytes)) answers.write(answer);
  });
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const socket = Duplex.from({ readable: answers, writable: orders });
  const silent = { port: () => undefined, closed: () => undefined };
  const channel = new OpenFlowChannel(socket, new TurnedClock(), { ready: () => resolve(), ...silent });
  answers.write(peer.hello());
  await ready;
  assert.is(await channel.countFlows(), 3);
  channel.close('the test ends');
});

test.run();
