// `supercloud propagation`: how an image's blocks get to other places before they are asked for there.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { PropagationView } from '../../wire/contracts/cluster-state.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { type NONE, noneAsNull, orNone } from './numbers.ts';
import { type PolicyOptions, policyOf, policyOptions, schedule } from './policy-words.ts';
import {
  amount,
  describeSettings,
  describeStatus,
  money,
  price,
  rate as rateOf,
  ratio,
  transitionsOf,
  word,
} from './propagation-words.ts';

interface SetOptions extends CommonOptions, PolicyOptions {
  readonly k?: number;
  readonly s?: number | 'auto';
  readonly rate?: number | typeof NONE;
  readonly money?: NonNullable<PropagationSettings['money']> | typeof NONE;
  readonly price?: PropagationSettings['prices'];
  readonly transitions?: string[];
  readonly snapshots?: NonNullable<PropagationSettings['snapshots']> | typeof NONE;
}

function describe({ image, settings, writer, status }: PropagationView): string {
  const head = [`image        ${image}`, `written at   ${writer ?? 'nowhere (closed)'}`];
  return [...head, ...describeSettings(settings), ...describeStatus(status)].join('\n');
}

/** What was said in place of what was so before. @throws OperationError USAGE */
export function changed(before: PropagationSettings, options: SetOptions): PropagationSettings {
  const policy = policyOf(before.policy, options);
  const { snapshots, k, s, rate, money: cap, price: prices, transitions } = options;
  const said = {
    ...(policy === undefined ? {} : { policy }),
    ...(snapshots === undefined ? {} : { snapshots: noneAsNull(snapshots) }),
    ...(k === undefined ? {} : { k }),
    ...(s === undefined ? {} : { s }),
    ...(rate === undefined ? {} : { rateBytesPerSecond: noneAsNull(rate) }),
    ...(cap === undefined ? {} : { money: noneAsNull(cap) }),
    ...(prices === undefined ? {} : { prices }),
    ...(transitions === undefined ? {} : { transitions: transitionsOf(transitions, readWords) }),
  };
  if (Object.keys(said).length > 0) return { ...before, ...said };
  throw new OperationError('USAGE', 'nothing is to be changed', {
    remedy: 'supercloud propagation set --help has examples.',
  });
}

function readWords(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OperationError('USAGE', `'${path}' is no FROM:TO:PROBABILITY and no file: ${messageOf(cause)}`, {
      remedy: 'Write alpha:beta:0.7, or name a file with one of them a line.',
      cause,
    });
  }
}

const show = command('show', 'how the blocks of an image get to other places', ['propagation show web'])
  .argument('<image>', 'its name')
  .action((image: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      const view = await client.call('propagation.show', { image });
      await print(options, view, describe(view));
    }),
  );

export const setCommand = command('set', 'change that, also while a VM writes the image; what is not said stays', [
  'propagation set web --policy proactive --s auto --rate 5',
  'propagation set web --policy proactive --lead 30',
  'propagation set web --transitions alpha:beta:0.7 --transitions alpha:gamma:0.3',
  'propagation set web --transitions moves.txt',
  'propagation set web --money 2.50/30d --price alpha:beta:0.09',
  'propagation set web --rate none --money none --price none --transitions none',
  'propagation set web --policy sync --copies 2 --scope world --when-degraded continue',
  'propagation set web --snapshots 6h:beta:7',
  'propagation set web --policy async --rpo 30 --place beta',
  'propagation set web --policy on-demand',
])
  .argument('<image>', 'its name')
  .option(
    '--snapshots <every:place:keep>',
    'recovery points by the clock, brought to another place; or none',
    orNone(schedule),
  )
  .option('--k <number>', 'how much reads by writes count beside reads, in the order of pushes', amount)
  .option('--s <ratio>', 'the least reads by writes of a block that is pushed; or auto', ratio)
  .option('--rate <MB/s>', 'push at most so fast; or none', orNone(rateOf))
  .option('--money <budget/window>', 'spend at most so much in any such time (30d, 12h); or none', orNone(money))
  .option('--price <from:to:price>', 'what a GB costs from one cloud to another; may be repeated; or none', price)
  .option('--transitions <from:to:p|file>', 'how probably the VM goes where; may be repeated; or none', word)
  .action((image: string, options: SetOptions) =>
    withOrchestrator(options, async (client) => {
      const { settings: before } = await client.call('propagation.show', { image });
      const settings = changed(before, options);
      const { waitsFor } = await client.call('propagation.set', { image, settings });
      const later = waitsFor.length === 0 ? '' : `; ${waitsFor.join(', ')} will hear of it when it is back`;
      const text = [`image ${image} is set${later}`, ...describeSettings(settings)].join('\n');
      await print(options, { image, settings, waitsFor }, text);
    }),
  );

for (const option of policyOptions()) setCommand.addOption(option);

export const propagationCommand = new Command('propagation')
  .description("how images' blocks get to other places")
  .addCommand(show)
  .addCommand(setCommand);
