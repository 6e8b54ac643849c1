// `supercloud image create`: an image, empty, of a disk file, of standard input, or on top of a snapshot.
import { resolve } from 'node:path';
import { Option } from 'commander';
import { OperationError } from '../../common/errors.ts';
import { formatByteSize } from '../../common/terminal/byte-size.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import { ImageFormat } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { aloneToo, type CommonOptions, print, withOrchestrator } from '../command.ts';
import type { OrchestratorClient } from '../context.ts';
import { withSpooledInput } from '../spooled-input.ts';
import { byteSize } from './numbers.ts';

const IMAGE_FORMATS = ImageFormat.anyOf.map((format) => format.const);

interface CreateOptions extends CommonOptions {
  readonly node?: string;
  readonly file?: string;
  readonly from?: string;
  readonly format?: ImageFormat;
  readonly size?: number;
}

/** What is to be made at a node. */
interface NewImage extends Pick<CreateOptions, 'file' | 'format' | 'size'> {
  readonly image: string;
  readonly node: string;
}

export const createCommand = aloneToo('create', 'make an image, empty or from a disk file', [
  'image create data --node alpha --size 1G',
  'image create web --node alpha --file disk.qcow2',
  'image create web2 --from monday',
  'xz -dc disk.raw.xz | supercloud image create web --node alpha --file -',
])
  .argument('<image>', 'its name')
  .option('--node <node>', 'the node, or its cloud, that stores it first')
  .option('--from <snapshot>', 'on top of a snapshot instead, without copying (as image clone)')
  .option('--file <file>', 'a disk file of that node; - reads standard input, at that node')
  .addOption(new Option('--format <format>', 'what the file is (default: by its bytes)').choices(IMAGE_FORMATS))
  .option('--size <bytes>', 'an empty image of this size (512M, 1G)', byteSize)
  .action(async (image: string, options: CreateOptions) => {
    const { from, node, file, format, size } = options;
    if (from !== undefined) {
      if ((node ?? file ?? format ?? size) !== undefined) throw usage('--from stands alone');
      return withOrchestrator(options, (client) => clone(client, options, image, from));
    }
    const at = options.alone === undefined ? node : (node ?? LONE_NODE);
    if (at === undefined) throw usage('say --node, or --from');
    refuseContradictions(image, options);
    await withOrchestrator(options, async (client) => {
      const head = await make(client, { ...options, image, node: at });
      await print(options, head, `image ${image} has ${formatByteSize(head.bytes)}`);
    });
  });

/** What would be passed over is refused. @throws OperationError USAGE */
function refuseContradictions(image: string, { file, format, size }: CreateOptions): void {
  if (file !== undefined && size !== undefined) {
    const larger = `supercloud image resize ${image} --size ...`;
    throw usage('an image of a file is as large as its disk', `Leave --size away, then: ${larger}`);
  }
  if (file === undefined && format !== undefined) throw usage('--format is for --file');
  if (file === undefined && size === undefined) throw usage('say --size, --file or --from');
}

async function make(client: OrchestratorClient, { image, node, file, format, size }: NewImage): Promise<Head> {
  const line = new ProgressLine();
  const order = (source: { path?: string; format?: ImageFormat; bytes?: number }): Promise<Head> =>
    line.during(`create image ${image}`, () =>
      client.call('image.create', { image, node, ...source }, { onProgress: (p) => line.update(p) }),
    );
  if (file === undefined) return order(size === undefined ? {} : { bytes: size });
  const ofFile = (path: string): Promise<Head> => order({ path, ...(format === undefined ? {} : { format }) });
  if (file !== '-') return ofFile(resolve(file));
  line.begin('read standard input');
  return withSpooledInput({
    told: (doneBytes) => line.update({ doneBytes }),
    isThere: () => client.call('image.list', {}),
    work: ofFile,
  });
}

/** Makes an image on a snapshot. */
export async function clone(
  client: OrchestratorClient,
  options: CommonOptions,
  image: string,
  from: string,
  disk?: string,
): Promise<void> {
  const head = await client.call('image.clone', { image, from, ...(disk === undefined ? {} : { disk }) });
  await print(options, head, `image ${image} has ${formatByteSize(head.bytes)} and stands on snapshot ${from}`);
}

function usage(why: string, remedy = 'supercloud image create --help has examples.'): OperationError {
  return new OperationError('USAGE', why, { remedy });
}
