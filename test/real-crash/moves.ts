// Moves and snapshots of a disk between two real block daemons, one of which is struck at a moment that the seed draws, or both
// are: in the hold and around it, while the stand-by follows, while a copy is kept, while a layer is cut and seeded, while blocks are
// pulled. Not a test itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import { messageOf } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { PropagationPolicy } from '../../wire/contracts/propagation.ts';
import { BlockdNode } from '../interop/blockd-node.ts';
import { type Planted, planting } from '../planted/planted.ts';
import { Prng } from '../sim/prng.ts';
import { CutStriker, type SideSteps } from './cut-striker.ts';
import { KillStriker, type SideCounts } from './kill-striker.ts';
import { IMAGE, MovingDisk } from './moving-disk.ts';
import { MovingGuest } from './moving-guest.ts';
import type { Held, Side, Striker } from './striker.ts';

const IMAGE_BYTES = 6 * 2 ** 20;
/** Then another image begins, and with it other daemons. */
const MOVES_PER_IMAGE = 6;
const SIDES: readonly [readonly Side[], ...(readonly Side[])[]] = [
  ['source'],
  ['destination'],
  ['source'],
  ['destination'],
  ['source', 'destination'],
];
/** Of moves that come to their decision; the others' guests have to go on where they are. */
const REFUSES_CHANCE = 0.25;
/** Of an image: its flushes wait for nobody, or for the other store too, or blocks are pushed there ahead. */
const POLICIES: readonly [PropagationPolicy, ...PropagationPolicy[]] = [
  { mode: 'on-demand' },
  { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'wait' },
  { mode: 'proactive' },
];
const SNAPSHOT_CHANCE = 0.3;
const PULL_CHANCE = 0.4;
const LOOK_CHANCE = 0.3;
/** Of one move with all that belongs to it, on a busy machine too. */
const MOVE_MAX_MS = 120_000;
/** The count of calls is per thread. */
const THREADS = { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' };

export interface MovesParts {
  readonly seed: number;
  readonly moves: number;
  /** `kill`: a daemon dies at a system call. `cut`: its node's power goes. */
  readonly strikes: 'kill' | 'cut';
  readonly plants?: readonly Planted[];
  /** What comes after a broken promise may wait for what is not there any more: then the run is over. */
  readonly endsWhenBroken?: true;
  readonly violated: (what: string) => void;
}

/** What the moves were. */
export interface MovesTold {
  moved: number;
  refused: number;
  /** Taken back, since the guest's flushes waited too long for the other store. */
  heldUp: number;
  snapshots: number;
  /** Strikes that hit. */
  sources: number;
  destinations: number;
  answered: number;
}

/** In one line. */
export function sayMoves({ moved, refused, heldUp, snapshots, sources, destinations, answered }: MovesTold): string {
  const struck = `${sources} sources and ${destinations} destinations struck`;
  return `${moved} moved, ${refused} stayed, ${heldUp} held up, ${snapshots} snapshots; ${struck}; ${answered} requests answered`;
}

/** Makes the moves one after the other and says what they were. Wants addresses of its own. */
export async function runMoves(parts: MovesParts): Promise<MovesTold> {
  const told: MovesTold = { moved: 0, refused: 0, heldUp: 0, snapshots: 0, sources: 0, destinations: 0, answered: 0 };
  const prng = new Prng(parts.seed);
  const root = await mkdtemp(join(tmpdir(), 'moves-'));
  const [counts, steps]: [SideCounts, SideSteps] = [new Map(), new Map()];
  try {
    let isBroken = false;
    const violated = (what: string): void => {
      isBroken = true;
      parts.violated(what);
    };
    const isOver = (): boolean => isBroken && parts.endsWhenBroken === true;
    for (let done = 0; done < parts.moves && !isOver(); done += MOVES_PER_IMAGE) {
      const own = await mkdtemp(join(root, 'image-'));
      const isKill = parts.strikes === 'kill';
      const striker = isKill ? new KillStriker(own, prng, counts) : await CutStriker.begin(own, prng, steps);
      const struck = new StruckMoves({ ...parts, root: own, prng, told, striker, violated, isOver });
      await struck.run(Math.min(MOVES_PER_IMAGE, parts.moves - done));
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return told;
}

interface StruckParts extends Pick<MovesParts, 'plants' | 'violated'> {
  readonly root: string;
  readonly prng: Prng;
  readonly told: MovesTold;
  readonly striker: Striker;
  readonly isOver: () => boolean;
}

/** The moves of one image. */
class StruckMoves {
  readonly #parts: StruckParts;
  #where = 'at the start';

  constructor(parts: StruckParts) {
    this.#parts = parts;
  }

  async run(moves: number): Promise<void> {
    const { root, prng, told, striker, isOver, plants = [] } = this.#parts;
    const violated = (what: string): void => this.#parts.violated(`${this.#where}: ${what}`);
    const nodes = await this.#nodes();
    const guest = new MovingGuest({ prng, image: IMAGE, bytes: IMAGE_BYTES, violated });
    const planted = planting([...striker.plants, ...plants]);
    const env = { ...planted, ...THREADS, NODE_COMPILE_CACHE: join(root, '..', 'compiled') };
    const start = async (node: BlockdNode): Promise<void> => {
      const own = await striker.revive(node.name);
      await node.start({ env: { ...env, ...own }, isQuiet: true });
    };
    const policy = prng.pick(POLICIES);
    const propagation = { ...DEFAULT_SETTINGS, policy };
    const disk = new MovingDisk({ nodes, bytes: IMAGE_BYTES, guest, propagation, start, violated });
    try {
      await disk.begin();
      for (let move = 1; move <= moves && !isOver(); move++) await inTime(this.#one(disk, guest), disk);
    } catch (error) {
      violated(`it does not come to its end: ${messageOf(error)}`);
    } finally {
      guest.end();
      await disk.end();
      for (const node of nodes) node.close();
      await striker.end();
      told.answered += guest.answered;
    }
  }

  async #nodes(): Promise<readonly [BlockdNode, BlockdNode]> {
    const authority = await createAuthority();
    const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
    const make = async (name: string, address: string): Promise<BlockdNode> => {
      const state = await this.#parts.striker.stateOf(name);
      const more = state === undefined ? {} : { state };
      return BlockdNode.make(authority, controller, this.#parts.root, name, address, more);
    };
    return [await make('a', '127.0.0.1'), await make('b', '127.0.0.2')];
  }

  async #one(disk: MovingDisk, guest: MovingGuest): Promise<void> {
    const { prng, told, striker } = this.#parts;
    const isPeace = !striker.isReady;
    const sides: readonly Side[] = isPeace ? ['source', 'destination'] : prng.pick(SIDES);
    const held: { readonly side: Side; readonly held: Held }[] = [];
    for (const side of sides) held.push({ side, held: await this.#hold(disk, guest, side) });
    this.#where = held.map((one) => one.held.how).join(', ');
    if (isPeace || prng.chance(SNAPSHOT_CHANCE)) {
      await disk.snapshot();
      told.snapshots++;
    }
    const end = await disk.move(!isPeace && prng.chance(REFUSES_CHANCE));
    told[end === 'held up' ? 'heldUp' : end]++;
    if (isPeace && end !== 'moved')
      this.#parts.violated(`${this.#where}: the move was refused, though nothing happened`);
    if (isPeace || prng.chance(PULL_CHANCE)) await disk.pull(() => guest.look());
    else if (prng.chance(LOOK_CHANCE)) await guest.look();
    for (const one of held) {
      const hit = await one.held.letGo();
      if (hit) told[one.side === 'source' ? 'sources' : 'destinations']++;
    }
  }

  #hold(disk: MovingDisk, guest: MovingGuest, side: Side): Promise<Held> {
    const node = side === 'source' ? disk.writer : disk.other;
    return this.#parts.striker.hold(node, side, () => {
      if (disk.writer === node) guest.losePower();
    });
  }
}

/** @throws Error when a move takes too long, with what it waits for */
async function inTime(move: Promise<void>, disk: MovingDisk): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`a move hangs: it waits for ${disk.doing}`)), MOVE_MAX_MS);
  });
  try {
    await Promise.race([move, late]);
  } finally {
    clearTimeout(timer);
  }
}
