// Bytes on the wire are counted by the other node and by their cause, and add up over layers.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sumOfTraffic, Traffic } from '../../../blockd/peer/traffic.ts';

function counted(): Traffic {
  const traffic = new Traffic();
  traffic.meter('b', 'demand').bytesIn += 100;
  traffic.meter('b', 'demand').bytesOut += 7;
  traffic.meter('b', 'table').bytesIn += 1_000;
  traffic.meter('c', 'demand').bytesIn += 30;
  return traffic;
}

test('one meter per node and cause, and entries apart from blocks', () => {
  const traffic = counted();
  assert.equal(traffic.meters, [
    { peer: 'b', cause: 'demand', bytesIn: 100, bytesOut: 7 },
    { peer: 'b', cause: 'table', bytesIn: 1_000, bytesOut: 0 },
    { peer: 'c', cause: 'demand', bytesIn: 30, bytesOut: 0 },
  ]);
  assert.equal(traffic.sum(false), { bytesIn: 130, bytesOut: 7 });
  assert.equal(traffic.sum(true), { bytesIn: 1_000, bytesOut: 0 });
});

test('layers add up meter by meter, and stay what they are', () => {
  const one = counted();
  const sum = sumOfTraffic([one, counted()]);
  assert.is(sum.meter('b', 'demand').bytesIn, 200);
  assert.is(sum.meter('c', 'demand').bytesIn, 60);
  assert.is(one.meter('b', 'demand').bytesIn, 100);
});

test.run();
