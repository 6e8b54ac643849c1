// `supercloud image`: images and where their blocks are.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { OperationError } from '../../common/errors.ts';
import { formatByteSize } from '../../common/terminal/byte-size.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { ExportFormat } from '../../wire/contracts/blockd.ts';
import type { Head, Leaving } from '../../wire/contracts/catalogue.ts';
import { aloneToo, type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { heatCells } from '../heat-text.ts';
import { describeImage, describeImages } from '../image-text.ts';
import { exportFormat, newFile } from './export-options.ts';
import { clone, createCommand } from './image-create.ts';
import { closeCommand, openCommand } from './image-reading.ts';
import { scrubCommand } from './image-scrub.ts';
import { byteSize, wholeNumber } from './numbers.ts';
import { pinCommands } from './pin.ts';
import { describeWaiting } from './waiting.ts';

function describeLeaving(leaving: readonly Leaving[]): string {
  if (leaving.length === 0) return 'nothing is left to be let go of';
  const rows = leaving.map(({ layer, nodes }) => [layer, nodes.join(', ')]);
  return formatTable([{ title: 'LAYER' }, { title: 'WAITS FOR' }], rows);
}

const list = aloneToo('list', 'the images, which of them are in doubt and why, or what deleted ones have left', [
  'image list',
  'image list --json=images.json      (doubt: a sentence, where one is in doubt; rollback: the node whose store was put back)',
  'image list --leaving',
])
  .option('--leaving', 'layers that nothing needs any more, and the nodes that have still to let go of them')
  .action((options: CommonOptions & { leaving?: true }) =>
    withOrchestrator(options, async (client) => {
      if (options.leaving === true) {
        const { leaving } = await client.call('layer.leaving', {});
        return print(options, leaving, describeLeaving(leaving));
      }
      const { images } = await client.call('image.list', {});
      await print(options, images, describeImages(images, options.alone !== undefined));
    }),
  );

const show = aloneToo(
  'show',
  'one image: its version, its layers, who holds what of them, and where it is read and written',
  ['image show web', 'image show web --json=web.json'],
)
  .argument('<image>', 'its name')
  .action((image: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const { columns } = process.stdout;
      const state = await client.call('image.show', { image, heatCells: heatCells(columns) });
      await print(options, state, describeImage(state, columns));
    }),
  );

interface ExportOptions extends CommonOptions {
  readonly node?: string;
  readonly file: string;
  readonly format: ExportFormat;
}

const exportTo = command('export', 'write a closed image to a new file of a node that has all of it', [
  'image export web --file web.qcow2 --format qcow2',
  'image export web --file web.vhd --format vhd --node beta',
])
  .argument('<image>', 'its name')
  .requiredOption('--file <file>', 'the file, at that node', newFile)
  .addOption(exportFormat())
  .option('--node <node>', 'the node, or its cloud (default: where the image was closed last)')
  .action((image: string, options: ExportOptions) =>
    withOrchestrator(options, async (client) => {
      const { format } = options;
      const line = new ProgressLine();
      const target = {
        path: resolve(options.file),
        format,
        ...(options.node === undefined ? {} : { node: options.node }),
      };
      const made = await line.during(`export image ${image}`, () =>
        client.call('image.export', { image, ...target }, { onProgress: (p) => line.update(p) }),
      );
      await print(options, made, `image ${image} is in ${made.file.path} at ${made.node}`);
    }),
  );

const remove = aloneToo('delete', 'delete a closed image at once; nodes that are away let go of it later', [
  'image delete web',
])
  .argument('<image>', 'its name')
  .action((image: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const { waitsFor } = await client.call('image.delete', { image });
      await print(options, { image, deleted: true, waitsFor }, `image ${image} is deleted${describeWaiting(waitsFor)}`);
    }),
  );

const pull = command('pull', 'fetch in the background what an open image lacks where it is open', [
  'image pull web --rate 10',
  'image pull web --rate 0',
])
  .argument('<image>', 'its name')
  .requiredOption('--rate <MB/s>', 'at most so fast; 0 turns it off', wholeNumber)
  .action((image: string, options: CommonOptions & { rate: number }) =>
    withOrchestrator(options, async (client) => {
      const rateBytesPerSecond = options.rate * 1_000_000;
      await client.call('image.pull', { image, rateBytesPerSecond });
      const how = options.rate === 0 ? 'no longer pulled' : `pulled at up to ${options.rate} MB/s`;
      await print(options, { image, rateBytesPerSecond }, `image ${image} is ${how}`);
    }),
  );

const cloneCommand = aloneToo('clone', 'a new image on top of a snapshot; nothing is copied', [
  'image clone web2 --from monday',
])
  .argument('<image>', 'its name')
  .requiredOption('--from <snapshot>', 'what it begins with')
  .option('--disk <image>', 'which image of a snapshot of several')
  .action((image: string, options: CommonOptions & { from: string; disk?: string }) =>
    withOrchestrator(options, (client) => clone(client, options, image, options.from, options.disk)),
  );

const resize = aloneToo('resize', 'make an image larger, also under a running VM, which sees it at once', [
  'image resize web --size 20G',
])
  .argument('<image>', 'its name')
  .requiredOption('--size <bytes>', 'its size from now on (512M, 1G)', byteSize)
  .action((image: string, options: CommonOptions & { size: number }) =>
    withOrchestrator(options, async (client) => {
      const head = await client.call('image.resize', { image, bytes: options.size });
      await print(options, head, describeSize(head));
    }),
  );

function describeSize({ image, bytes, writer }: Head): string {
  return `image ${image} has ${formatByteSize(bytes)}${writer === null ? ' from its next start on' : ''}`;
}

const seed = command('seed', 'bring what is read only of an image, or a snapshot, to clouds ahead of its VMs', [
  'image seed monday --to beta,gamma',
  'image seed monday --to beta --rate 5',
])
  .argument('<snapshot|image>', 'a snapshot, or an image that stands on one')
  .requiredOption('--to <clouds>', 'clouds or nodes, with commas', (text: string) =>
    text.split(',').filter((one) => one !== ''),
  )
  .option('--rate <MB/s>', 'at most so fast to each (default: 12.5)', wholeNumber)
  .action((source: string, options: CommonOptions & { to: string[]; rate?: number }) =>
    withOrchestrator(options, async (client) => {
      const { to, rate } = options;
      if (rate === 0) throw new OperationError('USAGE', '--rate is at least 1', { remedy: 'For example: --rate 5.' });
      const line = new ProgressLine();
      const order = { source, to, ...(rate === undefined ? {} : { rateBytesPerSecond: rate * 1_000_000 }) };
      const made = await line.during(`seed ${source}`, () =>
        client.call('image.seed', order, { onProgress: (p) => line.update(p) }),
      );
      await print(options, made, `${source} is at ${made.nodes.join(', ')}`);
    }),
  );

const [pin, unpin] = pinCommands('image');

export const imageCommand = new Command('image')
  .description('images')
  .addCommand(list)
  .addCommand(show)
  .addCommand(createCommand)
  .addCommand(cloneCommand)
  .addCommand(resize)
  .addCommand(seed)
  .addCommand(openCommand)
  .addCommand(closeCommand)
  .addCommand(exportTo)
  .addCommand(remove)
  .addCommand(scrubCommand)
  .addCommand(pin)
  .addCommand(unpin)
  .addCommand(pull);
