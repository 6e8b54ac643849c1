// `supercloud image`: images and where their blocks are.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatBytes, ProgressLine } from '../../common/progress.ts';
import { formatTable } from '../../common/table.ts';
import type { ImageState } from '../../wire/contracts/orchestrator.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { byteSize, wholeNumber } from './numbers.ts';

const BLOCK_BYTES = 4096;

function describeImage({ head, stores, unreachable }: ImageState): string {
  const lines = [
    `name     ${head.image}`,
    `size     ${formatBytes(head.bytes)}`,
    `epoch    ${head.epoch}`,
    `open at  ${head.writer ?? 'nowhere (closed)'}`,
    '',
  ];
  const columns = [
    ...[{ title: 'STORE' }, { title: 'ROLE' }, { title: 'WRITTEN', figures: true }, { title: 'LOCAL', figures: true }],
    ...[{ title: 'READS', figures: true }, { title: 'WRITES', figures: true }, { title: 'DEPENDS ON' }],
  ];
  const rows = stores.map(({ node, store }) => [
    ...[node, store.role, formatBytes(store.writtenBlocks * BLOCK_BYTES), formatBytes(store.localBlocks * BLOCK_BYTES)],
    ...[`${store.counters.reads}`, `${store.counters.writes}`],
    store.dependsOn.map((other) => `${other.node} (${formatBytes(other.blocks * BLOCK_BYTES)})`).join(', '),
  ]);
  lines.push(formatTable(columns, rows));
  if (unreachable.length > 0) lines.push(`not reached: ${unreachable.join(', ')}`);
  return lines.join('\n');
}

const list = command('list', 'the images', ['image list']).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { images } = await client.call('image.list', {});
    const columns = [
      { title: 'IMAGE' },
      { title: 'SIZE', figures: true },
      { title: 'EPOCH', figures: true },
      { title: 'OPEN AT' },
    ];
    const rows = images.map((head) => [head.image, formatBytes(head.bytes), `${head.epoch}`, head.writer ?? 'closed']);
    await print(options, images, formatTable(columns, rows));
  }),
);

const show = command('show', 'one image: its head, and what each store holds of it', ['image show web'])
  .argument('<image>', 'its name')
  .action((image: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const state = await client.call('image.show', { image });
      await print(options, state, describeImage(state));
    }),
  );

interface CreateOptions extends CommonOptions {
  readonly node: string;
  readonly file?: string;
  readonly size?: number;
}

const create = command('create', 'make an image, empty or from a raw file', [
  'image create data --node alpha --size 1G',
  'image create web --node alpha --file disk.raw',
])
  .argument('<image>', 'its name')
  .requiredOption('--node <node>', 'the node, or its cloud, that stores it first')
  .option('--file <file>', 'a raw disk image, a file of that node')
  .option('--size <bytes>', 'an empty image of this size (512M, 1G)', byteSize)
  .action((image: string, options: CreateOptions) =>
    withOrchestrator(options, async (client) => {
      const line = new ProgressLine();
      line.begin(`create image ${image}`);
      const { node } = options;
      const file = options.file === undefined ? {} : { path: resolve(options.file) };
      const size = options.size === undefined ? {} : { bytes: options.size };
      const head = await client.call(
        'image.create',
        { image, node, ...file, ...size },
        { onProgress: (p) => line.update(p) },
      );
      line.end(formatBytes(head.bytes));
      await print(options, head, '');
    }),
  );

const remove = command('delete', 'delete a closed image everywhere', ['image delete web'])
  .argument('<image>', 'its name')
  .action((image: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      await client.call('image.delete', { image });
      await print(options, { image, deleted: true }, `image ${image} is deleted`);
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
      await print(options, { image, rateBytesPerSecond }, `image ${image} is pulled at up to ${options.rate} MB/s`);
    }),
  );

export const imageCommand = new Command('image')
  .description('images')
  .addCommand(list)
  .addCommand(show)
  .addCommand(create)
  .addCommand(remove)
  .addCommand(pull);
