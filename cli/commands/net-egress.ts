// `supercloud net egress`: the guests' network's way out, and what leads in by it.
import { Command, InvalidArgumentError } from 'commander';
import type { EgressView, ForwardOrder } from '../../wire/contracts/egress.ts';
import { PATTERNS } from '../../wire/names.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { NONE } from './numbers.ts';

const FORWARD = /^(?:(tcp|udp):)?(\d{1,5})=([a-z0-9.-]+?)(?::(\d{1,5}))?$/;
const PORT_MAX = 0xffff;
const RESOLVERS_MAX = 2;
const NAME = new RegExp(PATTERNS.name);
const ADDRESS = new RegExp(PATTERNS.ipv4);

interface SetOptions extends CommonOptions {
  readonly at: string;
  readonly address?: string;
  readonly forward?: readonly ForwardOrder[];
  readonly resolver?: readonly string[];
}

/** As `tcp:8080=web:80`: the protocol, else tcp; the port outside; a VM or an address; its port, else the same. */
export function forwardOf(text: string): ForwardOrder {
  const [, protocol, outside = '', to = '', inside = outside] = FORWARD.exec(text) ?? [];
  const [port, toPort] = [Number(outside), Number(inside)];
  const arePorts = [port, toPort].every((one) => one >= 1 && one <= PORT_MAX);
  if (!arePorts || !(NAME.test(to) || ADDRESS.test(to))) {
    throw new InvalidArgumentError(`'${text}' leads nowhere; write tcp:8080=web:80, or none.`);
  }
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port, to, toPort };
}

/** One after the other; `none` alone is no forward at all. */
function collect(text: string, before: readonly ForwardOrder[] = []): readonly ForwardOrder[] {
  if (text === NONE && before.length === 0) return [];
  return [...before, forwardOf(text)];
}

function collectResolver(text: string, before: readonly string[] = []): readonly string[] {
  if (text === NONE && before.length === 0) return [];
  if (ADDRESS.test(text) && before.length < RESOLVERS_MAX) return [...before, text];
  throw new InvalidArgumentError(
    before.length < RESOLVERS_MAX ? `'${text}' is no IPv4 address.` : `${RESOLVERS_MAX} name servers at most.`,
  );
}

/** The way out, a line for each port that leads in, and who else may be one. */
export function describeEgress({ egress, trouble, nodes }: EgressView): string {
  const ways = nodes.map(({ node, device, addresses }) => `${node} (${device}: ${addresses.join(', ')})`);
  const may = ways.length === 0 ? 'no node leads outside' : `nodes that lead outside: ${ways.join('; ')}`;
  if (egress === null) return `guests reach nobody outside; ${may}`;
  const lines = egress.forwards.map(
    ({ protocol, port, to, toPort, vm }) => `in   ${protocol} ${egress.address}:${port} to ${vm ?? to}:${toPort}`,
  );
  const names = (egress.resolvers ?? []).map((address) => `dns  ${address} is asked for names outside`);
  const state = trouble === '' ? [] : [`not now: ${trouble}`];
  return [`out  by node ${egress.node} as ${egress.address}`, ...lines, ...names, ...state, may].join('\n');
}

/** What led in before and does not any more. */
export function describeRemoved(before: EgressView, { egress }: EgressView): string[] {
  const keyOf = ({ protocol, port }: { protocol: string; port: number }): string => `${protocol} ${port}`;
  const now = new Set(egress?.forwards.map(keyOf));
  const gone = (before.egress?.forwards ?? []).map(keyOf).filter((one) => !now.has(one));
  return gone.length === 0 ? [] : [`in   no more: ${gone.join(', ')}`];
}

const show = command('show', "the guests' way out, the ports that lead in, and the nodes that may be a way out", [
  'net egress show',
  "supercloud net egress show --json | jq -r '.egress.address'",
]).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const view = await client.call('egress.show', {});
    await print(options, view, describeEgress(view));
  }),
);

const set = command(
  'set',
  'let guests out at a node that leads outside, seen there by one address; their connections outlast their moves, and end when another node or address is set',
  [
    'net egress set --at gamma',
    'net egress set --at gamma --address 198.51.100.7',
    'net egress set --at gamma --forward tcp:8080=web:80 --forward udp:53=10.88.0.20',
    'net egress set --at gamma --forward none',
    'net egress set --at gamma --resolver 9.9.9.9',
  ],
)
  .requiredOption('--at <node>', 'the node, or its cloud')
  .option('--address <address>', 'one of those that lead to that node; else its first')
  .option(
    '--forward <port>',
    'a port that leads in, as tcp:8080=web:80; repeat it for each that is to: these replace those that did (default: they stay)',
    collect,
  )
  .option(
    '--resolver <address>',
    'a name server outside, of which guests ask other names than their VMs; two at most, or none; a guest hears of it when it asks for its address (default: they stay)',
    collectResolver,
  )
  .action((options: SetOptions) =>
    withOrchestrator(options, async (client) => {
      const { at, address, forward, resolver } = options;
      const order = {
        ...(address !== undefined && { address }),
        ...(forward !== undefined && { forwards: [...forward] }),
        ...(resolver !== undefined && { resolvers: [...resolver] }),
      };
      const before = await client.call('egress.show', {});
      const view = await client.call('egress.set', { at, ...order });
      await print(options, view, [...describeRemoved(before, view), describeEgress(view)].join('\n'));
    }),
  );

const remove = command('remove', 'let guests reach nobody outside any more', ['net egress remove']).action(
  (options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const view = await client.call('egress.remove', {});
      await print(options, view, describeEgress(view));
    }),
);

export const egressCommand = new Command('egress')
  .description("the guests' way out of their network, and the ports that lead in")
  .addCommand(show)
  .addCommand(set)
  .addCommand(remove);
