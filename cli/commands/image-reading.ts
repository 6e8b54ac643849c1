// `supercloud image open` and `image close`: a closed image for reading, at any number of places.
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';

type AtOptions = CommonOptions & { readonly at: string };

export const openCommand = command(
  'open',
  'open a closed image for reading at a node: an NBD export that nobody can write; several nodes may, while no VM has it',
  ['image open web --at beta', 'image open web --at beta --json'],
)
  .argument('<image>', 'its name')
  .requiredOption('--at <node>', 'the node, or its cloud')
  .action((image: string, options: AtOptions) =>
    withOrchestrator(options, async (client) => {
      const opened = await client.call('image.open', { image, at: options.at });
      const { node, socket } = opened;
      const text = [
        `image ${image} is open for reading at ${node}: nbd+unix:///${image}?socket=${socket}`,
        `(no VM can have it until: supercloud image close ${image} --at ${node}; closed by itself after 15 min without a client)`,
      ];
      await print(options, { image, ...opened }, text.join('\n'));
    }),
  );

export const closeCommand = command('close', 'end that; programs that still read it there lose it', [
  'image close web --at beta',
])
  .argument('<image>', 'its name')
  .requiredOption('--at <node>', 'the node, or its cloud')
  .action((image: string, options: AtOptions) =>
    withOrchestrator(options, async (client) => {
      const { waitsFor } = await client.call('image.close', { image, at: options.at });
      const later = waitsFor.length === 0 ? '' : `; ${waitsFor.join(', ')} will hear of it later`;
      await print(
        options,
        { image, closed: true, waitsFor },
        `readers of image ${image} at ${options.at} have ended${later}`,
      );
    }),
  );
