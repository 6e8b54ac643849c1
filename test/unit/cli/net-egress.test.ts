// Which words `supercloud net egress` takes for a port that leads in, and what it prints.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeEgress, describeRemoved, egressCommand, forwardOf } from '../../../cli/commands/net-egress.ts';
import type { EgressView } from '../../../wire/contracts/egress.ts';

test('a port that leads in has a protocol, else tcp, and a port of its guest, else the same', () => {
  assert.equal(forwardOf('udp:53=10.88.0.20'), { protocol: 'udp', port: 53, to: '10.88.0.20', toPort: 53 });
  assert.equal(forwardOf('8080=web-1:80'), { protocol: 'tcp', port: 8080, to: 'web-1', toPort: 80 });
  for (const word of [
    '',
    'tcp:80',
    '0=web',
    '80=web:65536',
    '80=Web',
    '80=-web',
    'sctp:80=web',
    '80=web:',
    '80=10.88.0',
  ])
    assert.throws(() => forwardOf(word), /leads nowhere/, word);
});

test('none takes all of them away, and nothing said leaves them', () => {
  const parse = (...words: string[]): unknown => {
    const set = egressCommand.commands.find((one) => one.name() === 'set');
    set?.setOptionValue('forward', undefined).parseOptions(['--at', 'gamma', ...words]);
    return set?.opts().forward;
  };
  assert.is(parse(), undefined);
  assert.equal(parse('--forward', 'none'), []);
  assert.is((parse('--forward', '80=web', '--forward', '443=web') as unknown[]).length, 2);
});

test('two name servers at most, or none', () => {
  const parse = (...words: string[]): unknown => {
    const set = egressCommand.commands.find((one) => one.name() === 'set')?.exitOverride();
    set?.configureOutput({ writeErr: () => undefined });
    set?.setOptionValue('resolver', undefined).parseOptions(['--at', 'gamma', ...words]);
    return set?.opts().resolver;
  };
  const [one, two] = ['9.9.9.9', '198.51.100.53'].map((address) => ['--resolver', address] as const);
  assert.is(parse(), undefined);
  assert.equal(parse('--resolver', 'none'), []);
  assert.equal(parse(...(one ?? []), ...(two ?? [])), ['9.9.9.9', '198.51.100.53']);
  assert.throws(() => parse(...(one ?? []), ...(two ?? []), '--resolver', '1.1.1.1'), /2 name servers at most/);
  assert.throws(() => parse('--resolver', 'dns.example.com'), /is no IPv4 address/);
});

test('a line for the way out, one for each port, and the nodes that may be one', () => {
  const nodes = [
    { node: 'gamma', device: 'eth1', addresses: ['198.51.100.7', '198.51.100.8'], nextHop: '02:00:00:00:00:01' },
  ];
  const forwards = [{ protocol: 'tcp', port: 8080, to: '10.88.0.10', toPort: 80 }] as const;
  const egress = { node: 'gamma', address: '198.51.100.7', forwards: [...forwards], resolvers: ['9.9.9.9'] };
  assert.equal(describeEgress({ egress, trouble: 'it is away', nodes }).split('\n'), [
    'out  by node gamma as 198.51.100.7',
    'in   tcp 198.51.100.7:8080 to 10.88.0.10:80',
    'dns  9.9.9.9 is asked for names outside',
    'not now: it is away',
    'nodes that lead outside: gamma (eth1: 198.51.100.7, 198.51.100.8)',
  ]);
  assert.is(
    describeEgress({ egress: null, trouble: '', nodes: [] }),
    'guests reach nobody outside; no node leads outside',
  );
});

test('what leads in no more, since other ports replace those before, is said', () => {
  const view = (...ports: number[]): EgressView => {
    const forwards = ports.map((port) => ({ protocol: 'tcp' as const, port, to: '10.88.0.10', toPort: 80 }));
    return { egress: { node: 'gamma', address: '198.51.100.7', forwards }, trouble: '', nodes: [] };
  };
  assert.equal(describeRemoved(view(80, 7, 81), view(81)), ['in   no more: tcp 80, tcp 7']);
  assert.equal(describeRemoved(view(80), view(80, 81)), []);
  assert.equal(describeRemoved({ ...view(), egress: null }, view(80)), []);
});

test.run();
