// `supercloud node cache`: how much nodes may keep of blocks that are only cached there.
import { Command, InvalidArgumentError } from 'commander';
import { formatByteSize, parseByteSize } from '../../common/terminal/byte-size.ts';
import { formatBytes } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { CacheStates } from '../../wire/contracts/cache.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { NONE, noneAsNull, orNone } from './numbers.ts';

/** One line for each store, and one for each node that was not reached. */
export function describeCaches({ stores, unreachable }: CacheStates): string {
  const columns = [
    { title: 'NODE' },
    { title: 'CAP', figures: true },
    { title: 'CACHED', figures: true },
    { title: 'DISK FREE', figures: true },
  ];
  const rows = stores.map(({ node, capBytes, cachedBytes, freeBytes, totalBytes }) => [
    node,
    capBytes === null ? 'none' : formatByteSize(capBytes),
    formatBytes(cachedBytes),
    `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)}`,
  ]);
  return formatTable(columns, [...rows, ...unreachable.map((node) => [node, 'not reached', '', ''])]);
}

/** A size, or none; null is no cap. */
export function capBytesOf(text: string): number | null {
  if (text === NONE) return null;
  const bytes = parseByteSize(text);
  if (bytes === undefined) throw new InvalidArgumentError(`'${text}' is no size; write 10G, or none.`);
  return bytes;
}

const show = command('show', 'what is only cached at the nodes, and its cap; a tenth of each disk is kept free of it', [
  'node cache show',
  'node cache show alpha',
])
  .argument('[node]', 'one node, or its cloud')
  .action((node: string | undefined, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const caches = await client.call('cache.show', node === undefined ? {} : { node });
      await print(options, caches, describeCaches(caches));
    }),
  );

const set = command('set', 'change the cap of a node while it runs; it holds over restarts', [
  'node cache set alpha --cap 20G',
  'node cache set alpha --cap none',
])
  .argument('<node>', 'the node, or its cloud')
  .requiredOption('--cap <size>', 'the most that cached blocks may take; or none', orNone(capBytesOf))
  .action((node: string, options: CommonOptions & { cap: number | typeof NONE }) =>
    withOrchestrator(options, async (client) => {
      const caches = await client.call('cache.set', { node, capBytes: noneAsNull(options.cap) });
      await print(options, caches, describeCaches(caches));
    }),
  );

export const nodeCacheCommand = new Command('cache')
  .description('the cap on blocks that are only cached at a node')
  .addCommand(show)
  .addCommand(set);
