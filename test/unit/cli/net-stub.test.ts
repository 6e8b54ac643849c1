// Which words `supercloud net stub` takes for ports and resources, and what it prints; and how `vm show` says what a VM asks for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeStubs, portOf, stubTarget, targetOf } from '../../../cli/commands/net-stub.ts';
import { describeWait } from '../../../cli/commands/vm.ts';

test('a port is of TCP unless said otherwise', () => {
  assert.equal(portOf('udp:53'), { protocol: 'udp', port: 53 });
  assert.equal(portOf('5432'), { protocol: 'tcp', port: 5432 });
  for (const word of ['', 'tcp:', '0', '65536', 'sctp:80', 'tcp:80:81', '80a'])
    assert.throws(() => portOf(word), /is no port/, word);
});

test('a resource is an address, and a port where that is another one', () => {
  const address = '10.88.0.200';
  const to = '203.0.113.10';
  assert.equal(stubTarget(address, undefined, targetOf(to)), { address, to });
  const service = { protocol: 'tcp', port: 5432 } as const;
  assert.equal(stubTarget(address, service, targetOf(to)), { address, to, service: { ...service, toPort: 5432 } });
  assert.equal(stubTarget(address, service, targetOf(`${to}:5433`)).service?.toPort, 5433);
  assert.throws(() => stubTarget(address, undefined, targetOf(`${to}:5433`)), /leads from no port/);
  for (const word of ['', 'orders', `${to}:`, `${to}:0`, `${to}:70000`])
    assert.throws(() => targetOf(word), /is no address/, word);
});

test('a line for each stub, and what is wrong with one', () => {
  const stub = { name: 'store', address: '10.88.0.201', to: '203.0.113.10', place: 'gamma', policy: 'tell' } as const;
  const service = { protocol: 'tcp', port: 5432, toPort: 5433 } as const;
  const home = { ...stub, name: 'orders', service, place: 'home', policy: 'move' } as const;
  const text = describeStubs([
    { ...home, nodes: ['gamma', 'gate'], trouble: '' },
    { ...stub, nodes: ['gamma'], trouble: 'it is away' },
  ]);
  const lines = text.split('\n').map((line) => line.trim().split(/ {2,}/));
  assert.equal(lines.slice(1), [
    ['orders', 'tcp 10.88.0.201:5432', '203.0.113.10:5433', 'home (gamma, gate)', 'is moved there'],
    ['store', '10.88.0.201', '203.0.113.10', 'gamma', 'is told of'],
    ['store: it is away'],
  ]);
  assert.is(describeStubs([]), 'no address stands for a resource');
});

test('vm show says what a VM asks for, and what becomes of it', () => {
  const event = {
    vm: 'web',
    node: 'alpha',
    place: 'gamma',
    stub: 'orders',
    address: '10.88.0.200',
    atMs: 0,
    endedMs: null,
  };
  const asks = 'asks for stub orders (10.88.0.200), whose resource is in gamma, since 1970-01-01T00:00:00.000Z';
  assert.is(describeWait({ ...event, trouble: '' }), `${asks}: it is being moved there`);
  assert.is(describeWait({ ...event, trouble: 'no room' }), `${asks}: no room`);
});

test.run();
