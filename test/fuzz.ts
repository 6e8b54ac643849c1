// `supercloud fuzz`: the fuzz tests of every run again and again, from one seed to the next, each in a process of its own. A
// seed that breaks a promise is printed with what its test says; the exit code is 1 then.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { wholeNumber } from '../cli/commands/numbers.ts';
import { exitCodeOf } from '../common/terminal/error-report.ts';
import { formatMs } from '../common/terminal/progress.ts';
import { SEED_WORD, TIMES_WORD } from './fuzz-inputs.ts';

/** One protocol's test, and how many inputs an everyday run of it takes. */
interface Subject {
  readonly file: string;
  readonly inputs: number;
  /** It needs root and Open vSwitch, and takes minutes a seed. */
  readonly isByNameOnly?: true;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  nbd: { file: 'unit/blockd/nbd-fuzz.test.ts', inputs: 20_000 },
  peers: { file: 'unit/blockd/peer-fuzz.test.ts', inputs: 4_800 },
  heard: { file: 'unit/blockd/peer-heard-fuzz.test.ts', inputs: 20_000 },
  messagepack: { file: 'unit/common/messagepack.test.ts', inputs: 20_000 },
  records: { file: 'unit/common/record.test.ts', inputs: 20_000 },
  frames: { file: 'unit/blockd/peer-frame.test.ts', inputs: 20_000 },
  ovsdb: { file: 'unit/ovsdb/ovsdb-fuzz.test.ts', inputs: 10_000 },
  'openflow-sessions': { file: 'unit/sdnd/alone/lone-fuzz.test.ts', inputs: 2_000 },
  'guest-frames': { file: 'unit/guest-services/guest-frames-fuzz.test.ts', inputs: 25_000 },
  'overlay-trace': { file: 'interop/overlay-trace.test.ts', inputs: 4_000, isByNameOnly: true },
  openflow: { file: 'unit/openflow/round-trip.test.ts', inputs: 40_000 },
};
const SEEDS = 10;
/** As often as in an everyday run: a process takes longer to start than for its first ten thousand sessions. */
const TIMES = 10;

const EXAMPLES = `
Examples:
  supercloud fuzz
  supercloud fuzz --subject nbd --seeds 500 --seed 1`;

interface Options {
  readonly subject?: string;
  readonly seeds: number;
  readonly times: number;
  readonly seed?: number;
}

/** Runs the test of one seed. Answers what it said if it failed, else nothing. */
function runSeed({ file }: Subject, seed: number, times: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL(file, import.meta.url))], {
      env: { ...process.env, [SEED_WORD]: `${seed}`, [TIMES_WORD]: `${times}`, FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', (code) =>
      resolve(code === 0 && /Total:\s+[1-9]/.test(said) ? '' : `${said}\nended with ${code}`),
    );
  });
}

interface Seeds {
  readonly first: number;
  readonly seeds: number;
  readonly times: number;
}

async function fuzz(name: string, subject: Subject, { first, seeds, times }: Seeds): Promise<void> {
  const begunMs = performance.now();
  let failures = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const said = await runSeed(subject, seed, times);
    if (said === '') continue;
    failures++;
    console.log(`${name}, seed ${seed}: ${said}`);
  }
  const end = failures === 0 ? 'no promise broken' : `${failures} seeds broke a promise`;
  const inputs = (seeds * times * subject.inputs).toLocaleString('en');
  console.log(
    `${name}: ${inputs} inputs of ${seeds} seeds from ${first}: ${end}, ${formatMs(performance.now() - begunMs)}`,
  );
  if (failures > 0) process.exitCode = 1;
}

async function run({ subject: only, seeds, times, seed: first = Date.now() % 2 ** 31 }: Options): Promise<void> {
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    if (only === undefined ? !subject.isByNameOnly : only === name) await fuzz(name, subject, { first, seeds, times });
  }
}

await new Command('supercloud fuzz')
  .description(
    'changed sessions of NBD, streams of peers and messages of the other protocols; the exit code is 1 if one was answered otherwise than promised',
  )
  .addOption(
    new Option('--subject <name>', 'of which protocol (default: all but overlay-trace)').choices(Object.keys(SUBJECTS)),
  )
  .option('--times <count>', 'inputs of a seed, in everyday runs of its test', wholeNumber, TIMES)
  .option('--seeds <count>', 'how many', wholeNumber, SEEDS)
  .option('--seed <number>', 'the first (default: drawn from the clock, and printed)', wholeNumber)
  .addHelpText('after', EXAMPLES)
  .exitOverride()
  .action(run)
  .parseAsync(process.argv.slice(2), { from: 'user' })
  .catch((error: unknown) => {
    process.exitCode = exitCodeOf(error);
  });
