// `supercloud metrics`: what the nodes' stores have counted since they started.
import type { Command } from 'commander';
import type { ClusterMetrics } from '../../wire/contracts/metrics.ts';
import { aloneToo, type CommonOptions, print, withOrchestrator } from '../command.ts';
import { describeMetrics } from '../metrics-text.ts';

interface MetricsOptions extends CommonOptions {
  readonly node?: string;
  readonly prometheus?: true;
}

export const metricsCommand: Command = aloneToo(
  'metrics',
  'hits, misses, fetch times, pushes and bytes by cause, of each image and node, since its blockd started',
  ['metrics', 'metrics --node alpha', 'metrics --prometheus > /var/lib/prometheus/node-exporter/supercloud.prom'],
)
  .option('--node <node>', 'of this node, or the one of a cloud, alone')
  .option('--prometheus', "in Prometheus's text format")
  .action((options: MetricsOptions) =>
    withOrchestrator(options, async (client) => {
      const metrics = await client.call('metrics.show', options.node === undefined ? {} : { node: options.node });
      await print(
        options,
        metrics,
        options.prometheus === true ? await inPrometheus(metrics) : describeMetrics(metrics),
      );
    }),
  );

/** Here alone: prom-client takes longer to load than the command itself. */
async function inPrometheus(metrics: ClusterMetrics): Promise<string> {
  const { prometheusText } = await import('../prometheus-text.ts');
  return (await prometheusText(metrics)).trimEnd();
}
