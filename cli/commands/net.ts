// `supercloud net`: the overlay network between the nodes.
import { Command } from 'commander';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { describeTopology } from '../topology-text.ts';
import { describeTrace } from '../trace-text.ts';
import { describeTraffic } from '../traffic-text.ts';
import { securityGroupCommand } from './group.ts';
import { egressCommand } from './net-egress.ts';

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
  ['net trace web db', 'net trace web db --compare', 'net trace web db --json trace.json'],
)
  .argument('<from>', 'the VM that sends')
  .argument('<to>', 'the VM that it is for')
  .option('--compare', 'read the tables that the switches have, and show where they differ from what is wanted')
  .action((from: string, to: string, options: CommonOptions & { readonly compare?: true }) =>
    withOrchestrator(options, async (client) => {
      const traced = await client.call('network.trace', { from, to, compare: options.compare === true });
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

export const netCommand = new Command('net')
  .description('the overlay network between the nodes')
  .addCommand(topology)
  .addCommand(trace)
  .addCommand(egressCommand)
  .addCommand(traffic)
  .addCommand(securityGroupCommand);
