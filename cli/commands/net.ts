// `supercloud net`: the overlay network between the nodes.
import { Command } from 'commander';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { describeTopology } from '../topology-text.ts';

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

export const netCommand = new Command('net').description('the overlay network between the nodes').addCommand(topology);
