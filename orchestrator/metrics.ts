// What the nodes' stores have counted, gathered for whoever looks; nothing is kept.
import { messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { ClusterMetrics } from '../wire/contracts/metrics.ts';
import type { Cluster } from './cluster.ts';

/** Of one node (or the one of a cloud), or of all that can be asked. @throws OperationError CLOUD_UNKNOWN */
export async function gatherMetrics(cluster: Cluster, log: Log, node?: string): Promise<ClusterMetrics> {
  const all = cluster.endpoints().map((one) => cluster.nodeOf(one.node));
  const asked = node === undefined ? all : [cluster.nodeOf(node)];
  const gathered: ClusterMetrics = {
    nodes: [],
    members: all.map(({ node, cloud }) => ({ node, cloud })),
    unreachable: [],
  };
  await Promise.all(
    asked.map(async (member) => {
      try {
        const metrics = await cluster.clients(member.node).blockd.call('store.metrics', {});
        gathered.nodes.push({ node: member.node, metrics });
      } catch (error) {
        log.info({ node: member.node, reason: messageOf(error) }, 'its metrics are not known now');
        gathered.unreachable.push(member.node);
      }
    }),
  );
  gathered.nodes.sort((a, b) => a.node.localeCompare(b.node));
  return gathered;
}
