// The watch over a dead peer, by a clock that the test turns: who is silent is cut off, who was only slow is not.
import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WebSocket } from 'ws';
import { RecordSocket } from '../../../common/rpc/record-socket.ts';
import { TurnedClock } from './turned-clock.ts';

class FakeWebSocket extends EventEmitter {
  pings = 0;
  bufferedAmount = 0;
  terminated = false;
  sent: Uint8Array[] = [];
  ping(): void {
    this.pings += 1;
  }
  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
  }
  close(): void {
    assert.not(this.terminated);
  }
  terminate(): void {
    this.terminated = true;
    this.emit('close', 1006, Buffer.alloc(0));
  }
}

function setUp() {
  const clock = new TurnedClock();
  const webSocket = new FakeWebSocket();
  const socket = { bytesRead: 100 };
  const reasons: string[] = [];
  const records = new RecordSocket(webSocket as unknown as WebSocket, socket as unknown as TLSSocket, clock, {
    record: () => undefined,
    closed: (reason) => reasons.push(reason),
  });
  return { clock, webSocket, socket, reasons, records };
}

test('a peer that stays silent is cut off after 15 to 20 s', () => {
  const { clock, webSocket, reasons } = setUp();
  clock.turn(15_000);
  assert.equal(reasons, []);
  clock.turn(5_000);
  assert.ok(webSocket.terminated);
  assert.match(reasons[0] ?? '', 'no sign of life for 15000 ms');
  clock.turn(60_000);
  assert.is(reasons.length, 1);
  assert.is(clock.timers, 0);
});

test('a byte now and then keeps a connection for ever', () => {
  const { clock, webSocket, socket } = setUp();
  for (let i = 0; i < 100; i += 1) {
    clock.turn(14_000);
    socket.bytesRead += 1;
  }
  assert.not(webSocket.terminated);
  assert.ok(webSocket.pings > 250);
});

test('waking up from a long stop is no proof that the peer is dead', () => {
  const { clock, webSocket, socket } = setUp();
  clock.jump(3_600_000);
  assert.not(webSocket.terminated);
  socket.bytesRead += 1;
  clock.turn(5_000);
  assert.not(webSocket.terminated);
});

test('a reader that is too slow is cut off', () => {
  const { webSocket, records, reasons } = setUp();
  webSocket.bufferedAmount = 17 * 1024 * 1024;
  records.send({ kind: 'cancel', id: 1 });
  assert.ok(webSocket.terminated);
  assert.match(reasons[0] ?? '', 'wait to be read');
  records.send({ kind: 'cancel', id: 1 });
  assert.is(webSocket.sent.length, 1);
});

test('a closing handshake that is not answered ends all the same', () => {
  const { clock, webSocket, records, reasons } = setUp();
  records.close(1001, 'the daemon stops');
  clock.turn(1_999);
  assert.not(webSocket.terminated);
  clock.turn(1);
  assert.ok(webSocket.terminated);
  assert.equal(reasons, ['the daemon stops']);
  assert.is(clock.timers, 0);
});

test.run();
