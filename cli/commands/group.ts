// `supercloud net group`: security groups, and who is in them.
import { Command, InvalidArgumentError } from 'commander';
import type { SecurityGroup, SecurityRule } from '../../wire/contracts/security-groups.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import type { OrchestratorClient } from '../context.ts';
import { describeGroups, describeMissing } from '../group-text.ts';

const PORT_MAX = 0xffff;

/** What is called: a protocol, and of TCP or UDP a port or a range of them. */
type Called = Pick<SecurityRule, 'protocol' | 'ports'>;

interface RuleOptions extends CommonOptions {
  readonly remote?: string;
  readonly remoteGroup?: string;
  readonly ipv6?: true;
}

/** `tcp:8000-8079`, `udp:53`, `tcp`, `icmp`, `any`. */
export function calledOf(text: string): Called {
  const [, protocol, first, last = first] = /^(any|icmp|tcp|udp)(?::(\d+)(?:-(\d+))?)?$/.exec(text) ?? [];
  const isOf = protocol === 'any' || protocol === 'icmp' || protocol === 'tcp' || protocol === 'udp';
  if (!isOf) throw new InvalidArgumentError(`'${text}' is none of any, icmp, tcp, udp, tcp:80, udp:5000-5010.`);
  if (first === undefined) return { protocol };
  const ports = { first: Number(first), last: Number(last) };
  if (protocol === 'any' || protocol === 'icmp') throw new InvalidArgumentError('Only TCP and UDP have ports.');
  if (ports.first < 1 || ports.last < ports.first || ports.last > PORT_MAX)
    throw new InvalidArgumentError(`'${text}' has no ports from 1 to ${PORT_MAX} in order.`);
  return { protocol, ports };
}

function directionOf(text: string): SecurityRule['direction'] {
  if (text === 'ingress' || text === 'egress') return text;
  throw new InvalidArgumentError(`'${text}' is neither ingress nor egress.`);
}

function groupCommand(name: string, summary: string, examples: readonly string[]): Command {
  return command(name, summary, examples).argument('<group>', 'its name');
}

async function change(
  options: CommonOptions,
  call: (client: OrchestratorClient) => Promise<SecurityGroup>,
): Promise<void> {
  await withOrchestrator(options, async (client) => {
    const group = await call(client);
    await print(options, group, describeGroups([group]));
  });
}

const list = command('list', 'the security groups, their rules and who is in them', [
  'net group list',
  "supercloud net group list --json | jq -r '.[].name'",
]).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { groups } = await client.call('group.list', {});
    await print(options, groups, describeGroups(groups));
  }),
);

const create = groupCommand('create', 'a security group, whose members open every connection and take none', [
  'net group create web',
]).action((group: string, options: CommonOptions) =>
  change(options, (client) => client.call('group.create', { group })),
);

const remove = groupCommand('delete', 'take a security group away that nobody is in', ['net group delete web']).action(
  (group: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      await client.call('group.delete', { group });
      await print(options, { group }, `security group ${group} is gone`);
    }),
);

function ruleCommand(name: 'allow' | 'revoke', summary: string, examples: readonly string[]): Command {
  return groupCommand(name, summary, examples)
    .argument('<direction>', 'ingress: connections that come to its members; egress: those that they open', directionOf)
    .argument('<called>', 'any, icmp, tcp, udp, or ports: tcp:80, udp:5000-5010', calledOf)
    .option('--remote <prefix>', 'the other end, as 10.88.0.0/24 (default: anybody)')
    .option('--remote-group <group>', 'the other end is in this group')
    .option('--ipv6', 'of IPv6, not IPv4')
    .action((group: string, direction: SecurityRule['direction'], called: Called, options: RuleOptions) => {
      const { remote, remoteGroup, ipv6 } = options;
      const rule: SecurityRule = {
        ...{ direction, ethertype: ipv6 === true ? 'IPv6' : 'IPv4', ...called },
        ...(remote !== undefined && { remotePrefix: remote }),
        ...(remoteGroup !== undefined && { remoteGroup }),
      };
      return change(options, (client) => client.call(`group.${name}`, { group, rule }));
    });
}

const assign = groupCommand('assign', 'put VMs into a security group', ['net group assign web vm1 vm2'])
  .argument('<vms...>', 'VMs by name, whether they exist yet or not')
  .action((group: string, vms: string[], options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const changed = await client.call('group.assign', { group, vms });
      const { vms: known } = await client.call('vm.list', {});
      const missing = vms.filter((vm) => !known.some((one) => one.vm === vm));
      await print(options, changed, [describeGroups([changed]), ...describeMissing(missing)].join('\n'));
    }),
  );

const unassign = groupCommand('unassign', 'take VMs out of a security group', ['net group unassign web vm1'])
  .argument('<vms...>', 'VMs by name')
  .action((group: string, vms: string[], options: CommonOptions) =>
    change(options, (client) => client.call('group.unassign', { group, vms })),
  );

export const securityGroupCommand = new Command('group')
  .description('security groups: which connections VMs may open and take; a VM that is in none is not filtered')
  .addCommand(list)
  .addCommand(create)
  .addCommand(
    ruleCommand('allow', 'add a rule to a security group', [
      'net group allow web ingress tcp:443',
      'net group allow db ingress tcp:5432 --remote-group web',
      'net group allow web ingress icmp --remote 10.88.0.0/24',
    ]),
  )
  .addCommand(
    ruleCommand('revoke', 'take a rule away, and with it the connections that it allowed', [
      'net group revoke web ingress tcp:443',
      'net group revoke web egress any --ipv6',
    ]),
  )
  .addCommand(assign)
  .addCommand(unassign)
  .addCommand(remove);
