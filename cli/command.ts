// What every command shares: the options --json and --context, and the way to the cluster. A command only asks and prints.
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { connectOrchestrator, type OrchestratorClient } from './context.ts';

/** Options that every command has. `json` is true for standard output, or a file's name. */
export interface CommonOptions {
  readonly json?: string | true;
  readonly context?: string;
}

/** Adds the shared options and, under the help, examples of what to type. */
export function command(name: string, summary: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(summary)
    .option('--json [file]', 'print JSON, or write it to a file')
    .option('--context <file>', 'the cluster to speak to (default: the running lab)')
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  supercloud ${example}`).join('\n')}`);
}

/** Prints text for a person, or the value as JSON where that was asked for. */
export async function print(options: CommonOptions, value: unknown, text: string): Promise<void> {
  const json = `${JSON.stringify(value, null, 2)}\n`;
  if (typeof options.json === 'string') await writeFile(options.json, json);
  if (options.json === true) process.stdout.write(json);
  else process.stdout.write(text === '' ? '' : `${text}\n`);
}

/** Runs a call against the cluster of the context and closes the connection whatever happens. */
export async function withOrchestrator<T>(
  options: CommonOptions,
  run: (client: OrchestratorClient) => Promise<T>,
): Promise<T> {
  const client = await connectOrchestrator(options.context);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}
