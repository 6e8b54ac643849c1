// IPv6 addresses as text and as numbers: both ways, in one text each, and to and from a MAC address.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ipv6Number, ipv6Words, macOfSelfMade, selfMadeAddress } from '../../../common/addresses/ipv6-address.ts';

test('an address has one text (RFC 5952, 4)', () => {
  const texts = [
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['fd00:88::', 'fd00:88::'],
    ['1::2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ] as const;
  for (const [written, text] of texts) {
    const number = ipv6Number(written);
    assert.is(number === undefined ? undefined : ipv6Words(number), text);
    assert.is(ipv6Number(text), number);
  }
  assert.is(ipv6Number('fd00::1'), (0xfd00n << 112n) | 1n);
});

test('what is no address is none', () => {
  const none = [
    '',
    '1',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    ':1::',
    '1:',
    '::1.2.3.4',
  ];
  for (const text of [...none, 'fe80::1%eth0', '02:88:00:00:00:0a']) assert.is(ipv6Number(text), undefined, text);
});

test('the address that a host forms by itself is the one of RFC 2464, and says whose it is', () => {
  const mac = '34:56:78:9a:bc:de';
  const address = selfMadeAddress(ipv6Number('fd00:88::ffff') ?? 0n, mac);
  assert.is(ipv6Words(address), 'fd00:88::3656:78ff:fe9a:bcde');
  assert.is(macOfSelfMade(address), mac);
  assert.is(macOfSelfMade(selfMadeAddress(0n, '02:00:00:00:00:01')), '02:00:00:00:00:01');
});

test.run();
