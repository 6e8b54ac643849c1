// What a note of a read or a write costs on the path of every request, on an image of 100 GB: time, and garbage.
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import { Propagator } from '../../blockd/propagation/propagator.ts';
import { Prng } from '../sim/prng.ts';

const BLOCKS = (100 * 2 ** 30) / 4096;
const NOTES = 4_000_000;
const ROUNDS = 5;

/** The best of five rounds, with two destinations; ns of CPU per note of one block, and bytes of garbage per note. */
export interface HeatCost {
  readonly readNs: number;
  readonly writeNs: number;
  readonly garbageBytes: number;
}

/** Notes at random places of 1 GB of the image, which is more than any processor's cache holds of it. */
export function measureHeat(): HeatCost {
  const prng = new Prng(1);
  const propagator = new Propagator({
    blocks: BLOCKS,
    place: 'east',
    hasData: () => true,
    isHeld: () => false,
    random: () => prng.next(),
    nowMs: 0,
  });
  propagator.setPlaces(['east', 'west', 'north'], []);
  propagator.configure({ ...DEFAULT_SETTINGS, policy: { mode: 'proactive' } }, 0);
  const blocks = Uint32Array.from({ length: NOTES }, () => prng.integer(262_144) + prng.integer(2) * 13_000_000);
  const time = (note: (block: number) => void): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      const started = process.cpuUsage();
      for (let at = 0; at < NOTES; at++) note(blocks[at] ?? 0);
      const { user, system } = process.cpuUsage(started);
      best = Math.min(best, ((user + system) * 1_000) / NOTES);
    }
    return best;
  };
  time((block) => propagator.noteWrite(block, 1));
  const before = process.memoryUsage().heapUsed;
  const writeNs = time((block) => propagator.noteWrite(block, 1));
  const readNs = time((block) => propagator.noteRead(block, 1));
  return { readNs, writeNs, garbageBytes: (process.memoryUsage().heapUsed - before) / (2 * ROUNDS * NOTES) };
}
