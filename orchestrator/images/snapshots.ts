// Snapshots, and what is made of them. The catalogue commits the images to a cut, their node makes it in one moment, the
// catalogue records it; a cut whose end was not seen is finished or taken back by what its node says.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import { newLayerId } from '../../common/layer-id.ts';
import type { Log } from '../../common/log.ts';
import type { CutImage, ExportedFile } from '../../wire/contracts/blockd.ts';
import type { Head, Snapshot, SnapshotDisk } from '../../wire/contracts/catalogue.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import { exportLayers, type ImageTarget, type Watch } from './layer-export.ts';
import type { LayerSweep } from './layer-sweep.ts';

export interface SnapshotsParts {
  readonly cluster: Cluster;
  readonly admission: Admission;
  readonly sweep: LayerSweep;
  readonly clock: Clock;
  readonly log: Log;
}

export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #cluster: Cluster;
  /** Cuts that a call of this process sees to. */
  readonly #underWay = new Set<string>();

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
    this.#cluster = parts.cluster;
  }

  async list(): Promise<Snapshot[]> {
    return (await this.#cluster.controller.catalogue.call('snapshot.list', {})).snapshots;
  }

  /** @throws OperationError NO_SNAPSHOT */
  async get(name: string): Promise<Snapshot> {
    const snapshots = await this.list();
    const found = snapshots.find(({ snapshot }) => snapshot === name);
    if (found !== undefined) return found;
    const known = snapshots.map(({ snapshot }) => snapshot);
    throw new OperationError('NO_SNAPSHOT', `there is no snapshot ${name}`, {
      remedy: known.length > 0 ? `the snapshots are ${known.join(', ')}` : `make one with 'supercloud snapshot create'`,
    });
  }

  /**
   * Takes a snapshot of images in one moment; whoever writes them waits for some milliseconds.
   * @throws OperationError SNAPSHOT_EXISTS, SNAPSHOT_PENDING, NO_IMAGE and those of catalogue and node
   */
  async create(snapshot: string, images: readonly string[]): Promise<Snapshot> {
    const { catalogue } = this.#cluster.controller;
    const heads = await Promise.all(images.map((image) => catalogue.call('image.head', { image })));
    const cuts = heads.map(({ image, stack }) => ({ image, generation: stack.generation, layer: newLayerId() }));
    const cut = randomBytes(8).toString('hex');
    this.#underWay.add(cut);
    try {
      const begun = await catalogue.call('snapshot.begin', { cut, snapshot, cuts });
      return await this.#make(cut, snapshot, begun.heads);
    } finally {
      this.#underWay.delete(cut);
    }
  }

  async #make(cut: string, snapshot: string, heads: readonly Head[]): Promise<Snapshot> {
    const node = writerOf(heads);
    let sealed: CutImage[] = [];
    try {
      if (node !== undefined) sealed = await this.#cutAt(node, cut, heads);
    } catch (error) {
      return this.#afterFailure(cut, snapshot, heads, error);
    }
    return this.#finish(cut, snapshot, sealed);
  }

  async #cutAt(node: string, cut: string, heads: readonly Head[]): Promise<CutImage[]> {
    const cuts = openOnes(heads).map(({ image, stack, cut: own }) => ({
      ...{ image, layer: own?.layer ?? '' },
      generation: stack.generation,
    }));
    return (await this.#cluster.clients(node).blockd.call('image.cut', { cut, cuts })).sealed;
  }

  #finish(cut: string, snapshot: string, sealed: CutImage[]): Promise<Snapshot> {
    const atMs = this.#parts.clock.wallMs();
    return this.#cluster.controller.catalogue.call('snapshot.finish', { cut, snapshot, sealed, atMs });
  }

  /** The node may have cut all the same; it says so, or that it never will. */
  async #afterFailure(cut: string, snapshot: string, heads: readonly Head[], error: unknown): Promise<Snapshot> {
    const made = await this.#settle(cut, snapshot, heads).catch((cause: unknown) => {
      throw new OperationError('SNAPSHOT_PENDING', `snapshot ${snapshot} is not made yet: ${messageOf(error)}`, {
        cause,
        remedy: 'it is finished or taken back as soon as the node answers; look with supercloud snapshot list',
      });
    });
    if (made === undefined) throw error;
    return made;
  }

  /** Ends a cut one way or the other; undefined when it is taken back. */
  async #settle(cut: string, snapshot: string, heads: readonly Head[]): Promise<Snapshot | undefined> {
    const node = writerOf(heads);
    const images = openOnes(heads).map(({ image }) => image);
    const ended = node === undefined ? { sealed: [] } : await this.#cancelAt(node, cut, images);
    if (node === undefined || ended.sealed.length > 0) return this.#finish(cut, snapshot, ended.sealed);
    await this.#cluster.controller.catalogue.call('snapshot.abort', { cut });
    return undefined;
  }

  #cancelAt(node: string, cut: string, images: string[]): Promise<{ sealed: CutImage[] }> {
    return this.#cluster.clients(node).blockd.call('cut.cancel', { cut, images });
  }

  /** Once more the cuts that nobody sees to: after a restart, or when a node was away. */
  async tidy(): Promise<void> {
    const { heads } = await this.#cluster.controller.catalogue.call('image.list', {});
    const cuts = new Map(heads.flatMap(({ cut }) => (cut === null ? [] : [[cut.id, cut.snapshot]])));
    for (const [cut, snapshot] of cuts) {
      if (cut === undefined || snapshot === undefined || this.#underWay.has(cut)) continue;
      const held = heads.filter((head) => head.cut?.id === cut);
      try {
        await this.#settle(cut, snapshot, held);
      } catch (error) {
        this.#parts.log.warn({ snapshot, reason: messageOf(error) }, 'a snapshot is neither made nor taken back yet');
      }
    }
  }

  /** Forgets a snapshot; answers the nodes that have not let go of its layers yet. @throws OperationError NO_SNAPSHOT */
  async delete(snapshot: string): Promise<string[]> {
    await this.get(snapshot);
    const nodes = this.#cluster.endpoints().map(({ node }) => node);
    const { leaving } = await this.#cluster.controller.catalogue.call('snapshot.remove', { snapshot, nodes });
    return this.#parts.sweep.sweepOf(leaving);
  }

  /** A new image on a snapshot, without copying. @throws OperationError IMAGE_EXISTS, IMAGE_BUSY, NO_SNAPSHOT, SAY_DISK */
  clone(image: string, from: string, disk: string | undefined): Promise<Head> {
    return this.#parts.admission.withImage(image, 'made', async () => {
      const source = diskOf(await this.get(from), disk);
      const order = { image, layer: newLayerId(), snapshot: from, disk: source.image };
      return this.#cluster.controller.catalogue.call('image.clone', order);
    });
  }

  /** Writes a snapshot to a new file of a node that has all its blocks. @throws OperationError NO_SNAPSHOT, SAY_DISK and others */
  async export(
    snapshot: string,
    disk: string | undefined,
    target: ImageTarget,
    watch: Watch,
  ): Promise<{ node: string; file: ExportedFile }> {
    return exportLayers(this.#parts, diskOf(await this.get(snapshot), disk), target, watch);
  }
}

function openOnes(heads: readonly Head[]): Head[] {
  return heads.filter(({ writer }) => writer !== null);
}

/** The node that writes those that are open; the catalogue saw to it that there is one. */
function writerOf(heads: readonly Head[]): string | undefined {
  return openOnes(heads)[0]?.writer ?? undefined;
}

/** The one disk, or the one that is meant. */
function diskOf({ snapshot, disks }: Snapshot, image: string | undefined): SnapshotDisk {
  const names = disks.map((disk) => disk.image).join(', ');
  const [only, ...others] = image === undefined ? disks : disks.filter((disk) => disk.image === image);
  if (only !== undefined && others.length === 0) return only;
  throw new OperationError('SAY_DISK', `snapshot ${snapshot} is of ${names}`, { remedy: 'say which with --disk' });
}
