// `supercloud lab wan`: shows the WAN of the running lab and changes it, through the lab's own door. It only asks and
// prints; what a link does with its settings is the emulator's business.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { Type } from '#typebox';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import { SchemaCheck } from '../common/schema-check.ts';
import { parseByteSize } from '../common/terminal/byte-size.ts';
import { jsonText, writeJsonFile } from '../common/terminal/json-file.ts';
import { formatBytes, formatMs } from '../common/terminal/progress.ts';
import { formatTable } from '../common/terminal/table.ts';
import { CURRENT_CONTEXT } from './run-directory.ts';
import type { LinkSettings } from './wan/link.ts';
import { LINK_LIMITS } from './wan/order.ts';
import { WanAnswer, type WanOrder, type WanView } from './wan-door.ts';

/** The lab answers at once unless its machine is overloaded. */
const ANSWER_TIMEOUT_MS = 15_000;

const EXAMPLES = `
Examples:
  supercloud lab wan                                            every link, and what it did so far
  supercloud lab wan alpha beta --rtt 150 --rate 50 --loss 2    both directions
  supercloud lab wan alpha beta --queue 1M --one-way            only what alpha sends to beta
  supercloud lab wan alpha beta --cut                           nothing passes any more
  supercloud lab wan alpha beta --mend                          it does again
  supercloud lab wan --reset                                    every link as it was at the start
  supercloud lab wan --json=FILE                                the figures into a file`;

/** What was typed, as commander has it. */
export interface WanWords {
  readonly rtt?: number;
  readonly rate?: number;
  readonly loss?: number;
  readonly queue?: number;
  readonly cut?: true;
  readonly mend?: true;
  readonly oneWay?: true;
  readonly reset?: true;
  readonly json?: string | true;
  readonly context?: string;
}

function usage(message: string, remedy: string): OperationError {
  return new OperationError('USAGE', message, { remedy });
}

/** A reader of a number between two limits, which names both, and an example, when it refuses. */
function between([least, most]: readonly [number, number], example: string, unit: string): (text: string) => number {
  const [option] = example.split(' ');
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    throw usage(`${option} '${text}' is no number of ${unit} from ${least} to ${most}`, `say ${example}`);
  };
}

function queueSize(text: string): number {
  const [, most] = LINK_LIMITS.queueBytes;
  const bytes = parseByteSize(text);
  if (bytes !== undefined && bytes <= most) return bytes;
  throw usage(`--queue '${text}' is no size up to ${most} bytes`, 'say --queue 1M, or 64K, or a number of bytes');
}

/** The order that the words mean. @throws OperationError USAGE */
export function orderOf(clouds: readonly string[], words: WanWords): WanOrder {
  const change = changeOf(words);
  const isChange = Object.keys(change).length > 0;
  const [from, to, ...more] = clouds;
  if (words.reset === true && isChange) throw usage('--reset takes no other setting', 'say one after the other');
  if (from === undefined) {
    if (isChange || words.oneWay === true) throw usage('which link?', 'name two clouds: supercloud lab wan alpha beta');
    return { order: words.reset === true ? 'reset' : 'show' };
  }
  if (to === undefined || more.length > 0) throw usage('a link lies between two clouds', 'name two, as alpha beta');
  const links =
    words.oneWay === true
      ? [{ from, to }]
      : [
          { from, to },
          { from: to, to: from },
        ];
  if (words.reset === true) return { order: 'reset', links };
  if (!isChange) throw usage(`what shall become of ${from} and ${to}?`, 'say --rtt, --rate, --loss, --queue or --cut');
  return { order: 'change', links, change };
}

function changeOf({ rtt, rate, loss, queue, cut, mend }: WanWords): Partial<LinkSettings> {
  if (cut === true && mend === true) throw usage('--cut and --mend are opposites', 'say one of them');
  return {
    ...(rtt !== undefined && { delayMs: rtt / 2 }),
    ...(rate !== undefined && { rateMbit: rate }),
    ...(loss !== undefined && { lossPercent: loss }),
    ...(queue !== undefined && { queueBytes: queue }),
    ...((cut === true || mend === true) && { up: mend === true }),
  };
}

const context = new SchemaCheck(Type.Object({ wan: Type.String() }));
const answers = new SchemaCheck(WanAnswer);

function noLab(message: string, cause?: unknown): OperationError {
  return new OperationError('NO_LAB', message, { remedy: "start one with './supercloud lab', and leave it up", cause });
}

/** The path of the door of the lab that the context is of. @throws OperationError NO_LAB */
export function doorOf(file: string): string {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? `no context at ${file}` : messageOf(cause);
    throw noLab(`no lab is known to run here (${why})`, cause);
  }
  if (context.accepts(value)) return value.wan;
  throw noLab(`${file} is the context of a cluster that is no lab, or of a lab of an earlier release`);
}

/** Asks the lab behind the door. @throws OperationError NO_LAB, BAD_ANSWER, or the lab's own refusal */
export async function askWan(path: string, order: WanOrder): Promise<WanView> {
  const answer: unknown = JSON.parse(await exchange(path, `${JSON.stringify(order)}\n`));
  if (!answers.accepts(answer)) throw new OperationError('BAD_ANSWER', `the lab's answer: ${answers.fault(answer)}`);
  if ('wan' in answer) return answer.wan;
  const { code, message, remedy } = answer.error;
  throw new OperationError(code, message, { remedy });
}

async function exchange(path: string, line: string): Promise<string> {
  const socket = connect({ path, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  try {
    socket.write(line);
    const said = await text(socket);
    if (said !== '') return said;
  } catch (cause) {
    throw noLab(`the lab does not answer at ${path}: ${messageOf(cause)}`, cause);
  } finally {
    socket.destroy();
  }
  throw noLab(`the lab hung up at ${path}`);
}

/** For a person: a line per direction, and how exact the emulator is. */
export function wanTable(view: WanView): string {
  const figures = ['DELAY', 'RATE', 'LOSS', 'QUEUE', 'UP', 'FRAMES', 'BYTES', 'DROPS', 'LOST'];
  const columns = [{ title: 'FROM' }, { title: 'TO' }, ...figures.map((title) => ({ title, figures: true }))];
  const rows = view.perLink.map((link) => [
    ...[link.from, link.to, `${link.delayMs} ms`, `${link.rateMbit} Mbit/s`, `${link.lossPercent} %`],
    ...[formatBytes(link.queueBytes), link.up ? 'up' : 'cut', `${link.frames}`, formatBytes(link.bytes)],
    ...[`${link.drops}`, `${link.lost}`],
  ]);
  return `${formatTable(columns, rows)}\n\n${exactness(view)}`;
}

function exactness({ worstLatenessMs, meanLatenessMs, overruns, realTime }: WanView): string {
  const worst = `the emulator's worst lateness ${formatMs(worstLatenessMs)}, in the mean ${meanLatenessMs.toFixed(2)} ms`;
  const lost = overruns === 0 ? '' : `; it lost ${overruns} frames itself, so figures taken meanwhile are void`;
  return `${worst}${lost}${realTime ? '' : '; this machine gives it no real-time priority'}`;
}

async function run(clouds: readonly string[], words: WanWords): Promise<void> {
  const order = orderOf(clouds, words);
  const view = await askWan(doorOf(words.context ?? process.env.SUPERCLOUD_CONTEXT ?? CURRENT_CONTEXT), order);
  process.stdout.write(words.json === true ? jsonText(view) : `${wanTable(view)}\n`);
  if (typeof words.json === 'string') writeJsonFile(words.json, view);
}

const { delayMs, rateMbit, lossPercent } = LINK_LIMITS;

export const wanCommand = new Command('wan')
  .description('the WAN of the running lab: show its links, change them, cut them')
  .argument('[clouds...]', 'the two ends of the link to change')
  .option('--rtt <ms>', 'round trip; each direction takes half', between([0, 2 * delayMs[1]], '--rtt 150', 'ms'))
  .option('--rate <Mbit/s>', 'what passes per second', between(rateMbit, '--rate 50', 'Mbit/s'))
  .option('--loss <percent>', 'frames lost by chance', between(lossPercent, '--loss 2', 'per cent'))
  .option('--queue <bytes>', 'what may wait for the line (64K, 1M); more is dropped', queueSize)
  .option('--cut', 'let nothing pass; what is on the way is lost')
  .option('--mend', 'end a cut')
  .option('--one-way', 'only from the first cloud to the second')
  .option('--reset', 'as at the start: every link, or the one that is named')
  .option('--json [file]', 'print JSON, or write it to a file')
  .option('--context <file>', 'the lab to speak to (default: the newest that runs)')
  .addHelpText('after', EXAMPLES)
  .action(run);
