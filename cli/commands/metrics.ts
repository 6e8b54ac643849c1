// `supercloud metrics`: what the nodes' stores have counted since they started.
import type { Command } from 'commander';
import { aloneToo, type CommonOptions, print, withOrchestrator } from '../command.ts';
import { describeMetrics } from '../metrics-text.ts';
import { prometheusText } from '../prometheus-text.ts';

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
      const text = options.prometheus === true ? (await prometheusText(metrics)).trimEnd() : describeMetrics(metrics);
      await print(options, metrics, text);
    }),
  );
