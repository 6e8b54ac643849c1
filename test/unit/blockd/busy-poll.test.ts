// When a client's next request is looked for, and when the thread goes to sleep instead.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AskingClients, BusyPoll } from '../../../blockd/nbd/busy-poll.ts';

/** A client that asks so long after each reply; each look takes a microsecond. */
class Client {
  nowMs = 1_000;
  looks = 0;
  readonly #poll: BusyPoll;

  /** It has been alone among the clients for long. */
  constructor(clients = new AskingClients()) {
    this.#poll = new BusyPoll(clients, () => this.nowMs);
    clients.asks(this.#poll, 0, false);
  }

  /** Woken, then request after request as long as they are found: how many there were. */
  turn(gapMs: number, requestsMax = 100): number {
    this.nowMs += gapMs;
    this.#poll.woken();
    for (let requests = 1; ; requests++) {
      const nextMs = requests < requestsMax ? this.nowMs + gapMs : Number.POSITIVE_INFINITY;
      this.#poll.replied();
      const none = (): boolean => false;
      if (this.#poll.next(() => this.#look(nextMs), none) === 0) return requests;
    }
  }

  /** One request that the disk needs so long for, and then is asked again at once if the reply left in time. */
  diskTurn(diskMs: number, gapMs = 0.02): boolean {
    this.nowMs += gapMs;
    this.#poll.woken();
    const landMs = this.nowMs + diskMs;
    let isLanded = false;
    const look = (): number => {
      const found = this.#look(landMs + gapMs);
      if (!isLanded && this.nowMs >= landMs) {
        isLanded = true;
        this.#poll.replied();
      }
      return found;
    };
    const isFound = this.#poll.next(look, () => !isLanded) > 0;
    this.nowMs = Math.max(this.nowMs, landMs);
    this.#poll.replied();
    return isFound;
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

test('a disk that answers soon is waited for, and then the next request', () => {
  const client = quickClient();
  for (let turn = 0; turn < 5; turn++) assert.ok(client.diskTurn(0.1));
});

test('a disk that was waited for in vain is not waited for again for many requests', () => {
  const client = quickClient();
  assert.not(client.diskTurn(0.2));
  assert.ok(client.looks > 100 && client.looks < 140, `${client.looks} looks`);
  client.looks = 0;
  for (let turn = 0; turn < 70; turn++) assert.not(client.diskTurn(0.05));
  assert.is(client.looks, 0);
  for (let turn = 0; turn < 3; turn++) client.diskTurn(0.05);
  assert.ok(client.diskTurn(0.05), 'it is given another chance');
});

test('a disk that was in time more often than not is waited for again after it was late', () => {
  const client = quickClient();
  for (let turn = 0; turn < 5; turn++) client.diskTurn(0.05);
  assert.not(client.diskTurn(0.2));
  assert.not(client.diskTurn(0.2));
  for (let turn = 0; turn < 3; turn++) assert.ok(client.diskTurn(0.05));
  for (let turn = 0; turn < 3; turn++) client.diskTurn(0.2);
  assert.not(client.diskTurn(0.05), 'late too often');
});

test('a slow client is never waited for', () => {
  const client = new Client();
  for (let turn = 0; turn < 50; turn++) assert.is(client.turn(0.2), 1);
  assert.is(client.looks, 0);
});

test('nobody is waited for while another client asks too, and again soon after that one has stopped', () => {
  const clients = new AskingClients();
  const other = new BusyPoll(clients, () => client.nowMs);
  const client = new Client(clients);
  for (let turn = 0; turn < 50; turn++) {
    other.woken();
    assert.is(client.turn(0.02, 100), 1);
  }
  assert.is(client.looks, 0);
  for (let turn = 0; turn < 90; turn++) assert.is(client.turn(0.02, 100), 1, `turn ${turn}`);
  client.nowMs += 0.2;
  for (let turn = 0; turn < 8; turn++) client.turn(0.02, 1);
  assert.ok(client.turn(0.02, 100) > 1);
});

test('who reads the disk is told of clients that do not, for a moment after they have asked', () => {
  const clients = new AskingClients();
  let nowMs = 1_000;
  const [reader, other] = [new BusyPoll(clients, () => nowMs), new BusyPoll(clients, () => nowMs)];
  other.woken(true);
  reader.woken(true);
  assert.is(reader.others, 'some', 'two readers of the disk leave one another alone');
  other.woken(false);
  nowMs += 1;
  reader.woken(true);
  assert.is(reader.others, 'quick');
  other.woken(false);
  assert.is(other.others, 'some', 'its own requests are not those of others');
  nowMs += 1.5;
  reader.woken(true);
  assert.is(reader.others, 'quick');
  nowMs += 1;
  reader.woken(true);
  assert.is(reader.others, 'some', 'it has not asked for a while');
  nowMs += 1.5;
  reader.woken(true);
  assert.is(reader.others, 'none');
});

test.run();
