// The security groups of the cluster: kept here, told to the overlay's controller, all of them, after each change and whenever
// it may have forgotten. A group that a rule or a VM needs does not go.
import { prefixText } from '../../common/addresses/address-prefix.ts';
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import { checkMemberships, checkRule, groupsFull, groupUnknown } from '../../common/security-rules.ts';
import type { sdndContract } from '../../wire/contracts/sdnd.ts';
import {
  GROUP_MEMBERS_MAX,
  GROUP_RULES_MAX,
  GROUPS_MAX,
  type groupCalls,
  type SecurityGroup,
  type SecurityRule,
} from '../../wire/contracts/security-groups.ts';
import type { Calls, Cluster } from '../cluster.ts';
import type { State } from '../state.ts';
import { Turn } from '../turn.ts';
import { tellKept } from './kept-change.ts';

/** It is always there; nobody is in it unasked. */
const DEFAULT = 'default';
const ETHERTYPES = ['IPv4', 'IPv6'] as const;

export class SecurityGroups {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #turn = new Turn();

  constructor({ state, cluster }: { state: State; cluster: Cluster }) {
    this.#state = state;
    this.#cluster = cluster;
  }

  /** The operator's calls; each that changes something may end with OVERLAY_UNTOLD. */
  handlers(): Handlers<{ readonly service: string; readonly methods: typeof groupCalls }> {
    return {
      'group.list': () => ({ groups: this.all() }),
      'group.create': ({ group }) => this.create(group),
      'group.delete': async ({ group }) => {
        await this.delete(group);
        return {};
      },
      'group.allow': ({ group, rule }) => this.allow(group, rule),
      'group.revoke': ({ group, rule }) => this.revoke(group, rule),
      'group.assign': ({ group, vms }) => this.assign(group, vms),
      'group.unassign': ({ group, vms }) => this.unassign(group, vms),
    };
  }

  /** By name. */
  all(): SecurityGroup[] {
    const kept = this.#state.all('groups');
    const groups = kept.some(({ name }) => name === DEFAULT) ? kept : [...kept, defaultGroup()];
    return groups.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Lets its members open every connection and take none. @throws OperationError GROUP_EXISTS, GROUPS_FULL */
  create(name: string): Promise<SecurityGroup> {
    return this.#change(() => {
      const groups = this.all();
      if (groups.some((group) => group.name === name))
        throw new OperationError('GROUP_EXISTS', `there is a security group ${name} already`, {
          remedy: 'choose another name, or change that one: net group allow',
        });
      if (groups.length >= GROUPS_MAX) throw groupsFull(`${GROUPS_MAX} security groups`);
      return { name, rules: ETHERTYPES.map(anyEgress), members: [] };
    });
  }

  /** @throws OperationError GROUP_UNKNOWN, GROUP_IN_USE */
  async delete(name: string): Promise<void> {
    await this.#turn.take(async () => {
      const { members } = this.#group(name);
      const others = this.all().filter((group) => group.name !== name);
      const user = others.find((group) => group.rules.some(({ remoteGroup }) => remoteGroup === name));
      if (name === DEFAULT) throw inUse(name, ['it is always there', `take its rules away: net group revoke ${name}`]);
      if (members.length > 0)
        throw inUse(name, [`${members.join(', ')} is in it`, `net group unassign ${name} ${members.join(' ')}`]);
      if (user !== undefined)
        throw inUse(name, [`a rule of ${user.name} names it`, `take that rule away: net group revoke ${user.name}`]);
      await this.#state.remove('groups', name);
      await tellKept(`security group ${name} is deleted`, () => this.tell());
    });
  }

  /** The same rule again is nothing. @throws OperationError GROUP_UNKNOWN, RULE_BAD, GROUPS_FULL */
  allow(name: string, rule: SecurityRule): Promise<SecurityGroup> {
    return this.#change(() => {
      const group = this.#group(name);
      checkRule(rule, new Set(this.all().map((one) => one.name)));
      if (group.rules.some((one) => isSame(one, rule))) return group;
      if (group.rules.length >= GROUP_RULES_MAX) throw groupsFull(`${GROUP_RULES_MAX} rules in ${name}`);
      return { ...group, rules: [...group.rules, plain(rule)] };
    });
  }

  /** @throws OperationError GROUP_UNKNOWN, RULE_UNKNOWN */
  revoke(name: string, rule: SecurityRule): Promise<SecurityGroup> {
    return this.#change(() => {
      const group = this.#group(name);
      const rules = group.rules.filter((one) => !isSame(one, rule));
      if (rules.length === group.rules.length)
        throw new OperationError('RULE_UNKNOWN', `security group ${name} has no such rule`, {
          remedy: 'see its rules: net group list',
        });
      return { ...group, rules };
    });
  }

  /** VMs by name, whether they exist yet or not. @throws OperationError GROUP_UNKNOWN, GROUPS_FULL */
  assign(name: string, vms: readonly string[]): Promise<SecurityGroup> {
    return this.#change(() => {
      const group = this.#group(name);
      const members = [...new Set([...group.members, ...vms])].sort();
      if (members.length > GROUP_MEMBERS_MAX) throw groupsFull(`${GROUP_MEMBERS_MAX} members in ${name}`);
      const others = this.all().filter((one) => one.name !== name);
      // What was kept before there was a limit stays, but does not grow.
      if (members.length > group.members.length) checkMemberships([...others, { members }]);
      return { ...group, members };
    });
  }

  /** @throws OperationError GROUP_UNKNOWN */
  unassign(name: string, vms: readonly string[]): Promise<SecurityGroup> {
    return this.#change(() => {
      const group = this.#group(name);
      return { ...group, members: group.members.filter((member) => !vms.includes(member)) };
    });
  }

  /** Tells the overlay's controller all of them. */
  async tell(sdnd: Calls<typeof sdndContract> = this.#cluster.controller.sdnd): Promise<void> {
    await sdnd.call('groups.set', { groups: this.all() });
  }

  #change(make: () => SecurityGroup): Promise<SecurityGroup> {
    return this.#turn.take(async () => {
      const group = make();
      await this.#state.put('groups', group.name, group);
      await tellKept(`security group ${group.name} is kept`, () => this.tell());
      return group;
    });
  }

  #group(name: string): SecurityGroup {
    const found = this.all().find((group) => group.name === name);
    if (found === undefined) throw groupUnknown(name);
    return found;
  }
}

/** Every connection out, and those of each other in. */
function defaultGroup(): SecurityGroup {
  const inside = (ethertype: SecurityRule['ethertype']): SecurityRule => {
    return { direction: 'ingress', ethertype, protocol: 'any', remoteGroup: DEFAULT };
  };
  return { name: DEFAULT, rules: [...ETHERTYPES.map(anyEgress), ...ETHERTYPES.map(inside)], members: [] };
}

function anyEgress(ethertype: SecurityRule['ethertype']): SecurityRule {
  return { direction: 'egress', ethertype, protocol: 'any' };
}

function isSame(one: SecurityRule, other: SecurityRule): boolean {
  return keyOf(one) === keyOf(other);
}

/** With the one text of its prefix. */
function plain({ remotePrefix, ...rule }: SecurityRule): SecurityRule {
  return remotePrefix === undefined ? rule : { ...rule, remotePrefix: prefixText(remotePrefix, rule.ethertype) };
}

function keyOf(rule: SecurityRule): string {
  const { direction, ethertype, protocol, ports, remotePrefix, remoteGroup } = plain(rule);
  return [direction, ethertype, protocol, ports?.first, ports?.last, remotePrefix, remoteGroup].join(' ');
}

function inUse(name: string, [why, remedy]: readonly [string, string]): OperationError {
  return new OperationError('GROUP_IN_USE', `security group ${name} cannot go: ${why}`, { remedy });
}
