// `supercloud snapshot`: images as they were in one moment.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatByteSize } from '../../common/terminal/byte-size.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { ExportFormat } from '../../wire/contracts/blockd.ts';
import type { Snapshot } from '../../wire/contracts/catalogue.ts';
import { aloneToo, type CommonOptions, print, withOrchestrator } from '../command.ts';
import { exportFormat, newFile } from './export-options.ts';
import { pinCommands } from './pin.ts';
import { describeWaiting } from './waiting.ts';

const create = aloneToo('create', 'images as they are in this moment, also while a VM writes them', [
  'snapshot create monday --image web',
  'snapshot create monday --image web,data',
])
  .argument('<snapshot>', 'its name')
  .requiredOption('--image <images>', 'the images, with commas', (text: string) =>
    text.split(',').filter((one) => one !== ''),
  )
  .action((snapshot: string, options: CommonOptions & { image: string[] }) =>
    withOrchestrator(options, async (client) => {
      const made = await client.call('snapshot.create', { snapshot, images: options.image });
      await print(options, made, `snapshot ${snapshot} is of ${made.disks.map(({ image }) => image).join(', ')}`);
    }),
  );

const list = aloneToo('list', 'the snapshots', ['snapshot list']).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { snapshots } = await client.call('snapshot.list', {});
    const columns = [
      ...[{ title: 'SNAPSHOT' }, { title: 'OF IMAGE' }, { title: 'SIZE', figures: true }],
      ...[
        { title: 'LAYERS', figures: true },
        { title: 'TAKEN' },
        { title: 'AGE', figures: true },
        { title: 'RECOVERY AT' },
      ],
    ];
    const rows = snapshots.flatMap(({ snapshot, disks, atMs, carriedTo, recovery }) =>
      disks.map(({ image, bytes, layers }) => [
        ...[snapshot, image, formatByteSize(bytes), `${layers.length}`, new Date(atMs).toISOString()],
        ...[age(Date.now() - atMs), recoveryText(carriedTo, recovery)],
      ]),
    );
    await print(options, snapshots, formatTable(columns, rows));
  }),
);

/** Where it is, or is on its way to. */
function recoveryText(carriedTo: string | undefined, recovery: Snapshot['recovery']): string {
  const there = recovery === undefined ? '' : `${recovery.place} (${recovery.node})`;
  if (carriedTo === undefined || carriedTo === recovery?.node) return there;
  return [there, `on its way to ${carriedTo}`].filter((part) => part !== '').join(', ');
}

/** In the largest unit that has two of it. */
function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const remove = aloneToo('delete', 'forget a snapshot; images that stand on it keep what they need', [
  'snapshot delete monday',
])
  .argument('<snapshot>', 'its name')
  .action((snapshot: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const { waitsFor } = await client.call('snapshot.delete', { snapshot });
      const text = `snapshot ${snapshot} is deleted${describeWaiting(waitsFor)}`;
      await print(options, { snapshot, deleted: true, waitsFor }, text);
    }),
  );

interface ExportOptions extends CommonOptions {
  readonly node?: string;
  readonly disk?: string;
  readonly file: string;
  readonly format: ExportFormat;
}

const exportTo = aloneToo('export', 'write a snapshot to a new file of a node that has all of it', [
  'snapshot export monday --file web.qcow2 --format qcow2',
  'snapshot export monday --file web.vhd --format vhd --node beta',
])
  .argument('<snapshot>', 'its name')
  .requiredOption('--file <file>', 'the file, at that node', newFile)
  .addOption(exportFormat())
  .option('--disk <image>', 'which image of a snapshot of several')
  .option('--node <node>', 'the node, or its cloud (default: where the image was then)')
  .action((snapshot: string, options: ExportOptions) =>
    withOrchestrator(options, async (client) => {
      const { disk, node, format } = options;
      const line = new ProgressLine();
      const named = { ...(disk === undefined ? {} : { disk }), ...(node === undefined ? {} : { node }) };
      const order = { snapshot, path: resolve(options.file), format, ...named };
      const made = await line.during(`export snapshot ${snapshot}`, () =>
        client.call('snapshot.export', order, { onProgress: (p) => line.update(p) }),
      );
      await print(options, made, `snapshot ${snapshot} is in ${made.file.path} at ${made.node}`);
    }),
  );

const [pin, unpin] = pinCommands('snapshot');

export const snapshotCommand = new Command('snapshot')
  .description('images as they were in one moment')
  .addCommand(create)
  .addCommand(list)
  .addCommand(exportTo)
  .addCommand(pin)
  .addCommand(unpin)
  .addCommand(remove);
