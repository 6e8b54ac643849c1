// Brings a snapshot to another place whole, where it is a recovery point then.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Head, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { Cluster } from '../cluster.ts';
import type { LayerSeeds } from './layer-seeds.ts';
import type { Snapshots } from './snapshots.ts';

/** What recovery points are made with. */
export interface PointParts {
  readonly cluster: Cluster;
  readonly snapshots: Pick<Snapshots, 'list' | 'create' | 'delete'>;
  readonly seeds: Pick<LayerSeeds, 'seed'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends what is on its way. */
  readonly stopping: AbortSignal;
}

/** The node of the place that is to have an image's points. @throws OperationError SAME_PLACE, CLOUD_UNKNOWN, NODE_DOWN */
export function nodeElsewhere(cluster: Cluster, { image, writer, holder }: Head, place: string): string {
  const { node } = cluster.upNodeOf(place);
  if (node !== (writer ?? holder)) return node;
  throw new OperationError(
    'SAME_PLACE',
    `image ${image} is at ${place} itself: a snapshot there is no recovery point`,
    {
      remedy: 'Name another place for its recovery points.',
    },
  );
}

/** Answers when it is durable there, stays there, and is noted. @throws OperationError of the nodes */
export async function carryPoint(
  { cluster, seeds, clock, log, stopping }: PointParts,
  { snapshot }: Snapshot,
  to: { readonly place: string; readonly node: string; readonly rateBytesPerSecond?: number | undefined },
): Promise<void> {
  const { place, node, rateBytesPerSecond } = to;
  await cluster.controller.catalogue.call('snapshot.carry', { snapshot, node });
  await seeds.seed(
    { source: snapshot, to: [node], rateBytesPerSecond, isPoint: true },
    { onProgress: () => undefined, signal: stopping },
  );
  const recovery = { place, node, durableMs: clock.wallMs() };
  await cluster.controller.catalogue.call('snapshot.arrived', { snapshot, recovery });
  log.info({ snapshot, node }, 'a recovery point is durable');
}
