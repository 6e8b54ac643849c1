// `supercloud net ipv6`: the prefix of the guests' network, and the addresses that follow from it.
import { Command, Option } from 'commander';
import { formatTable } from '../../common/terminal/table.ts';
import type { Ipv6Addresses } from '../../wire/contracts/guest-network.ts';
import type { Ipv6View } from '../../wire/contracts/ipv6.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';

/** How guests come by their addresses. */
const MODES: Readonly<Record<Ipv6Addresses, string>> = {
  'self-made': 'formed by the guests (SLAAC)',
  leased: 'leased to the guests (DHCPv6)',
};

/** The prefix, each subnet's part of it with its router, and who has which address. */
export function describeIpv6({ prefix, mode, subnets, addresses }: Ipv6View): string {
  if (prefix === null) return 'guests have link-local addresses alone; net ipv6 set gives their network a prefix';
  const lines = subnets.map((one) => `${one.subnet}  ${one.prefix}  router ${one.router}`);
  const rows = addresses.map(({ owner, ip, ipv6 }) => [owner, ip, ipv6]);
  const table = formatTable([{ title: 'VM' }, { title: 'IPV4' }, { title: 'IPV6' }], rows);
  return [`prefix ${prefix}, addresses ${MODES[mode]}`, ...lines, ...(rows.length === 0 ? [] : ['', table])].join('\n');
}

const show = command('show', "the network's prefix, its subnets' and the addresses of its VMs", [
  'net ipv6 show',
  "supercloud net ipv6 show --json | jq -r '.addresses[] | [.owner, .ipv6] | @tsv'",
]).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const view = await client.call('ipv6.show', {});
    await print(options, view, describeIpv6(view));
  }),
);

const set = command(
  'set',
  'give the guests IPv6 addresses: each subnet has 64 bits of a unique local prefix, which is drawn unless it is given; running guests take theirs at once',
  ['net ipv6 set', 'net ipv6 set --prefix fd12:3456:789a::/48', 'net ipv6 set --addresses leased'],
)
  .option('--prefix <prefix>', 'a unique local prefix of 48 bits; else the one that stands, or one that is drawn')
  .addOption(
    new Option(
      '--addresses <how>',
      'self-made: guests form theirs from their MAC address, as a plain kernel does; leased: they have them from their node by DHCPv6, for software that would form others; the address is the same; else as it stands',
    ).choices(['self-made', 'leased'] satisfies Ipv6Addresses[]),
  )
  .action((options: CommonOptions & { readonly prefix?: string; readonly addresses?: Ipv6Addresses }) =>
    withOrchestrator(options, async (client) => {
      const { prefix, addresses } = options;
      const view = await client.call('ipv6.set', {
        ...(prefix !== undefined && { prefix }),
        ...(addresses !== undefined && { addresses }),
      });
      await print(options, view, describeIpv6(view));
    }),
  );

const remove = command(
  'remove',
  'let guests have link-local IPv6 addresses alone; the others lead nowhere any more, and guests are told so',
  ['net ipv6 remove'],
).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const view = await client.call('ipv6.remove', {});
    await print(options, view, describeIpv6(view));
  }),
);

export const ipv6Command = new Command('ipv6')
  .description("the guests' IPv6 addresses")
  .addCommand(show)
  .addCommand(set)
  .addCommand(remove);
