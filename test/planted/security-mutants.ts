// Bugs to plant in security groups, and in what goes with a guest of its connections (SOUNDNESS C5). Not a test itself.
import type { Mutant } from './mutant-run.ts';

const JUDGED = 'unit/sdnd/security/judged';
const CONNECTIONS = 'unit/sdnd/security/connections';
const RULES = 'unit/sdnd/security/rules';
const NAMED = 'unit/sdnd/security/named-groups';
const ROUNDS = 'unit/sdnd/flow-rounds';

export const SECURITY_MUTANTS: readonly Mutant[] = [
  {
    name: 'whoever calls a member is let in',
    room: 'sdnd/security/policy-flows.ts',
    find: 'judged({ ctState: NEW, ...allowed }, applyActions(remember()), goOn),',
    replace: 'judged({ ctState: NEW }, applyActions(remember()), goOn),',
    and: [
      {
        room: 'sdnd/security/policy-flows.ts',
        find: 'judged({ ctState: NEW, ...answers }, applyActions(remember(TURNED)), goOn),',
        replace: '',
      },
    ],
    by: JUDGED,
  },
  {
    name: 'a connection outlasts the rule that allowed it',
    room: 'sdnd/security/policy-flows.ts',
    find: 'judged({ ctState: ONWARD, ctMark: 0, ...allowed }, goOn),',
    replace: 'judged({ ctState: ONWARD, ctMark: 0 }, goOn),',
    by: JUDGED,
  },
  {
    name: 'answers need a rule',
    room: 'sdnd/security/policy-flows.ts',
    find: 'judged({ ctState: BACK, ctMark: 0 }, goOn),',
    replace: 'judged({ ctState: BACK, ctMark: 0, ...allowed }, goOn),',
    by: JUDGED,
  },
  {
    name: 'a connection that came with its guest is remembered the wrong way round',
    room: 'sdnd/security/policy-flows.ts',
    find: 'applyActions(remember(TURNED))',
    replace: 'applyActions(remember())',
    by: JUDGED,
  },
  {
    name: 'answers on connections that came with their guest are taken for ever',
    room: 'sdnd/security/policy-flows.ts',
    find: 'return { ...flow, hardTimeoutSec: CARRIED_SEC };',
    replace: 'return flow;',
    by: JUDGED,
  },
  {
    name: 'a member of a group is one in every network',
    room: 'sdnd/security/policy-flows.ts',
    find: 'return row(cookie, far, Priority.normal, { reg2: tenant, ...match }, act(...looks, lookAt(table)));',
    replace:
      'return row(cookie, far, Priority.normal, { ...(tenant < 0 ? { reg2: tenant } : {}), ...match }, act(...looks, lookAt(table)));',
    by: JUDGED,
  },
  {
    name: 'what a rule that names a group allows is judged as if nothing did',
    room: 'sdnd/security/policy-flows.ts',
    find: 'row(cookie, groups, Priority.own, { [verdict]: Verdict.allowed }, onward),',
    replace: '...(verdict === undefined ? onward : []).map(() => row(cookie, groups, Priority.own, {}, onward)),',
    by: JUDGED,
  },
  {
    name: 'who is in two groups is let in by the rules of the last alone',
    room: 'sdnd/security/policy-flows.ts',
    find: "[setField('reg7', reg7), setField('reg8', reg8), lookAt(named)]);",
    replace: "[setField('reg7', reg7), setField('reg8', reg8)]);\n  looks.push(lookAt(named));",
    by: NAMED,
  },
  {
    name: 'a switch knows the members of all groups, whether a rule there names them or not',
    room: 'sdnd/security/named-groups.ts',
    find: 'return own.flatMap(({ name }) => (names.has(name) ? [name] : [])).sort();',
    replace: 'return own.flatMap(({ name }) => (names.size > 0 ? [name] : [])).sort();',
    by: NAMED,
  },
  {
    name: 'a switch does not hear that a member of a group that its rules name has come or gone',
    room: 'sdnd/forwarding/scene.ts',
    find: 'if (!isSameNamed && this.#saidOf(fresh.tenant, owner) !== before.#saidOf(fresh.tenant, owner)) return true;',
    replace: '',
    by: 'unit/sdnd/scene',
  },
  {
    name: "a group's rules and members are changed in one round, in whatever order",
    room: 'sdnd/controller/flow-rounds.ts',
    find: 'if (early.length + late.length === 0) return [diff];',
    replace: 'if (early.length + late.length >= 0) return [diff];',
    by: ROUNDS,
  },
  {
    name: 'a rule comes while who was in its group goes',
    room: 'sdnd/controller/flow-rounds.ts',
    find: ' || (members.go.has(group) && rules.come.has(group));',
    replace: ';',
    by: ROUNDS,
  },
  {
    name: 'the next round is sent before the last is confirmed',
    room: 'sdnd/controller/switch-reconciler.ts',
    find: 'for (const round of flowRounds(plan, installed)) {',
    replace: 'for (const round of [plan].concat(flowRounds(plan, installed).slice(0, 0))) {',
    by: 'unit/sdnd/switch-reconciler',
  },
  {
    name: 'an address is said to be in a group before the rules that name it are there',
    room: 'sdnd/flow-diff.ts',
    find: 'return TABLE_ORDER.indexOf(b.tableId) - TABLE_ORDER.indexOf(a.tableId) ||',
    replace: 'return (TABLE_ORDER.length > 0 ? b.tableId - a.tableId : 0) ||',
    by: ROUNDS,
  },
  {
    name: 'what says in which groups a guest was is of nobody once it is gone',
    room: 'sdnd/controller/guest-past.ts',
    find: 'const ip = [arpTpa, ipv4Dst, ipv4Src]',
    replace: 'const ip = [arpTpa, ipv4Dst, ipv4Src].slice(0, 2)',
    by: 'unit/sdnd/guest-past',
  },
  {
    name: 'a first packet is an answer',
    room: 'sdnd/security/answer-match.ts',
    find: ', tcpFlags: { value: 0, mask: SYN } }',
    replace: ', ...(SYN > 0 ? {} : {}) }',
    by: CONNECTIONS,
  },
  {
    name: "a connection is another guest's",
    room: 'sdnd/security/connection-dump.ts',
    find: '|| Number(lineZone) !== zone) return;',
    replace: '|| Number(lineZone) < 0) return;',
    by: CONNECTIONS,
  },
  {
    name: 'a connection that is over goes along',
    room: 'sdnd/security/connection-dump.ts',
    find: 'if (tcpState !== undefined && OVER.has(tcpState)) return;',
    replace: '',
    by: CONNECTIONS,
  },
  {
    name: 'a connection that was remembered by an answer goes along the wrong way round',
    room: 'sdnd/security/connection-dump.ts',
    find: '?? 0) === TURNED;',
    replace: '?? 0) === TURNED + 1;',
    by: CONNECTIONS,
  },
  {
    name: 'connections of the last moment replace those that came before',
    room: 'sdnd/security/connection-carrier.ts',
    find: 'const all = [...connections, ...(overlay.connections.get(owner) ?? [])];',
    replace: 'const all = [...connections];',
    by: CONNECTIONS,
  },
  {
    name: 'connections that came with their guest are never forgotten',
    room: 'sdnd/security/connection-carrier.ts',
    find: 'overlay.setConnections(owner, []);\n      void changed();',
    replace: '',
    by: CONNECTIONS,
  },
  {
    name: 'a range of ports has one more at its end',
    room: 'sdnd/security/port-ranges.ts',
    find: 'while (at + size - 1 > last) size /= 2;',
    replace: 'while (at + size - 2 > last) size /= 2;',
    by: RULES,
  },
  {
    name: 'a rule is kept of which no flow can be made',
    room: 'common/addresses/address-prefix.ts',
    find: '&& !/[.%]/.test(address)',
    replace: "&& address !== ''",
    by: RULES,
  },
  {
    name: 'groups are kept that cannot be told in one call',
    room: 'common/security-rules.ts',
    find: 'if (count > GROUP_MEMBERSHIPS_MAX)',
    replace: 'if (count > 2 * GROUP_MEMBERSHIPS_MAX)',
    by: 'unit/orchestrator/security-groups',
  },
];
