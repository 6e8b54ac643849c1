// `supercloud node`: the member nodes.
import { Command } from 'commander';
import { formatTable } from '../../common/terminal/table.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { nodeCacheCommand } from './node-cache.ts';

const list = command('list', 'the member nodes, their clouds and whether they are up', [
  'node list',
  'node list --json',
]).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { nodes } = await client.call('node.list', {});
    const columns = ['NODE', 'CLOUD', 'ADDRESS', 'ROLE', 'STATE', 'FAMILY'].map((title) => ({ title }));
    const rows = nodes.map((node) => [
      ...[node.node, node.cloud, node.address, node.role, node.up ? 'up' : `down: ${node.reason}`],
      node.capabilities === null ? 'unknown' : `${node.capabilities.family} (${node.capabilities.proof})`,
    ]);
    await print(options, nodes, formatTable(columns, rows));
  }),
);

export const nodeCommand = new Command('node')
  .description('member nodes')
  .addCommand(list)
  .addCommand(nodeCacheCommand);
