// `supercloud crash`: the long form of the real crashes: a block daemon killed or failed at its system calls, and power cuts
// under a recorded ext4. Each broken promise is a line; the exit code is 1 then.
import { parseArgs } from 'node:util';
import { formatMs, ProgressLine } from '../../common/progress.ts';
import { checkHost } from '../../lab/host-check.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { bringLoopbackUp, isInside, runInside } from '../interop/own-namespaces.ts';
import { runKills, sayKills } from './kills.ts';
import { runMoves, sayMoves } from './moves.ts';
import { runPowerCuts } from './power-cuts.ts';

const KILLS = 100;
const CUTS = 200;
const MOVES = 40;

const HELP = `Usage: supercloud crash [options]

Real block daemons under a client that writes and flushes. The exit code is 1 if a promise was broken.

Options:
  --kills N   lives that are killed at their Nth storing system call, or in which that call fails
  --cuts N    power cuts: its ext4 lies on a disk that is recorded, is mounted as the cut left it, and opened
  --moves N   moves and snapshots of a disk between two daemons, one of which is killed at a system call, or both are
  --outages N the same, but a node's power goes at a step of its disk
  --seed S    what all are drawn from (default: drawn from the clock, and printed)
  Without any of them: ${KILLS} kills, ${CUTS} cuts, ${MOVES} moves and as many outages.

Examples:
  supercloud crash
  supercloud crash --kills 1000 --seed 7
  supercloud crash --cuts 1000
  supercloud crash --moves 500 --outages 500
`;

interface Wanted {
  readonly kills: number;
  readonly cuts: number;
  readonly moves: number;
  readonly outages: number;
  readonly seed: number;
}

function wanted(args: string[]): Wanted | undefined {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string' },
      cuts: { type: 'string' },
      moves: { type: 'string' },
      outages: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { kills, cuts, moves, outages } = values;
  const isPlain = [kills, cuts, moves, outages].every((count) => count === undefined);
  return {
    kills: Number(kills ?? (isPlain ? KILLS : 0)),
    cuts: Number(cuts ?? (isPlain ? CUTS : 0)),
    moves: Number(moves ?? (isPlain ? MOVES : 0)),
    outages: Number(outages ?? (isPlain ? MOVES : 0)),
    seed: Number(values.seed ?? Date.now() % 2 ** 31),
  };
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

const args = process.argv.slice(2);
const what = wanted(args);
if (what === undefined) process.stdout.write(HELP);
else if (isInside) {
  await bringLoopbackUp();
  await run(what);
} else {
  checkHost();
  await ensurePackages(['strace', 'e2fsprogs'], new ProgressLine());
  await runInside(import.meta.url, args, { addresses: true });
}
