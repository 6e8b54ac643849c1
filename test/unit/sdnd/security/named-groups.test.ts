// Rules that name a group: entries are as many as rules and members together, and never one for each of both; a switch knows
// the members of those groups alone that are named there.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Flow } from '../../../../sdnd/flow.ts';
import { Table } from '../../../../sdnd/pipeline.ts';
import { groupNumber } from '../../../../sdnd/security/group-number.ts';
import type { SecurityRule } from '../../../../wire/contracts/security-groups.ts';
import { fromGuest, OneSwitch } from '../one-switch.ts';
import { bindingOf, ipv6Of, tablesOf, viewOf } from '../overlay-maker.ts';

const [DB, WEB, OTHER, FAR] = [
  bindingOf('g0', 'n1'),
  bindingOf('g1', 'n0'),
  bindingOf('g2', 'n0'),
  bindingOf('g3', 'n1'),
];
const VIEW = viewOf([DB, WEB, OTHER, FAR]);
const IN: SecurityRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'any' };
/** So many masks has the widest range. */
const MASKS = 30;
const WIDE = { first: 1, last: 65_534 };

function flowsOf(node: string, rules: readonly SecurityRule[], members = ['g0', 'g3']): Flow[] {
  const groups = [
    { name: 'web', rules: [...rules], members: ['g1', 'g2'] },
    { name: 'db', rules: [], members },
    { name: 'unnamed', rules: [], members: ['g0'] },
  ];
  return [...tablesOf({ ...VIEW, groups }, node).values()];
}

function inTables(flows: readonly Flow[], ...tables: readonly number[]): Flow[] {
  // Where a table is left without a match is said once for all.
  return flows.filter(({ tableId, priority }) => tables.includes(tableId) && priority > 0);
}

test('entries are a sum: the rules of each port, and each member once', () => {
  const rules = (['tcp', 'udp'] as const).map((protocol): SecurityRule => {
    return { ...IN, protocol, ports: WIDE, remoteGroup: 'db' };
  });
  const flows = flowsOf('n0', rules);
  const ports = 2;
  // Later fragments have an entry of their own.
  assert.is(inTables(flows, Table.namedIn).length, ports * rules.length * (MASKS + 1));
  assert.is(inTables(flows, Table.farIn).length, 2);
  assert.is(inTables(flows, Table.farOut, Table.namedOut).length, 0);
  assert.is(inTables(flowsOf('n0', rules, ['g0']), Table.namedIn, Table.farIn).length, ports * rules.length * 31 + 1);
});

test("a member's entry has all its addresses, of the direction and the protocol that a rule says", () => {
  const addresses = (rule: Partial<SecurityRule>): unknown[] =>
    inTables(flowsOf('n0', [{ ...IN, ...rule, remoteGroup: 'db' }], ['g0']), Table.farIn, Table.farOut).map(
      ({ tableId, match: { reg2, ipv4Src, ipv4Dst, ipv6Src, ipv6Dst } }) => [
        tableId,
        reg2,
        ipv4Src ?? ipv4Dst ?? ipv6Src ?? ipv6Dst,
      ],
    );
  assert.equal(addresses({}), [[Table.farIn, 1, ipv4(DB.ip)]]);
  assert.equal(addresses({ direction: 'egress' }), [[Table.farOut, 1, ipv4(DB.ip)]]);
  const six = addresses({ ethertype: 'IPv6' });
  assert.is(six.length, 2, 'the link-local one too');
  assert.equal(six[1], [Table.farIn, 1, ipv6Of(DB)]);
});

test('a switch without a rule that names a group knows nothing of its members', () => {
  const rule: SecurityRule = { ...IN, remoteGroup: 'db' };
  assert.equal(inTables(flowsOf('n1', [rule]), Table.farIn, Table.farOut), []);
  assert.equal(inTables(flowsOf('n0', [IN]), Table.farIn, Table.farOut), []);
});

test('of two groups each one lets in by its own rules alone, also who is in both', () => {
  const from = (remoteGroup: string, port: number): SecurityRule => {
    return { ...IN, protocol: 'tcp', ports: { first: port, last: port }, remoteGroup };
  };
  const near = viewOf([bindingOf('g0', 'n0'), WEB, OTHER]);
  const calls = (one: OneSwitch, who: string): number[] =>
    [22, 80, 443].filter((port) => {
      const guest = bindingOf(who, 'n0');
      return one.opens(fromGuest(guest, 40_000 + port, WEB.mac, { ip: WEB.ip, port })).length > 0;
    });
  const policy = (admin: string[], db: string[]) => [
    {
      name: 'web',
      rules: [from('admin', 22), from('db', 80), { ...from('db', 443), remoteGroup: 'none' }],
      members: ['g1'],
    },
    { name: 'admin', rules: [{ ...IN, direction: 'egress' as const }], members: admin },
    { name: 'db', rules: [{ ...IN, direction: 'egress' as const }], members: db },
  ];
  const one = new OneSwitch('n0', { ...near, groups: policy(['g0'], ['g0', 'g2']) });
  assert.equal([calls(one, 'g0'), calls(one, 'g2')], [[22, 80], [80]]);
  one.update({ ...near, groups: policy(['g2'], ['g0']) });
  assert.equal([calls(one, 'g0'), calls(one, 'g2')], [[80], [22]]);
});

test('a group has one number, and others have others', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `group-${index}`);
  const numbers = names.map(groupNumber).map(({ reg7, reg8 }) => `${reg7} ${reg8}`);
  assert.is(new Set(numbers).size, names.length);
  // The first eight bytes of SHA-256 of "web"; every controller must say the same.
  assert.equal(groupNumber('web'), { reg7: 0x4b5e57f6, reg8: 0xeb2f42b9 });
});

test.run();
