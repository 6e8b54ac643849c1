// The caps on what stores only cache, shown and set at the stores themselves; nothing of them is kept here.
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CacheStates } from '../../wire/contracts/cache.ts';
import type { Cluster } from '../cluster.ts';

/** Of one node (or the one of a cloud), or of all that can be asked. @throws OperationError CLOUD_UNKNOWN */
export async function showCaches(cluster: Cluster, log: Log, node?: string): Promise<CacheStates> {
  const names = node === undefined ? cluster.endpoints().map((one) => one.node) : [cluster.nodeOf(node).node];
  const shown: CacheStates = { stores: [], unreachable: [] };
  await Promise.all(
    names.map(async (name) => {
      try {
        const state = await cluster.clients(name).blockd.call('cache.show', {});
        shown.stores.push({ node: name, ...state });
      } catch (error) {
        log.info({ node: name, reason: messageOf(error) }, 'its cache is not known now');
        shown.unreachable.push(name);
      }
    }),
  );
  shown.stores.sort((a, b) => a.node.localeCompare(b.node));
  return shown;
}

/** @throws OperationError CLOUD_UNKNOWN, NODE_DOWN and those of the node */
export async function setCacheCap(cluster: Cluster, at: string, capBytes: number | null): Promise<CacheStates> {
  const { node } = cluster.upNodeOf(at);
  const state = await cluster.clients(node).blockd.call('cache.set', { capBytes });
  return { stores: [{ node, ...state }], unreachable: [] };
}
