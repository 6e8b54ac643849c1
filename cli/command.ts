// What every command shares: the options --json and --context, and the way to the cluster. A command only asks and prints.
import { Command, CommanderError } from 'commander';
import { OperationError } from '../common/errors.ts';
import { jsonText, writeJsonFile } from '../common/terminal/json-file.ts';
import { LONE_NODE } from '../wire/contracts/alone.ts';
import { connectAlone, connectOrchestrator, type OrchestratorClient } from './context.ts';

/** Options that every command has. `json` is true for standard output, or a file's name. */
export interface CommonOptions {
  readonly json?: string | true;
  readonly context?: string;
  readonly alone?: string;
}

/** Adds the shared options and, under the help, examples of what to type; one with a pipe is written out. */
export function command(name: string, summary: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => (example.includes(' | ') ? example : `supercloud ${example}`));
  return new Command(name)
    .description(summary)
    .option('--json [file]', 'print JSON, or write it to a file')
    .option('--context <file>', 'the cluster to speak to (default: the running lab)')
    .addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** As `command`, for one that a blockd without a cluster answers too. */
export function aloneToo(name: string, summary: string, examples: readonly string[]): Command {
  return command(name, summary, examples).option(
    '--alone <dir>',
    'of the blockd --alone --data <dir> that runs, not of a cluster',
  );
}

/** A line on the word that --json has taken for its file's, where one is missing; nothing otherwise. */
export function swallowed(error: unknown, args: readonly string[]): string {
  const word = args[args.indexOf('--json') + 1];
  const isMissing = error instanceof CommanderError && error.code === 'commander.missingArgument';
  if (!isMissing || !args.includes('--json') || word === undefined) return '';
  return `(--json took '${word}' for a file's name: say --json last, or --json=FILE)\n`;
}

/** Prints text for a person, or the value as JSON where that was asked for. */
export async function print(options: CommonOptions, value: unknown, text: string): Promise<void> {
  if (options.json === true) process.stdout.write(jsonText(value));
  else process.stdout.write(text === '' ? '' : `${text}\n`);
  if (typeof options.json === 'string') writeJsonFile(options.json, value);
}

/** Runs a call against the cluster of the context, or the blockd without one, and closes the connection whatever happens. */
export async function withOrchestrator<T>(
  options: CommonOptions & { readonly node?: string; readonly at?: string },
  run: (client: OrchestratorClient) => Promise<T>,
): Promise<T> {
  const { alone, context } = options;
  if (alone !== undefined && context !== undefined)
    throw new OperationError('USAGE', 'say --alone or --context, not both', {
      remedy: '--alone is without a cluster.',
    });
  const elsewhere = options.node ?? options.at ?? LONE_NODE;
  if (alone !== undefined && elsewhere !== LONE_NODE)
    throw new OperationError('USAGE', `a blockd --alone has no node ${elsewhere}`, { remedy: 'leave that away' });
  const client = await (alone === undefined ? connectOrchestrator(context) : connectAlone(alone));
  try {
    return await run(client);
  } finally {
    client.close();
  }
}
