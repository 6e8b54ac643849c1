// `supercloud doctor`: whether two nodes see one another well, and what to do where they do not.
import type { Command } from 'commander';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { describeDoctor, isWell } from '../doctor-text.ts';

interface DoctorOptions extends CommonOptions {
  readonly bandwidth: boolean;
  readonly force?: true;
}

export const doctorCommand: Command = command(
  'doctor',
  'whether two nodes see one another well: ports, tunnel, MTU, clocks, round trip, bandwidth (exit code 1 if something is wrong)',
  [
    'doctor alpha beta',
    'doctor alpha beta --no-bandwidth --json doctor.json',
    'supercloud doctor alpha beta --json | jq -r \'.findings[] | select(.verdict == "wrong") | .remedy\'',
  ],
)
  .argument('<node>', 'a node, or a cloud that has one')
  .argument('<other>', 'another')
  .option('--no-bandwidth', 'send no bytes to measure by (else 8 MiB or 2 s each way)')
  .option('--force', 'also while a VM migrates between the two')
  .action((a: string, b: string, options: DoctorOptions) =>
    withOrchestrator(options, async (client) => {
      const { bandwidth, force = false } = options;
      const report = await client.call('node.doctor', { a, b, bandwidth, force });
      await print(options, report, describeDoctor(report));
      if (!isWell(report)) process.exitCode = 1;
    }),
  );
