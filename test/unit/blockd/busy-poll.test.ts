// When a client's next request is looked for, and when the thread goes to sleep instead.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BusyPoll } from '../../../blockd/nbd/busy-poll.ts';

/** A client that asks so long after each reply; each look takes a microsecond. */
class Client {
  nowMs = 1_000;
  looks = 0;
  readonly #poll = new BusyPoll(() => this.nowMs);

  /** Woken, then request after request as long as they are found: how many there were. */
  turn(gapMs: number, requestsMax = 100): number {
    this.nowMs += gapMs;
    this.#poll.woken();
    for (let requests = 1; ; requests++) {
      const nextMs = requests < requestsMax ? this.nowMs + gapMs : Number.POSITIVE_INFINITY;
      if (this.#poll.next(() => this.#look(nextMs)) === 0) return requests;
    }
  }

  #look(nextMs: number): number {
    this.looks++;
    this.nowMs += 0.001;
    return this.nowMs >= nextMs ? 1 : 0;
  }
}

function quickClient(): Client {
  const client = new Client();
  for (let turn = 0; turn < 8; turn++) client.turn(0.02, 1);
  client.looks = 0;
  return client;
}

test('a client is not waited for before it has asked again at once several times', () => {
  const client = new Client();
  client.turn(0.02);
  for (let turn = 1; turn < 8; turn++) assert.is(client.turn(0.02), 1);
  assert.is(client.looks, 0);
  assert.ok(client.turn(0.02) > 1);
});

test('a turn ends after a quarter of a millisecond, however quick the client is, and the next one goes on', () => {
  const client = quickClient();
  const startMs = client.nowMs;
  const requests = client.turn(0.02);
  assert.ok(requests > 10 && requests < 14, `${requests} requests`);
  assert.ok(client.nowMs - startMs < 0.3, `${client.nowMs - startMs} ms`);
  assert.ok(client.turn(0.02) > 10);
});

test('a client that has stopped asking is looked for once, and then the thread sleeps', () => {
  const client = quickClient();
  assert.is(client.turn(0.02, 1), 1);
  assert.ok(client.looks > 30 && client.looks < 90, `${client.looks} looks`);
  client.looks = 0;
  for (let turn = 0; turn < 7; turn++) client.turn(0.02, 1);
  assert.is(client.looks, 0, 'it has to be quick several times again');
});

test('a slow client is never waited for', () => {
  const client = new Client();
  for (let turn = 0; turn < 50; turn++) assert.is(client.turn(0.2), 1);
  assert.is(client.looks, 0);
});

test.run();
