// Power cuts of a recorded disk: its image as the cut may have left it is mounted, ext4 replays its journal, and the real
// store opens what is there. All that was promised by then must be there (S1, S3, S5). Needs root and namespaces of its
// own. Not a test itself.
import { mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LevelStore } from '../../blockd/catalogue/level-store.ts';
import { Converter } from '../../blockd/convert/converter.ts';
import { ImageShelf } from '../../blockd/image/image-shelf.ts';
import { LoneImages } from '../../blockd/image/lone-images.ts';
import type { Serve } from '../../blockd/image/served-image.ts';
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import { realClock } from '../../common/clock.ts';
import { type Disk, realDisk } from '../../common/disk/disk.ts';
import { messageOf } from '../../common/errors.ts';
import { createLog } from '../../common/log.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import { checkSums } from '../crash/told-versions.ts';
import type { Planted } from '../planted/planted.ts';
import { Prng } from '../sim/prng.ts';
import { ToldHistory } from './disk-events.ts';
import { CutDisk } from './recorded-disk.ts';
import { IMAGE_BYTES, type NotedEvent, type Recording, record, run } from './recording.ts';

/** Of one recording; then another one is made. */
const CUTS_PER_RECORDING = 200;
/** How many cuts come right after a flush, where the next step has not begun. */
const AT_FLUSH_CHANCE = 0.3;
const CHUNK_BYTES = 2 ** 20;
/** Of a file for what a cut leaves; the recorded disk is in the process. */
const MEMORY_BYTES = 128 * 2 ** 20;
/** After a power cut another kernel runs. */
const diskAfterCut: Disk = { ...realDisk, kernelRun: 'the run after the cut' };
const { signal } = new AbortController();

export interface CutsParts {
  readonly seed: number;
  readonly cuts: number;
  readonly plants?: readonly Planted[];
  readonly violated: (what: string) => void;
}

/** What the cuts were. */
export interface CutsTold {
  recordings: number;
  cuts: number;
  /** Cuts after which there was an image. */
  withImage: number;
  /** Steps of the recorded disks, writes and flushes. */
  steps: number;
}

/** Makes recordings, in memory, and cuts each at many moments. */
export async function runPowerCuts(parts: CutsParts): Promise<CutsTold> {
  const root = await mkdtemp(join(tmpdir(), 'cuts-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${MEMORY_BYTES}`, 'supercloud-test', root]);
  try {
    return await cutIn(root, parts);
  } finally {
    await run('umount', [root]);
    await rmdir(root);
  }
}

async function cutIn(root: string, { seed, cuts, plants = [], violated }: CutsParts): Promise<CutsTold> {
  const told: CutsTold = { recordings: 0, cuts: 0, withImage: 0, steps: 0 };
  const prng = new Prng(seed);
  while (told.cuts < cuts) {
    const directory = await mkdtemp(join(root, 'recording-'));
    const recording = await record(directory, prng, plants);
    told.recordings++;
    told.steps += recording.disk.log.length - recording.from;
    const disk = new CutDisk(recording.disk.bytes, recording.disk.log);
    for (const position of positions(recording, Math.min(CUTS_PER_RECORDING, cuts - told.cuts), prng)) {
      const found = await cutAt(recording, position, disk.after(position, prng), directory);
      for (const what of found.violations) violated(`recording ${told.recordings}, cut at step ${position}: ${what}`);
      told.cuts++;
      if (found.hasImage) told.withImage++;
    }
    await rm(directory, { recursive: true });
  }
  return told;
}

/** Where the power is cut, in order, from the mount of the empty file system to the last event. */
function positions({ disk, from, events }: Recording, count: number, prng: Prng): number[] {
  const end = events.at(-1)?.position ?? from;
  return Array.from({ length: count }, () => {
    const position = from + prng.integer(end - from + 1);
    if (!prng.chance(AT_FLUSH_CHANCE)) return position;
    return Math.max(from, disk.log.lastIndexOf('flush', position) + 1);
  }).sort((one, other) => one - other);
}

interface Found {
  readonly violations: readonly string[];
  readonly hasImage: boolean;
}

/** Mounts what the cut left and looks at it. */
async function cutAt(recording: Recording, position: number, disk: Buffer, directory: string): Promise<Found> {
  const [file, at] = [join(directory, 'after-cut'), join(directory, 'mounted')];
  await writeFile(file, disk);
  await mkdir(at, { recursive: true });
  await run('mount', ['-o', 'loop', file, at]);
  try {
    return await lookAt(join(at, 'data'), new Expected(recording.events, position));
  } catch (error) {
    return { violations: [`it does not open: ${messageOf(error)}`], hasImage: false };
  } finally {
    await run('umount', [at]);
  }
}

/** What was promised when the power was cut. */
class Expected {
  readonly history = new ToldHistory(IMAGE_BYTES);
  /** The epoch under which the image was served last; 0 when it never was. */
  readonly epoch: number;

  constructor(events: readonly NotedEvent[], position: number) {
    let served = 0;
    for (const { event } of events.filter((noted) => noted.position <= position)) {
      if (event.kind === 'served') served = event.epoch;
      else this.history.tell(event);
    }
    this.epoch = served;
  }
}

/** Opens the store as a start of the daemon does, and reads everything. */
async function lookAt(data: string, expected: Expected): Promise<Found> {
  await realDisk.makeDirectory(data);
  const devices: NbdDevice[] = [];
  const serve: Serve = async (device, image) => {
    devices.push(device);
    return { path: image, connections: 0, close: async () => undefined };
  };
  const catalogue = await LevelStore.open(join(data, 'heads'));
  const shelf = newShelf(data, serve);
  try {
    await shelf.start();
    const images = new LoneImages(shelf, catalogue);
    if (shelf.find('web') === undefined) {
      const violations = expected.epoch > 0 ? ['the image is gone (S1)'] : [];
      return { violations, hasImage: false };
    }
    await images.make([]);
    await images.endLast('web');
    await images.open('web', signal);
    return { violations: judge(shelf, catalogue.get('web').head.epoch, devices.at(-1), expected), hasImage: true };
  } finally {
    await shelf.close();
    await catalogue.close();
  }
}

function judge(shelf: ImageShelf, epoch: number, device: NbdDevice | undefined, expected: Expected): string[] {
  const violations: string[] = [];
  if (epoch <= expected.epoch) violations.push(`epoch ${epoch} is granted again (S3)`);
  const { store } = shelf.get('web').image;
  checkSums(store.table);
  const number = store.takeSequence() ?? 0;
  if (number <= store.table.lastSequence) violations.push(`write number ${number} was used before (S3)`);
  const read = Buffer.alloc(IMAGE_BYTES);
  for (let at = 0; at < IMAGE_BYTES; at += CHUNK_BYTES) {
    const isRead = device?.tryRead(at, read.subarray(at, at + CHUNK_BYTES), true) ?? false;
    if (!isRead) violations.push(`the MiB at ${at} has blocks that are not what their versions name (S5)`);
  }
  const at = expected.history.disk.restarted(read);
  if (at >= 0) violations.push(`the image at ${at} is nothing that it may be (S1)`);
  return violations;
}

function newShelf(state: string, serve: Serve): ImageShelf {
  return new ImageShelf({
    disk: diskAfterCut,
    clock: realClock,
    log: createLog('test', 'silent'),
    node: LONE_NODE,
    state,
    dial: () => Promise.reject(new Error('there is nobody')),
    serve,
    converter: new Converter({ disk: diskAfterCut, serve }),
  });
}
