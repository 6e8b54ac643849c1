// `supercloud image scrub`: reads a copy of an image now, and says what was found.
import { formatBytes, ProgressLine } from '../../common/terminal/progress.ts';
import type { ScrubReport } from '../../wire/contracts/blockd.ts';
import { aloneToo, type CommonOptions, print, withOrchestrator } from '../command.ts';

const BLOCK_BYTES = 4096;

/** What a scrub found, in one line. */
export function describeScrub(image: string, node: string, report: ScrubReport): string {
  const { checkedBlocks, unreadBlocks, rottenBlocks, healedBlocks, lostBlocks, waitingBlocks } = report;
  const unread = unreadBlocks > 0 ? `, ${unreadBlocks} blocks COULD NOT BE READ (see blockd's log at ${node})` : '';
  const checked = `image ${image} at ${node}: ${formatBytes(checkedBlocks * BLOCK_BYTES)} read${unread}`;
  if (rottenBlocks === 0) return `${checked}, ${unread === '' ? 'all' : 'what was read is'} as written`;
  const lost =
    lostBlocks > 0 ? `, ${lostBlocks} LOST (no node has a good copy: an I/O error until it is written anew)` : '';
  const waiting = waitingBlocks > 0 ? `, ${waitingBlocks} wait for a node that may have them` : '';
  return `${checked}, ${rottenBlocks} blocks rotten: ${healedBlocks} healed from other nodes${lost}${waiting}`;
}

export const scrubCommand = aloneToo(
  'scrub',
  'read what a node holds of an image, find rot and heal it from other nodes',
  ['image scrub web', 'image scrub web --at beta --json'],
)
  .argument('<image>', 'its name')
  .option('--at <node>', 'the node, or its cloud (default: where it is open, or was closed last)')
  .action((image: string, options: CommonOptions & { at?: string }) =>
    withOrchestrator(options, async (client) => {
      const line = new ProgressLine();
      const order = { image, ...(options.at === undefined ? {} : { node: options.at }) };
      const { node, report } = await line.during(`scrub image ${image}`, () =>
        client.call('image.scrub', order, { onProgress: (p) => line.update(p) }),
      );
      await print(options, { image, node, ...report }, describeScrub(image, node, report));
      if (report.lostBlocks > 0 || report.unreadBlocks > 0) process.exitCode = 1;
    }),
  );
