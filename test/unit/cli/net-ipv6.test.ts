// What `supercloud net ipv6` prints: a line for the prefix, one for each subnet, and who has which address.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeIpv6 } from '../../../cli/commands/net-ipv6.ts';

test('the prefix, the parts of the subnets with their routers, and the VMs', () => {
  const view = {
    prefix: 'fd12:3456:789a::/48',
    mode: 'self-made' as const,
    subnets: [{ subnet: '10.88.0.0/24', prefix: 'fd12:3456:789a::/64', router: 'fd12:3456:789a::1' }],
    addresses: [{ owner: 'web', ip: '10.88.0.10', ipv6: 'fd12:3456:789a::88:ff:fe00:a' }],
  };
  const [prefix, subnet, space, titles, ...rows] = describeIpv6(view).split('\n');
  assert.equal(
    [prefix, subnet, space],
    [
      'prefix fd12:3456:789a::/48, addresses formed by the guests (SLAAC)',
      '10.88.0.0/24  fd12:3456:789a::/64  router fd12:3456:789a::1',
      '',
    ],
  );
  assert.match(titles ?? '', /VM +IPV4 +IPV6/);
  assert.match(rows.join('\n'), /web +10\.88\.0\.10 +fd12:3456:789a::88:ff:fe00:a/);
  assert.is(describeIpv6({ ...view, addresses: [] }).split('\n').length, 2);
  assert.match(describeIpv6({ ...view, mode: 'leased' }), /48, addresses leased to the guests \(DHCPv6\)\n/);
});

test('without a prefix it says what gives one', () => {
  assert.match(describeIpv6({ prefix: null, mode: 'self-made', subnets: [], addresses: [] }), /net ipv6 set/);
});

test.run();
