// The words in which a person says how blocks get to other places, and how settings are shown. What cannot be meant is
// refused with the words that were typed.
import { InvalidArgumentError } from 'commander';
import { OperationError } from '../../common/errors.ts';
import { formatBytes } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { PropagationView } from '../../wire/contracts/cluster-state.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { NONE } from './numbers.ts';
import { describePolicy, describeSchedule } from './policy-words.ts';

const BLOCK_BYTES = 4096;

type Transition = PropagationSettings['transitions'][number];
type Price = PropagationSettings['prices'][number];

const CELL = /^([a-z][a-z0-9-]{0,39}):([a-z][a-z0-9-]{0,39}):([0-9]*\.?[0-9]+)$/;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** A number from 0. */
export function amount(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError(`'${text}' is no number from 0 on.`);
}

/** S: a number from 0, or `auto`. */
export function ratio(text: string): number | 'auto' {
  return text === 'auto' ? text : amount(text);
}

/** MB/s as bytes per second, or no limit. */
export function rate(text: string): number | null {
  if (text === NONE) return null;
  const bytes = Math.round(amount(text) * 1e6);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError(`'${text}' MB/s is more than can be counted.`);
}

/** `2.50/30d`: so much in any stretch of so long; or no limit. */
export function money(text: string): PropagationSettings['money'] {
  if (text === NONE) return null;
  const [, budget = '', length = '', unit = ''] = /^([0-9]*\.?[0-9]+)\/([0-9]+)([smhd])$/.exec(text) ?? [];
  const windowSeconds = Number(length) * (SECONDS[unit] ?? 0);
  if (windowSeconds >= 1) return { budget: Number(budget), windowSeconds };
  throw new InvalidArgumentError(`'${text}' is no BUDGET/WINDOW; write 2.50/30d (s, m, h and d are understood).`);
}

/** As it is typed, in the largest unit of which it is a whole number. */
function windowText(seconds: number): string {
  const [unit, each] = Object.entries(SECONDS).findLast(([, one]) => seconds % one === 0) ?? ['s', 1];
  return `${seconds / each}${unit}`;
}

/** One more price, `alpha:beta:0.09` per decimal GB; `none` takes back those before it. */
export function price(text: string, before: readonly Price[] = []): Price[] {
  if (text === NONE) return [];
  const [from, to, perGb] = cellOf(text) ?? [];
  if (from !== undefined && to !== undefined && perGb !== undefined) return [...before, { from, to, perGb }];
  throw new InvalidArgumentError(`'${text}' is no FROM:TO:PRICE; write alpha:beta:0.09.`);
}

/** One more word; what it means is known when its file was read. */
export function word(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Cells `alpha:beta:0.7`, and files with one of them a line (# begins a comment). @throws OperationError USAGE */
export function transitionsOf(words: readonly string[], readFile: (path: string) => string): Transition[] {
  return words.flatMap((text) => {
    if (text === NONE) return [];
    const cell = cellOf(text);
    if (cell !== undefined) return [transitionOf(text, cell)];
    const lines = readFile(text)
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim());
    return lines.flatMap((line, index) => {
      if (line === '') return [];
      return [transitionOf(`${text}, line ${index + 1}: ${line}`, cellOf(line))];
    });
  });
}

function transitionOf(typed: string, cell: ReturnType<typeof cellOf>): Transition {
  const [from, to, probability] = cell ?? ['', '', 2];
  if (probability <= 1) return { from, to, probability };
  throw new OperationError('USAGE', `'${typed}' is no FROM:TO:PROBABILITY`, {
    remedy: 'Write alpha:beta:0.7, a probability from 0 to 1.',
  });
}

function cellOf(text: string): [from: string, to: string, value: number] | undefined {
  const [, from, to, value] = CELL.exec(text) ?? [];
  return from === undefined || to === undefined ? undefined : [from, to, Number(value)];
}

/** The settings for a person, a line each. */
export function describeSettings(settings: PropagationSettings): string[] {
  const { policy, k, s, rateBytesPerSecond, money: cap, prices, transitions } = settings;
  return [
    `policy       ${describePolicy(policy)}`,
    ...describeSchedule(settings.snapshots),
    `K            ${k}`,
    `S            ${s}`,
    `rate         ${rateBytesPerSecond === null ? 'as fast as the link takes it' : `${rateBytesPerSecond / 1e6} MB/s`}`,
    `money        ${cap === null ? 'no limit' : `${cap.budget} in any ${windowText(cap.windowSeconds)}`}`,
    ...prices.map(({ from, to, perGb }) => `price        ${from} to ${to}: ${perGb} per GB`),
    ...transitions.map(({ from, to, probability }) => `transition   ${from} to ${to}: ${probability}`),
  ];
}

/** What became of it so far, for a person. */
export function describeStatus(status: PropagationView['status']): string[] {
  if (status === null) return [];
  const { s, destinations, paused, spent, counters } = status;
  const { pushedBlocks, usefulBlocks, wastedBlocks, missedBlocks } = counters;
  const columns = [
    ...[{ title: 'TO' }, { title: 'PROBABLE', figures: true }, { title: 'MISSING', figures: true }],
    ...[{ title: 'PUSHED', figures: true }, { title: 'OVERTAKEN', figures: true }, { title: '' }],
  ];
  const rows = destinations.map((one) => [
    ...[one.node, `${Math.round(100 * one.probability)} %`, inBytes(one.missingBlocks)],
    ...[inBytes(one.pushedBlocks), inBytes(one.overtakenBlocks), one.follows ? '' : 'does not follow'],
  ]);
  return [
    `S in use     ${s}`,
    `pushed       ${inBytes(pushedBlocks)}, durable there`,
    `arrived      ${inBytes(usefulBlocks)} useful, ${inBytes(wastedBlocks)} wasted, ${inBytes(missedBlocks)} missed in the first minute`,
    `spent        ${spent.toFixed(2)} in the window${paused === null ? '' : `; nothing more now, by the cap on ${paused}`}`,
    ...(rows.length === 0 ? [] : ['', formatTable(columns, rows)]),
  ];
}

function inBytes(blocks: number): string {
  return formatBytes(blocks * BLOCK_BYTES);
}
