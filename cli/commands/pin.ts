// `supercloud image pin` and `snapshot pin`: what is at one place and nowhere else.
import type { Command } from 'commander';
import type { Result } from '../../wire/contract.ts';
import type { orchestratorContract } from '../../wire/contracts/orchestrator.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';

type Pinned = Result<typeof orchestratorContract, 'pin.set'>;

/** The two commands, for images or for snapshots. */
export function pinCommands(kind: 'image' | 'snapshot'): [pin: Command, unpin: Command] {
  const pin = command(
    'pin',
    `keep ${article(kind)} at one place that has all of it; elsewhere whoever reads it waits`,
    [`${kind} pin ${kind === 'image' ? 'web' : 'monday'} --to alpha`],
  )
    .argument(`<${kind}>`, 'its name')
    .requiredOption('--to <cloud>', 'a cloud, or one node')
    .action((name: string, options: CommonOptions & { to: string }) =>
      withOrchestrator(options, async (client) => {
        const made = await client.call('pin.set', { kind, name, to: options.to });
        await print(options, made, describePin(kind, name, made));
      }),
    );
  const unpin = command('unpin', `let ${article(kind)} go anywhere again; whoever waited for it goes on`, [
    `${kind} unpin ${kind === 'image' ? 'web' : 'monday'}`,
  ])
    .argument(`<${kind}>`, 'its name')
    .action((name: string, options: CommonOptions) =>
      withOrchestrator(options, async (client) => {
        await client.call('pin.set', { kind, name, to: null });
        await print(options, { kind, name, pin: null }, `${kind} ${name} may be anywhere`);
      }),
    );
  return [pin, unpin];
}

/** What was pinned, and what that means for others, a line each. */
export function describePin(kind: string, name: string, { pin, alsoHeld, stillAt }: Pinned): string {
  const lines = [`${kind} ${name} is pinned to ${pin?.place} (${pin?.nodes.join(', ')})`];
  const [only] = alsoHeld;
  if (alsoHeld.length === 1) lines.push(`image ${only} stands on it too: elsewhere it waits where it needs it`);
  if (alsoHeld.length > 1) lines.push(`${alsoHeld.join(', ')} stand on it too: elsewhere they wait where they need it`);
  if (stillAt.length > 0) lines.push(`${stillAt.join(', ')} will let go of it later`);
  return lines.join('\n');
}

function article(kind: 'image' | 'snapshot'): string {
  return kind === 'image' ? 'an image' : 'a snapshot';
}
