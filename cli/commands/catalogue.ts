// `supercloud catalogue`: the records of all images, made again from the stores when they were lost.
import { Command } from 'commander';
import { formatTable } from '../../common/terminal/table.ts';
import type { RebuildReport, RebuiltImage } from '../../wire/contracts/rebuild.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';

const VERDICTS: Readonly<Record<RebuiltImage['verdict'], string>> = {
  open: 'open',
  closed: 'closed',
  uncertain: 'UNCERTAIN',
  known: 'as it is known',
  conflict: 'CONFLICT',
};

/** The whole report for a person. */
export function describeRebuild(report: RebuildReport): string {
  const { behind, images, snapshots, unnamed, notes } = report;
  const rows = images.map(({ image, verdict, node, reason, isAccepted }) => [
    ...[image, isAccepted ? 'accepted' : VERDICTS[verdict], node, reason],
  ]);
  const lines = [
    ...(behind === '' ? [] : [`the catalogue is not the newest: ${behind}`, '']),
    formatTable([{ title: 'IMAGE' }, { title: 'STATE' }, { title: 'AT' }, { title: 'WHY' }], rows),
  ];
  if (snapshots.length > 0) lines.push('', `snapshots: ${snapshots.join(', ')}`);
  for (const { layer, image, nodes } of unnamed) {
    lines.push(`layer ${layer} (made for ${image}) at ${nodes.join(', ')} is named by nothing, and stays there`);
  }
  lines.push(...notes.map((note) => `note: ${note}`), ...images.flatMap(acceptable));
  lines.push('', conclusion(report));
  return lines.join('\n');
}

function conclusion({ behind, isDone, images }: RebuildReport): string {
  if (isDone) return 'this is done';
  if (behind === '' && images.every(({ verdict }) => verdict === 'known'))
    return 'the records are as the stores say: there is nothing to do';
  return 'nothing is changed yet: say --yes to make these records';
}

function acceptable({ image, wouldLose, isAccepted }: RebuiltImage): string[] {
  if (wouldLose === '' || isAccepted) return [];
  return [`--accept ${image} takes it as it is; ${wouldLose} would be lost`];
}

interface RebuildOptions extends CommonOptions {
  readonly yes?: true;
  readonly accept?: string[];
}

const rebuild = command('rebuild', 'make the records of all images again from what the stores say', [
  'catalogue rebuild',
  'catalogue rebuild --yes',
  'catalogue rebuild --yes --accept web,db',
])
  .option('--yes', 'do it; without it, only what it would come to is shown')
  .option('--accept <images>', 'take these as they are, though their newest state may be elsewhere', (text: string) =>
    text.split(',').filter((one) => one !== ''),
  )
  .action((options: RebuildOptions) =>
    withOrchestrator(options, async (client) => {
      const order = { execute: options.yes === true, accept: options.accept ?? [] };
      const report = await client.call('catalogue.rebuild', order);
      await print(options, report, describeRebuild(report));
    }),
  );

export const catalogueCommand = new Command('catalogue').description('the records of all images').addCommand(rebuild);
