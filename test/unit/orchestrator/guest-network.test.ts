// Which addresses are a guest's to have.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { checkEgress, checkInNetwork, guestNetwork } from '../../../orchestrator/network/guest-network.ts';

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

const NETWORK = guestNetwork({ name: 'main', subnet: '10.88.0.0/24' });

networks('the address by which it is seen outside is none of its own', () => {
  checkEgress(NETWORK, { address: '198.51.100.7', forwards: [] });
  for (const address of ['10.88.0.7', '198.51.100.256'])
    assert.is(
      refusal(() => checkEgress(NETWORK, { address, forwards: [] })),
      'NETWORK_BAD',
    );
});

networks('a port of that address leads to one guest alone, of the network', () => {
  const forward = (protocol: 'tcp' | 'udp', port: number, to = '10.88.0.7') => ({ protocol, port, to, toPort: 80 });
  const check = (...forwards: ReturnType<typeof forward>[]) =>
    checkEgress(NETWORK, { address: '198.51.100.7', forwards });
  check(forward('tcp', 80), forward('udp', 80), forward('tcp', 81));
  assert.is(
    refusal(() => check(forward('tcp', 80), forward('udp', 80), forward('tcp', 80))),
    'NETWORK_BAD',
  );
  assert.is(
    refusal(() => check(forward('tcp', 80, '10.89.0.7'))),
    'ADDRESS_OUTSIDE',
  );
  assert.is(
    refusal(() => check(forward('tcp', 80, '10.88.0.1'))),
    'ADDRESS_RESERVED',
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
