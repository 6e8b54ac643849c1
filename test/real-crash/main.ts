// `supercloud crash`: the long form of the real crashes: a block daemon killed or failed at its system calls, and power cuts
// under a recorded ext4. Each broken promise is a line; the exit code is 1 then.
import { Command } from 'commander';
import { wholeNumber } from '../../cli/commands/numbers.ts';
import { exitCodeOf } from '../../common/terminal/error-report.ts';
import { formatMs, ProgressLine } from '../../common/terminal/progress.ts';
import { checkHost } from '../../lab/host-check.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { isInRoom, runInRoom } from '../own-room.ts';
import { runKills, sayKills } from './kills.ts';
import { runMoves, sayMoves } from './moves.ts';
import { runPowerCuts } from './power-cuts.ts';

const KILLS = 100;
const CUTS = 200;
const MOVES = 40;

const EXAMPLES = `
Without any count: ${KILLS} kills, ${CUTS} cuts, ${MOVES} moves and as many outages.

Examples:
  supercloud crash
  supercloud crash --kills 1000 --seed 7
  supercloud crash --cuts 1000
  supercloud crash --moves 500 --outages 500`;

interface Wanted {
  readonly kills: number;
  readonly cuts: number;
  readonly moves: number;
  readonly outages: number;
  readonly seed: number;
}

/** What is not named is left out; without any count everything is wanted. */
function wantedOf({ seed = Date.now() % 2 ** 31, ...counts }: Partial<Wanted>): Wanted {
  const isPlain = Object.keys(counts).length === 0;
  const { kills, cuts, moves, outages } = isPlain ? { kills: KILLS, cuts: CUTS, moves: MOVES, outages: MOVES } : counts;
  return { kills: kills ?? 0, cuts: cuts ?? 0, moves: moves ?? 0, outages: outages ?? 0, seed };
}

async function run({ kills, cuts, moves, outages, seed }: Wanted): Promise<void> {
  const begunMs = performance.now();
  let broken = 0;
  const violated = (what: string): void => {
    broken++;
    console.log(what);
  };
  const end = (): string =>
    `${broken === 0 ? 'no promise broken' : `${broken} broken`}, ${formatMs(performance.now() - begunMs)}`;
  if (kills > 0) {
    const told = await runKills({ seed, lives: kills, violated });
    console.log(`kills: ${kills} lives from seed ${seed}: ${sayKills(told)}; ${end()}`);
  }
  if (cuts > 0) {
    const told = await runPowerCuts({ seed, cuts, violated });
    const where = `${told.recordings} recordings of ${told.steps} steps`;
    console.log(`power cuts: ${told.cuts} from seed ${seed} in ${where}, ${told.withImage} with an image; ${end()}`);
  }
  for (const [title, strikes, count] of [
    ['moves', 'kill', moves],
    ['outages', 'cut', outages],
  ] as const) {
    if (count === 0) continue;
    const told = await runMoves({ seed, moves: count, strikes, violated });
    console.log(`${title}: ${count} moves from seed ${seed}: ${sayMoves(told)}; ${end()}`);
  }
  if (broken > 0) process.exitCode = 1;
}

async function main(args: string[]): Promise<void> {
  await new Command('supercloud crash')
    .description(
      'real block daemons under a client that writes and flushes; the exit code is 1 if a promise was broken',
    )
    .option(
      '--kills <count>',
      'lives killed at their Nth storing system call, or in which that call fails',
      wholeNumber,
    )
    .option('--cuts <count>', 'power cuts: its ext4 is mounted as the cut left it, and opened', wholeNumber)
    .option('--moves <count>', 'moves and snapshots of a disk between two daemons that are killed', wholeNumber)
    .option('--outages <count>', "the same, but a node's power goes at a step of its disk", wholeNumber)
    .option('--seed <number>', 'what all are drawn from (default: drawn from the clock, and printed)', wholeNumber)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .action(async (options: Partial<Wanted>) => {
      if (isInRoom) return run(wantedOf(options));
      checkHost();
      await ensurePackages(['strace', 'e2fsprogs'], new ProgressLine());
      await runInRoom(import.meta.url, args, { addresses: true });
    })
    .parseAsync(args, { from: 'user' })
    .catch((error: unknown) => {
      process.exitCode = exitCodeOf(error);
    });
}

await main(process.argv.slice(2));
