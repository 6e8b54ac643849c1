// Bugs to plant in security groups, and in what goes with a guest of its connections (SOUNDNESS C5). Not a test itself.
import type { Mutant } from './mutant-run.ts';

const JUDGED = 'unit/sdnd/security/judged';
const CONNECTIONS = 'unit/sdnd/security/connections';
const RULES = 'unit/sdnd/security/rules';

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
    name: 'a group lets in all of its network once it has a member anywhere',
    room: 'sdnd/security/member-flows.ts',
    find: 'groups.membersOf(name).flatMap((member) => guests.get(member)?.binding ?? [])',
    replace: 'groups.membersOf(name).flatMap(() => [...guests.values()].map(({ binding }) => binding))',
    by: JUDGED,
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
    room: 'common/security-rules.ts',
    find: '&& !/[.%]/.test(address)',
    replace: "&& address !== ''",
    by: RULES,
  },
];
