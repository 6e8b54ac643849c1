// Rules as matches: ranges of ports and prefixes match what they say and nothing else; what is no rule is refused.
import { ipv4, type Match } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../../common/errors.ts';
import { encodeRecord } from '../../../../common/rpc/record.ts';
import { SchemaCheck } from '../../../../common/schema-check.ts';
import { checkGroups } from '../../../../common/security-rules.ts';
import { portZone } from '../../../../sdnd/pipeline.ts';
import { portMatches } from '../../../../sdnd/security/port-ranges.ts';
import { ruleMatches } from '../../../../sdnd/security/rule-matches.ts';
import {
  GROUP_MEMBERS_MAX,
  GROUP_MEMBERSHIPS_MAX,
  GROUP_RULES_MAX,
  GROUPS_MAX,
  type SecurityGroup,
  SecurityGroups,
  type SecurityRule,
} from '../../../../wire/contracts/security-groups.ts';
import { Random } from '../../openflow/random.ts';

const RANGES = 200;
const TEXTS = 5_000;
const PORT_MAX = 0xffff;
const INGRESS = { direction: 'ingress', ethertype: 'IPv4', protocol: 'any' } as const;

test('a range of ports is matched from its first to its last, and in 30 entries at the most', () => {
  const random = new Random(7);
  const ranges = Array.from({ length: RANGES }, () => {
    const [a, b] = [1 + random.below(PORT_MAX), 1 + random.below(PORT_MAX)];
    return [Math.min(a, b), Math.max(a, b)] as const;
  });
  for (const [first, last] of [...ranges, [1, PORT_MAX] as const, [1, PORT_MAX - 1] as const, [80, 80] as const]) {
    const matches = portMatches(first, last).map((one) =>
      typeof one === 'number' ? { value: one, mask: PORT_MAX } : one,
    );
    const isMatched = (port: number): boolean => matches.some(({ value, mask }) => (port & mask) === value);
    assert.ok(matches.length <= 30, `${matches.length} entries`);
    for (const port of [first, last, Math.floor((first + last) / 2)]) assert.ok(isMatched(port), `${port}`);
    for (const port of [first - 1, last + 1]) assert.not.ok(port <= PORT_MAX && isMatched(port), `${port}`);
    // Without overlap their sizes make up the range.
    const ports = matches.reduce((sum, { mask }) => sum + (PORT_MAX - mask + 1), 0);
    assert.is(ports, last - first + 1);
  }
});

test('a rule is matched by its other end and by what is called', () => {
  const matches = (rule: Partial<SecurityRule>): Match[] => ruleMatches({ ...INGRESS, ...rule });
  assert.equal(matches({}), [{ ethType: 0x0800 }]);
  assert.equal(matches({ protocol: 'icmp' }), [{ ethType: 0x0800, ipProto: 1 }]);
  assert.equal(matches({ protocol: 'icmp', ethertype: 'IPv6' }), [{ ethType: 0x86dd, ipProto: 58 }]);
  // Fragments but the first have no ports (ovs-fields(7), nw_frag).
  const near = { ethType: 0x0800, ipv4Src: { value: ipv4('10.88.0.0'), mask: 0xffff0000 }, ipProto: 17 };
  assert.equal(matches({ protocol: 'udp', ports: { first: 53, last: 53 }, remotePrefix: '10.88.1.9/16' }), [
    { ...near, udpDst: 53 },
    { ...near, ipFrag: 3 },
  ]);
  assert.equal(matches({ direction: 'egress', remotePrefix: '10.88.1.9' }), [
    { ethType: 0x0800, ipv4Dst: ipv4('10.88.1.9') },
  ]);
  assert.equal(matches({ remotePrefix: '0.0.0.0/0' }), [{ ethType: 0x0800 }]);
  const mask = ((1n << 10n) - 1n) << 118n;
  assert.equal(matches({ ethertype: 'IPv6', remotePrefix: 'fe80::1/10' }), [
    { ethType: 0x86dd, ipv6Src: { value: 0xfe80n << 112n, mask } },
  ]);
});

test('what is no rule, and two groups of one name, are refused', () => {
  const code = (...rules: Partial<SecurityRule>[]): unknown => {
    try {
      checkGroups([{ name: 'web', rules: rules.map((rule) => ({ ...INGRESS, ...rule })), members: [] }]);
      return undefined;
    } catch (error) {
      return codeOf(error);
    }
  };
  assert.is(code({}, { protocol: 'tcp', ports: { first: 1, last: 2 } }, { remoteGroup: 'web' }), undefined);
  const bad: Partial<SecurityRule>[] = [
    { ports: { first: 1, last: 2 } },
    { protocol: 'tcp', ports: { first: 2, last: 1 } },
    { remoteGroup: 'web', remotePrefix: '10.0.0.0/8' },
    ...['10.0.0.0/33', '10.0.0/8', 'fe80::/10', '10.0.0.0/8/8', ''].map((remotePrefix) => ({ remotePrefix })),
    { ethertype: 'IPv6', remotePrefix: '10.0.0.0/8' },
  ];
  for (const rule of bad) assert.is(code(rule), 'RULE_BAD', JSON.stringify(rule));
  assert.is(code({ remoteGroup: 'db' }), 'GROUP_UNKNOWN');
  const twice = { name: 'web', rules: [], members: [] };
  assert.throws(() => checkGroups([twice, twice]), /are named web/);
});

test('all groups that are taken are told in one frame, at their longest, and one member more is refused', () => {
  // Of 40 characters, as the longest names are.
  const name = (kind: string, number: number): string => `${kind}-${String(number).padStart(38, '0')}`;
  const longest: SecurityRule = {
    ...{ direction: 'ingress', ethertype: 'IPv6', protocol: 'icmp' },
    remotePrefix: `${Array(8).fill('ffff').join(':')}/128`,
  };
  const named: SecurityRule = {
    ...{ direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp' },
    ...{ ports: { first: 60_000, last: PORT_MAX }, remoteGroup: name('g', 0) },
  };
  let left = GROUP_MEMBERSHIPS_MAX;
  const groups = Array.from({ length: GROUPS_MAX }, (_, number): SecurityGroup => {
    const count = Math.min(left, GROUP_MEMBERS_MAX);
    left -= count;
    const members = Array.from({ length: count }, (_, member) => name('v', member));
    const rules = Array.from({ length: GROUP_RULES_MAX }, (_, rule) => (rule % 2 === 0 ? longest : named));
    return { name: name('g', number), rules, members };
  });
  assert.is(left, 0);
  const told = new SchemaCheck(SecurityGroups);
  assert.ok(told.accepts(groups), told.fault(groups));
  checkGroups(groups);
  const sent = encodeRecord({ kind: 'request', id: Number.MAX_SAFE_INTEGER, name: 'groups.set', params: { groups } });
  assert.ok(sent.ok, `${sent.ok || sent.lengthBytes} bytes`);
  const last = groups.at(-1);
  assert.ok(last);
  assert.throws(
    () => checkGroups([...groups.slice(0, -1), { ...last, members: [...last.members, 'one'] }]),
    (error: unknown) => codeOf(error) === 'GROUPS_FULL',
  );
});

test('of every rule that is taken flows can be made', () => {
  const random = new Random(11);
  const parts = ['10', '01', '256', '.', '.0', ':', '::', 'fe80', '%eth0', '/', '/8', '/33', '/129', '/-1', 'x'];
  const texts = Array.from({ length: TEXTS }, () =>
    Array.from({ length: 1 + random.below(9) }, () => parts[random.below(parts.length)]).join(''),
  );
  const well = ['10.0.0.0/8', '0.0.0.0/0', '10.1.2.3', '::/0', 'fe80::/10', '1:2:3:4:5:6:7::', '::1/128'];
  const odd = ['fe80::1%eth0', '::1.2.3.4/96'];
  let taken = 0;
  for (const remotePrefix of [...texts, ...odd, ...well]) {
    for (const ethertype of ['IPv4', 'IPv6'] as const) {
      const rule: SecurityRule = { ...INGRESS, ethertype, remotePrefix };
      try {
        checkGroups([{ name: 'web', rules: [rule], members: [] }]);
      } catch {
        continue;
      }
      taken += 1;
      assert.is(ruleMatches(rule).length, 1, remotePrefix);
    }
  }
  assert.ok(taken >= well.length, `${taken} were taken`);
});

test('no two ports of a switch have one zone of connections, and none has one of a way out', () => {
  const zones = [...Array(0x100).keys(), 0x1000, 0x1001, 0xfeff].map(portZone);
  assert.is(new Set(zones).size, zones.length);
  assert.ok(zones.every((zone) => zone !== undefined && zone >= 0x1000 && zone <= PORT_MAX));
  assert.is(portZone(0x100), undefined);
});

test.run();
