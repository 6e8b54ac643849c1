// `net group` as it is typed and as it is shown.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calledOf } from '../../../cli/commands/group.ts';
import { describeGroups, describeMissing } from '../../../cli/group-text.ts';

test('what is called is a protocol, and of TCP and UDP ports', () => {
  assert.equal(calledOf('any'), { protocol: 'any' });
  assert.equal(calledOf('tcp'), { protocol: 'tcp' });
  assert.equal(calledOf('tcp:80'), { protocol: 'tcp', ports: { first: 80, last: 80 } });
  assert.equal(calledOf('udp:5000-5010'), { protocol: 'udp', ports: { first: 5000, last: 5010 } });
  for (const text of ['', 'sctp', 'tcp:', 'tcp:0', 'tcp:80-79', 'tcp:65536', 'icmp:8', 'any:1', 'tcp:80,81'])
    assert.throws(() => calledOf(text), /none of|have ports|no ports/, text);
});

test('a group is shown with who is in it, and each rule in words', () => {
  const text = describeGroups([
    {
      name: 'web',
      members: ['vm1', 'vm2'],
      rules: [
        { direction: 'egress', ethertype: 'IPv4', protocol: 'any' },
        { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', ports: { first: 80, last: 81 }, remoteGroup: 'lb' },
        { direction: 'ingress', ethertype: 'IPv6', protocol: 'icmp', remotePrefix: 'fe80::/10' },
      ],
    },
    { name: 'locked', members: [], rules: [] },
  ]);
  assert.equal(text.split('\n'), [
    'web: vm1, vm2',
    '  egress any IPv4 to anybody',
    '  ingress tcp:80-81 IPv4 from group lb',
    '  ingress icmp IPv6 from fe80::/10',
    'locked: nobody',
    '  nothing is allowed',
  ]);
});

test('who is put into a group and does not exist yet is named', () => {
  assert.equal(describeMissing(['web']), ['there is no VM web yet; the group is its own as soon as it is made']);
  assert.equal(describeMissing([]), []);
});

test.run();
