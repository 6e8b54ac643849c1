// The calls of the block daemon, each in a few lines: which image, which step. Decides nothing itself.
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { blockdContract, Closing, StoreImage } from '../../wire/contracts/blockd.ts';
import { showLayer } from './image-figures.ts';
import type { ImageHost } from './image-host.ts';
import type { ImageShelf } from './image-shelf.ts';
import { storeMetrics } from './store-metrics.ts';
import { durableState } from './store-ratchet.ts';
import { storeReport } from './store-report.ts';

const NOTHING = {};

/** The handlers of a store's calls. */
export function blockCalls(shelf: ImageShelf): Handlers<typeof blockdContract> {
  const withImage = <T>(image: string, step: (host: ImageHost) => Promise<T>): Promise<T> =>
    shelf.inTurn(image, async () => step(shelf.get(image)));
  const shown = (host: ImageHost): StoreImage => ({
    ...host.show(),
    scrubbedAtMs: shelf.upkeep.scrubbedAtMs(host.image),
  });
  return {
    'image.create': ({ image, layer, bytes }) =>
      shelf.inTurn(image, async () => done(shelf.create(image, layer, bytes))),
    'image.import': ({ image, layer, path, format }, { progress, signal }) =>
      shelf.inTurn(image, async () => {
        const tell = throttled((doneBytes, totalBytes) => progress({ doneBytes, totalBytes }));
        const host = await shelf.import({ image, layer, path, format, signal, progress: tell });
        return host.image.closing();
      }),
    'image.export': async ({ path, format, ...order }, { progress, signal }) => {
      const tell = throttled((doneBytes, totalBytes) => progress({ doneBytes, totalBytes }));
      return { path, bytes: await shelf.export(order, format, { path, signal, progress: tell }) };
    },
    'layer.drop': ({ layer }) => {
      shelf.layers.records.refusePinned(layer);
      return done(shelf.drop(layer));
    },
    'merge.plan': async ({ from, into }) => ({ merged: await shelf.merges.plan(from, into) }),
    'layer.merge': async ({ merge, newest, source }) => {
      await shelf.members.add(source);
      return { isDone: await shelf.merges.merge({ merge, newest, source: source.node }) };
    },
    'layer.list': () => ({ layers: shelf.layers.all.map(({ store }) => showLayer(store)) }),
    'layer.seed': async ({ layers, from, rateBytesPerSecond, isPoint = false }, { progress, signal }) => {
      if (isPoint) shelf.layers.records.refuseUnlessPoint(layers.map(({ layer }) => layer));
      await shelf.members.add(from);
      const tell = throttled((doneBytes, totalBytes) => progress({ doneBytes, totalBytes }));
      await shelf.layers.seed({ layers, source: from.node, rateBytesPerSecond, signal, progress: tell });
      return NOTHING;
    },
    'image.list': () => ({ images: shelf.hosts.map(shown) }),
    'image.show': ({ image }) => shown(shelf.get(image)),
    'image.scrub': ({ image }, { progress, signal }) => {
      const tell = throttled((doneBytes, totalBytes) => progress({ doneBytes, totalBytes }));
      return shelf.upkeep.scrub(shelf.get(image).image, { progress: tell, signal });
    },
    'image.open': ({ image, bytes, stack, propagation, ...opening }, { signal }) =>
      shelf.inTurn(image, async () => {
        const { epoch } = opening;
        shelf.ended.checkEpoch(stack.layer, epoch);
        await shelf.members.add(opening.from);
        await shelf.propagation.set(image, propagation);
        // Who writes here takes nothing from an earlier writer any more.
        shelf.kept.end(stack.layer);
        await shelf.endReading(image, epoch);
        const host = await shelf.ensure({ image, bytes, stack, epoch });
        return { socket: await host.open(opening, signal) };
      }),
    'image.read': ({ image, bytes, stack, ...opening }, { signal }) =>
      shelf.inTurn(image, async () => {
        await shelf.members.add(opening.from);
        const known = { image, bytes, stack, epoch: opening.epoch };
        return { socket: await shelf.read(known, opening, signal) };
      }),
    'reader.list': () => ({ readers: [...shelf.readers] }),
    'image.close': ({ image, layer, epoch }) => shelf.inTurn(image, () => shelf.endEpoch(image, layer, epoch)),
    'image.cut': async ({ cut, cuts }) => ({ sealed: await shelf.cuts.cut({ id: cut, images: cuts }) }),
    'export.renew': ({ image }) => done(shelf.get(image).served.renew()),
    'cut.cancel': async ({ cut, images }) => ({ sealed: await shelf.cuts.cancel(cut, images) }),
    'standby.start': ({ image, bytes, stack, propagation, ...standBy }, { signal }) =>
      shelf.inTurn(image, async () => {
        shelf.ended.checkMigration(standBy.migration);
        await shelf.members.add(standBy.from);
        await shelf.propagation.set(image, propagation);
        await shelf.endReading(image, standBy.epoch);
        const host = await shelf.ensure({ image, bytes, stack, epoch: standBy.epoch });
        // Who ended the migration meanwhile found no stand-by to end.
        shelf.ended.checkMigration(standBy.migration);
        return { socket: await host.standBy(standBy, signal) };
      }),
    'replica.follow': ({ from, ...known }) =>
      shelf.inTurn(known.image, async () => {
        const open = shelf.find(known.image);
        if (open !== undefined && open.image.store.state.role !== 'replica') return NOTHING;
        const { layer } = known.stack;
        const { records } = shelf.layers;
        // A copy hears everything already, and each block's name only with its content; where a policy wants copies a name
        // without it would take the place of what was flushed.
        if (shelf.kept.keeps(layer) || records.copiesOf(layer) > 1) return NOTHING;
        if (records.pinnedElsewhere(layer) !== undefined) return NOTHING;
        shelf.layers.refuseGone(known.stack.layer);
        await shelf.members.add(from);
        (await shelf.ensure(known)).followAhead(from.node, known.epoch);
        return NOTHING;
      }),
    'standby.ready': async ({ migration }, { signal }) => {
      await Promise.all(standbysOf(shelf, migration).map((host) => host.ready(signal)));
      return NOTHING;
    },
    'standby.cancel': ({ migration }) => {
      for (const host of shelf.hosts) if (host.isIn('standby', migration)) host.interrupt();
      return endEach(shelf, migration, 'standby', (host) => host.cancel());
    },
    'standby.verify': async ({ closings, timeoutMs }, { signal }) => {
      const end = AbortSignal.any([signal, shelf.deadline(timeoutMs)]);
      const reasons = await Promise.all(closings.map((closing) => verify(shelf, closing, end)));
      const reason = reasons.find((one) => one !== '') ?? '';
      return { equal: reason === '', reason };
    },
    'standby.activate': async ({ migration }) => {
      await Promise.all(
        standbysOf(shelf, migration).map((host) => shelf.inTurn(host.name, () => host.activate(migration))),
      );
      return NOTHING;
    },
    'writer.freeze': async ({ migration, images }) => {
      const freeze = (host: ImageHost): Promise<Closing> => {
        shelf.ended.checkMigration(migration);
        return host.freeze(migration);
      };
      return { closings: await Promise.all(images.map((image) => withImage(image, freeze))) };
    },
    'writer.thaw': ({ migration }) => endEach(shelf, migration, 'frozen', (host) => host.thaw()),
    'writer.release': ({ migration }) => endEach(shelf, migration, 'frozen', (host) => host.release()),
    'pull.set': ({ image, rateBytesPerSecond }) => {
      shelf.get(image).setPullRate(rateBytesPerSecond);
      return NOTHING;
    },
    'propagation.set': ({ image, settings }) => done(reviewed(shelf, shelf.propagation.set(image, settings))),
    'propagation.show': ({ image }) => {
      const { propagation } = shelf.get(image);
      return { settings: shelf.propagation.of(image), status: propagation.status() };
    },
    'propagation.lead': async ({ image, node, withinMs }) => ({
      missingBlocks: await shelf.get(image).propagation.lead(node, withinMs),
    }),
    'image.heat': async ({ image, cells }) => ({ heat: await shelf.get(image).propagation.heat(cells) }),
    'cache.show': () => shelf.upkeep.cache(),
    'cache.set': ({ capBytes }) => shelf.upkeep.setCacheCap(capBytes),
    'store.metrics': () => storeMetrics(shelf),
    'store.report': () => storeReport(shelf.layers, shelf.members.names),
    'store.notch': ({ at }) => shelf.ratchet.show(at, () => durableState(shelf.layers.all.map(({ store }) => store))),
    'records.keep': async (records) => ({ mark: await reviewed(shelf, shelf.keepRecords(records)) }),
    'records.show': () => ({ kept: shelf.layers.records.kept }),
    'members.set': ({ members }) => done(reviewed(shelf, shelf.members.set(members))),
  };
}

/**
 * Ends a migration for ever, then takes the step with every image that it left in a role, or is just putting there; none
 * is well: the step was taken before.
 */
async function endEach(
  shelf: ImageShelf,
  migration: string,
  role: 'standby' | 'frozen',
  step: (host: ImageHost) => Promise<void>,
): Promise<typeof NOTHING> {
  // From here on no further image gets the role.
  const ended = shelf.ended.endMigration(migration);
  const isMeant = (host: ImageHost): boolean => host.isIn(role, migration);
  const steps = shelf.hosts
    .filter(isMeant)
    .map((host) => shelf.inTurn(host.name, async () => (isMeant(host) ? step(host) : undefined)));
  await Promise.all([ended, ...steps]);
  return NOTHING;
}

/** @throws OperationError UNKNOWN_MIGRATION when there is none */
function standbysOf(shelf: ImageShelf, migration: string): ImageHost[] {
  const hosts = shelf.hosts.filter((host) => host.image.store.state.migration === migration);
  if (hosts.length > 0) return hosts;
  throw new OperationError('UNKNOWN_MIGRATION', `no image here belongs to migration ${migration}`, {
    remedy: 'Start the stand-by first.',
  });
}

async function verify(shelf: ImageShelf, closing: Closing, signal: AbortSignal): Promise<string> {
  const host = shelf.find(closing.image);
  return host === undefined ? `there is no image ${closing.image} here` : host.verify(closing, signal);
}

async function done(step: Promise<void>): Promise<typeof NOTHING> {
  await step;
  return NOTHING;
}

/** What images' copies depend on has changed. */
async function reviewed<T>(shelf: ImageShelf, step: Promise<T>): Promise<T> {
  const answer = await step;
  for (const host of shelf.hosts) host.copies.review();
  return answer;
}

/** A hundred steps are progress enough. */
function throttled(tell: (doneBytes: number, totalBytes: number) => void): typeof tell {
  let told = -1;
  return (doneBytes, totalBytes) => {
    const percent = Math.floor((100 * doneBytes) / totalBytes);
    if (percent > told) tell(doneBytes, totalBytes);
    told = Math.max(told, percent);
  };
}
