// Which addresses are a guest's to have.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { checkInNetwork, guestNetwork } from '../../../orchestrator/guest-network.ts';

const networks = suite("guests' network");

function refusal(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

networks('the services have its first address', () => {
  const subnets = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }];
  assert.equal(guestNetwork(), { tenant: 1, name: 'main', subnets });
  const small = guestNetwork({ name: 'shop', subnet: '192.168.7.248/29' });
  assert.equal(small.subnets, [{ subnet: '192.168.7.248', bits: 29, services: '192.168.7.249' }]);
});

networks('what is no subnet is refused', () => {
  for (const subnet of [
    '10.88.0.0',
    '10.88.0.1/24',
    '10.88.0.0/30',
    '10.88.0.0/7',
    '10.88.0/24',
    '300.0.0.0/24',
    '10.88.0.0/2x',
  ]) {
    assert.is(
      refusal(() => guestNetwork({ name: 'main', subnet })),
      'NETWORK_BAD',
      subnet,
    );
  }
});

networks('it may have several subnets, of which no two share an address', () => {
  const more = (...moreSubnets: string[]) => guestNetwork({ name: 'main', subnet: '10.88.4.0/22', moreSubnets });
  const plan = more('10.88.8.0/24', '10.87.0.0/16');
  assert.equal(
    plan.subnets.map(({ services, bits }) => `${services}/${bits}`),
    ['10.88.4.1/22', '10.88.8.1/24', '10.87.0.1/16'],
  );
  for (const ip of ['10.88.8.2', '10.87.255.254', '10.88.4.2']) checkInNetwork(plan, ip);
  for (const ip of ['10.88.8.255', '10.87.0.1'])
    assert.is(
      refusal(() => checkInNetwork(plan, ip)),
      'ADDRESS_RESERVED',
      ip,
    );
  assert.is(
    refusal(() => checkInNetwork(plan, '10.88.9.1')),
    'ADDRESS_OUTSIDE',
  );
  for (const subnet of ['10.88.7.0/24', '10.0.0.0/8', '10.88.4.0/22'])
    assert.is(
      refusal(() => more(subnet)),
      'NETWORK_BAD',
      subnet,
    );
});

networks('the address by which it is seen outside is none of its own', () => {
  const out = (address: string) => ({ node: 'gamma', port: 'outside0', address, nextHop: '02:99:00:00:00:01' });
  const plan = (address: string) => guestNetwork({ name: 'main', subnet: '10.88.0.0/24', egress: out(address) });
  assert.equal(plan('198.51.100.7').egress, out('198.51.100.7'));
  for (const address of ['10.88.0.7', '198.51.100.256'])
    assert.is(
      refusal(() => plan(address)),
      'NETWORK_BAD',
    );
});

networks('a port of that address leads to one guest alone', () => {
  const egress = { node: 'gamma', port: 'outside0', address: '198.51.100.7', nextHop: '02:99:00:00:00:01' };
  const forward = (protocol: 'tcp' | 'udp', port: number) => ({ protocol, port, to: '10.88.0.7', toPort: 80 });
  const plan = (forwards: ReturnType<typeof forward>[]) =>
    guestNetwork({ name: 'main', subnet: '10.88.0.0/24', egress: { ...egress, forwards } });
  plan([forward('tcp', 80), forward('udp', 80), forward('tcp', 81)]);
  assert.is(
    refusal(() => plan([forward('tcp', 80), forward('udp', 80), forward('tcp', 80)])),
    'NETWORK_BAD',
  );
});

networks("its ends and the address of the services are no guest's, nor is any outside", () => {
  const plan = guestNetwork({ name: 'main', subnet: '10.88.4.0/22' });
  for (const ip of ['10.88.4.0', '10.88.7.255', '10.88.4.1']) {
    assert.is(
      refusal(() => checkInNetwork(plan, ip)),
      'ADDRESS_RESERVED',
      ip,
    );
  }
  for (const ip of ['10.88.3.255', '10.88.8.0', '9.88.4.5', '10.88.4.256']) {
    assert.is(
      refusal(() => checkInNetwork(plan, ip)),
      'ADDRESS_OUTSIDE',
      ip,
    );
  }
  for (const ip of ['10.88.4.2', '10.88.5.0', '10.88.7.254'])
    assert.is(
      refusal(() => checkInNetwork(plan, ip)),
      undefined,
    );
});

networks.run();
