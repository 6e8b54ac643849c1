// How a program that a person started says why it failed: one sentence, its code, a remedy; and which exit code it ends
// with. Every such program says it alike.
import { styleText } from 'node:util';
import { CommanderError } from 'commander';
import { codeOf, messageOf, OperationError } from '../errors.ts';

const EXIT_FAILED = 1;

/** Lines for a person, the last ended too; a stack only when SUPERCLOUD_DEBUG is set. */
export function errorText(error: unknown): string {
  const code = codeOf(error);
  const lines = [`${styleText('red', 'error')} ${messageOf(error)}${code === undefined ? '' : ` (${code})`}`];
  if (error instanceof OperationError && error.remedy !== '') lines.push(`  ${error.remedy}`);
  if (process.env.SUPERCLOUD_DEBUG !== undefined && error instanceof Error) lines.push(`${error.stack}`);
  return `${lines.join('\n')}\n`;
}

export function reportError(error: unknown): void {
  process.stderr.write(errorText(error));
}

/** Says why a command failed and answers its exit code. Of what was typed wrongly the parser has spoken already. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  reportError(error);
  return EXIT_FAILED;
}
