// `supercloud migrate`: move a running VM to another cloud, or stop such a move.
import { OperationError } from '../../common/errors.ts';
import { formatBytes, formatMs, ProgressLine } from '../../common/terminal/progress.ts';
import type { MigrationState } from '../../wire/contracts/cluster-state.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { interruptible } from '../interruption.ts';
import { wholeNumber } from './numbers.ts';

/** One line on how a migration went or goes. */
export function describeMigration(m: MigrationState): string {
  if (m.step === 'failed') return `${m.from} -> ${m.to} failed: ${m.reason}`;
  if (m.step !== 'moved') return `${m.from} -> ${m.to}, ${m.step} ${m.reason || (m.hint ?? '')}`.trimEnd();
  const bytes = `memory ${formatBytes(m.memoryBytes)}, blocks ${formatBytes(m.blockBytes)}`;
  return `${m.from} -> ${m.to} in ${formatMs(m.totalMs)}, hold ${formatMs(m.holdMs)}, ${bytes}`;
}

/** Where a migration's time went, in the order of the beginnings; what ran side by side has a bar between it. */
export function describeSteps({ stepTimes }: Pick<MigrationState, 'stepTimes'>): string {
  let text = '';
  let endMs = 0;
  for (const { step, atMs, tookMs } of stepTimes.toSorted((a, b) => a.atMs - b.atMs)) {
    const joint = atMs < endMs ? ' | ' : ', ';
    text += `${text === '' ? '' : joint}${step} ${formatMs(tookMs)}`;
    endMs = Math.max(endMs, atMs + tookMs);
  }
  return text;
}

/** What a VM that has moved would lose with the node that it came from. */
export function describeDependence(m: MigrationState): string {
  if (m.step !== 'moved') return '';
  if (m.independentMs !== null) return `no other node, since ${formatMs(m.independentMs)} after the order`;
  return `other nodes still; ${m.dependsOnSourceBlocks} blocks were only at ${m.from} when last counted`;
}

/** How far it is, and once at a step what a person should know of it: its figures change all the time. */
function progressOn(line: ProgressLine): (state: MigrationState) => void {
  const told = new Set<MigrationState['step']>();
  return (m) => {
    const bytes = { doneBytes: m.memoryBytes, totalBytes: m.memoryBytes + m.remainingBytes };
    line.update({ detail: m.step, ...(m.step === 'memory' ? bytes : {}) });
    if (m.hint === undefined || told.has(m.step)) return;
    told.add(m.step);
    line.note(m.hint);
  };
}

interface MigrateOptions extends CommonOptions {
  readonly to?: string;
  readonly cancel?: true;
  readonly bandwidth?: number;
}

async function move(vm: string, to: string, options: MigrateOptions): Promise<void> {
  await withOrchestrator(options, async (client) => {
    const line = new ProgressLine();
    const rate = options.bandwidth === undefined ? {} : { maxBandwidthBytesPerSecond: options.bandwidth * 125_000 };
    line.begin(`migrate ${vm} to ${to}`);
    const interruption = {
      signals: process,
      stop: () => client.call('migration.cancel', { vm }),
      say: (text: string) => line.note(text),
      leave: (code: number) => process.exit(code),
      leftRunning: `the migration of ${vm} goes on: supercloud vm show ${vm}; supercloud migrate ${vm} --cancel stops it`,
    };
    try {
      const call = { vm, to, ...rate };
      const order = (): Promise<MigrationState> => client.call('vm.migrate', call, { onProgress: progressOn(line) });
      const moved = await interruptible(interruption, order);
      line.end();
      await print(options, moved, describeMigration(moved));
    } catch (error) {
      line.fail();
      throw error;
    }
  });
}

async function cancel(vm: string, options: MigrateOptions): Promise<void> {
  await withOrchestrator(options, async (client) => {
    await client.call('migration.cancel', { vm });
    await print(options, { vm, cancelled: true }, `the migration of ${vm} is being stopped; it runs on where it is`);
  });
}

export const migrateCommand = command(
  'migrate',
  'move a running VM to another cloud; Ctrl-C stops that, and the VM runs on where it was',
  ['migrate web --to beta', 'migrate web --to gamma --bandwidth 100', 'migrate web --cancel'],
)
  .argument('<vm>', 'its name')
  .option('--to <cloud>', 'where to')
  .option('--bandwidth <Mbit/s>', 'at most so much for the memory', wholeNumber)
  .option('--cancel', 'stop the migration that is under way')
  .action(async (vm: string, options: MigrateOptions) => {
    if (options.cancel === true) return cancel(vm, options);
    if (options.to !== undefined) return move(vm, options.to, options);
    throw new OperationError('USAGE', 'where to?', { remedy: `say 'supercloud migrate ${vm} --to CLOUD'` });
  });
