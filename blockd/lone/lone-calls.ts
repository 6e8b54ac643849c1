// What a person may ask of a blockd that is alone, each in a few lines. Its images are open as long as it runs.
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import { newLayerId } from '../../common/layer-id.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import { type aloneContract, LONE_NODE } from '../../wire/contracts/alone.ts';
import type { Head, Snapshot, SnapshotDisk } from '../../wire/contracts/catalogue.ts';
import type { ImageState } from '../../wire/contracts/cluster-state.ts';
import { snapshotOf } from '../catalogue/catalogue-layer-calls.ts';
import type { LoneImages } from '../image/lone-images.ts';
import type { KeptRoom } from './kept-room.ts';
import type { LoneCuts } from './lone-cuts.ts';
import type { LoneLayers } from './lone-layers.ts';
import type { LoneMerges } from './lone-merges.ts';
import { HERE, type LoneNode } from './lone-node.ts';

export interface LoneParts {
  readonly node: LoneNode;
  readonly images: LoneImages;
  readonly cuts: LoneCuts;
  readonly layers: LoneLayers;
  readonly merges: Pick<LoneMerges, 'look'>;
  /** For deletions. */
  readonly room: KeptRoom;
}

/** The handlers of those calls. */
export function loneCalls({ node, images, cuts, layers, merges, room }: LoneParts): Handlers<typeof aloneContract> {
  const { records, catalogue, store, shelf } = node;
  /** Names of images that are being made. */
  const making = new Set<string>();
  const inTurn = <T>(step: () => Promise<T>): Promise<T> => node.inTurn(step);
  const open = async (image: string): Promise<Head> => {
    await images.open(image, HERE.signal);
    return records.get(image).head;
  };
  const refuse = (image: string): void => {
    if (making.has(image)) throw beingMade(image);
    refuseTaken(node, image);
  };
  const swept = async (): Promise<{ waitsFor: string[] }> => {
    const isGone = await layers.sweep(true);
    await room.keep();
    void merges.look();
    return { waitsFor: isGone ? [] : [LONE_NODE] };
  };
  return {
    'image.create': async ({ image, path, format, bytes }, context) => {
      refuse(image);
      making.add(image);
      try {
        const layer = newLayerId();
        if (path !== undefined) {
          const order = { image, layer, path, ...(format === undefined ? {} : { format }) };
          await store['image.import'](order, context);
        } else await store['image.create']({ image, layer, bytes: bytes ?? 0 }, HERE);
        return await inTurn(async () => {
          await images.make([]);
          return open(image);
        });
      } finally {
        making.delete(image);
      }
    },
    'image.list': () => ({ images: records.heads.map((head) => judged(node, head)) }),
    'image.show': ({ image }) => stateOf(node, node.usable(image)),
    'image.clone': ({ image, from, disk }) =>
      inTurn(async () => {
        refuse(image);
        const source = diskOf(snapshotOf(records, from), disk);
        await catalogue['image.clone']({ image, layer: newLayerId(), snapshot: from, disk: source.image }, HERE);
        await images.make([]);
        return open(image);
      }),
    'image.resize': ({ image, bytes }) => inTurn(() => cuts.grow(image, bytes)),
    'image.delete': ({ image }) =>
      inTurn(async () => {
        records.get(image);
        const isHere = shelf.find(image) !== undefined;
        // It would be closed, and then not be deleted.
        if (isHere) await room.useFor(() => cuts.settleStanding([image]));
        await room.useFor(() => (isHere ? images.endLast(image) : images.giveUp(image))).catch(usedAlone);
        await room.useFor(async () => catalogue['image.remove']({ image, nodes: [LONE_NODE] }, HERE));
        return swept();
      }),
    'image.scrub': async ({ image }, context) => ({
      node: LONE_NODE,
      report: await store['image.scrub']({ image: node.usable(image).image }, context),
    }),
    'layer.leaving': () => ({ leaving: records.leaving }),
    'snapshot.create': ({ snapshot, images: names }) => inTurn(() => cuts.snapshot(snapshot, names)),
    'snapshot.list': () => ({ snapshots: records.snapshots }),
    'snapshot.export': async ({ snapshot, disk, path, format }, context) => {
      const { image, bytes, layers: stack } = diskOf(snapshotOf(records, snapshot), disk);
      const order = { image, bytes, layers: stack, path, format };
      return { node: LONE_NODE, file: await Promise.resolve(store['image.export'](order, context)).catch(lostAlone) };
    },
    'snapshot.delete': ({ snapshot }) =>
      inTurn(async () => {
        await room.useFor(async () => catalogue['snapshot.remove']({ snapshot, nodes: [LONE_NODE] }, HERE));
        return swept();
      }),
    'metrics.show': async () => ({
      nodes: [{ node: LONE_NODE, metrics: await store['store.metrics']({}, HERE) }],
      members: [{ node: LONE_NODE, cloud: LONE_NODE }],
      unreachable: [],
    }),
  };
}

/** Of an image that cannot be used, why; it is open for nobody. */
function judged(node: LoneNode, head: Head): Head {
  try {
    return node.usable(head.image);
  } catch (error) {
    return { ...head, writer: null, doubt: messageOf(error) };
  }
}

async function stateOf({ store }: LoneNode, head: Head): Promise<ImageState> {
  const { stack, last, bytes } = head;
  const top = await store['image.show']({ image: head.image }, HERE);
  const { layers } = await store['layer.list']({}, HERE);
  const sealed = [
    { layer: stack.layer, bytes, lastSequence: Math.max(top.lastSequence, last.lastSequence) },
    ...stack.below,
  ];
  return {
    ...{ head, heat: null, recovery: null, readers: [], unreachable: [] },
    stores: [{ node: LONE_NODE, store: top }],
    layers: sealed.map(({ layer, bytes: size, lastSequence }) => ({
      ...{ layer, bytes: size, lastSequence, isTop: layer === stack.layer },
      holders: layers.filter((one) => one.layer === layer).map((one) => ({ node: LONE_NODE, layer: one })),
    })),
  };
}

/** No machine is of this blockd. */
function usedAlone(error: unknown): never {
  if (codeOf(error) !== 'IMAGE_IN_USE') throw error;
  throw new OperationError('IMAGE_IN_USE', messageOf(error), {
    remedy: 'Stop what is connected to its socket: a machine, an NBD client, or a mount of supercloud fuse.',
    cause: error,
  });
}

/** Nothing is elsewhere: what is missing has rotted. */
function lostAlone(error: unknown): never {
  if (codeOf(error) !== 'BLOCKS_ELSEWHERE') throw error;
  throw new OperationError('BLOCKS_LOST', `${messageOf(error)}, which is alone: they have rotted`, {
    remedy: 'Take them from a backup: supercloud image scrub says how many, the log of blockd which.',
    cause: error,
  });
}

function beingMade(image: string): OperationError {
  return new OperationError('IMAGE_BUSY', `an image ${image} is just being made`, {
    remedy: 'Wait for that to end, or choose another name.',
  });
}

/** @throws OperationError IMAGE_EXISTS */
function refuseTaken({ records, shelf }: LoneNode, image: string): void {
  if (records.find(image) === undefined && shelf.find(image) === undefined) return;
  throw new OperationError('IMAGE_EXISTS', `there is an image ${image} already`, { remedy: 'Choose another name.' });
}

/** The one disk, or the one that is meant. @throws OperationError SAY_DISK */
function diskOf({ snapshot, disks }: Snapshot, image: string | undefined): SnapshotDisk {
  const [only, ...others] = image === undefined ? disks : disks.filter((disk) => disk.image === image);
  if (only !== undefined && others.length === 0) return only;
  const names = disks.map((disk) => disk.image).join(', ');
  throw new OperationError('SAY_DISK', `snapshot ${snapshot} is of ${names}`, { remedy: 'say which with --disk' });
}
