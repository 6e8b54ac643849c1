// `supercloud net`: the overlay network between the nodes.
import { Command } from 'commander';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { describeControllers } from '../controllers-text.ts';
import { describeTopology } from '../topology-text.ts';
import { describeTrace } from '../trace-text.ts';
import { describeTraffic } from '../traffic-text.ts';
import { securityGroupCommand } from './group.ts';
import { egressCommand } from './net-egress.ts';
import { ipv6Command } from './net-ipv6.ts';
import { stubCommand } from './net-stub.ts';

const topology = command(
  'topology',
  'the nodes by cloud, and the links that their agents measure: round trip, loss, proved MTU, up or down, direct or relayed',
  [
    'net topology',
    'net topology --json topology.json',
    "supercloud net topology --json | jq -r '.links[] | [.a, .b, .roundTripMs] | @tsv'",
  ],
).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const shown = await client.call('network.topology', {});
    await print(options, shown, describeTopology(shown, Date.now()));
  }),
);

const trace = command(
  'trace',
  'the way of a ping from one VM to another: switches, tunnels, the rules that it meets, latency, and whether it is let through',
  ['net trace web db', 'net trace web db --ipv6', 'net trace web db --compare', 'net trace web db --json trace.json'],
)
  .argument('<from>', 'the VM that sends')
  .argument('<to>', 'the VM that it is for')
  .option('--ipv6', 'a ping over IPv6')
  .option('--compare', 'read the tables that the switches have, and show where they differ from what is wanted')
  .action((from: string, to: string, options: CommonOptions & { readonly compare?: true; readonly ipv6?: true }) =>
    withOrchestrator(options, async (client) => {
      const { compare = false, ipv6 = false } = options;
      const traced = await client.call('network.trace', { from, to, compare, ipv6 });
      await print(options, traced, describeTrace(traced));
    }),
  );

const traffic = command(
  'traffic',
  'bytes and frames from each VM to each other since they were first counted, the busiest pair first',
  ['net traffic', 'net traffic web', "supercloud net traffic --json | jq -r '.pairs[] | [.from, .to, .bytes] | @tsv'"],
)
  .argument('[vm]', 'what this one sent and was sent, alone')
  .action((vm: string | undefined, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const figures = await client.call('network.traffic', vm === undefined ? {} : { vm });
      await print(options, figures, describeTraffic(figures));
    }),
  );

const controllers = command(
  'controllers',
  "the overlay's controllers: the active one, those that stand by for it, and the switches that each has a session with",
  ['net controllers', 'net controllers --json controllers.json'],
).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const shown = await client.call('network.controllers', {});
    await print(options, shown, describeControllers(shown.controllers));
  }),
);

const handOver = command(
  'hand-over',
  'have another controller of the overlay relieve the active one; no flow and no connection hears of it',
  ['net controller hand-over', 'net controller hand-over beta'],
)
  .argument('[node]', 'the node whose controller is to be active; otherwise the first one that answers')
  .action((node: string | undefined, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const shown = await client.call('network.hand-over', node === undefined ? {} : { to: node });
      await print(options, shown, describeControllers(shown.controllers));
    }),
  );

export const netCommand = new Command('net')
  .description('the overlay network between the nodes')
  .addCommand(topology)
  .addCommand(trace)
  .addCommand(egressCommand)
  .addCommand(stubCommand)
  .addCommand(ipv6Command)
  .addCommand(traffic)
  .addCommand(securityGroupCommand)
  .addCommand(controllers)
  .addCommand(new Command('controller').description("the overlay's active controller").addCommand(handOver));
