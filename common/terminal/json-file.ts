// Figures as JSON into the file that a person named with --json. It never leaves them in doubt whether what they ordered was
// done before the file could not be written.
import { writeFileSync } from 'node:fs';
import { messageOf, OperationError } from '../errors.ts';

/** The value as every command writes it, the last line ended. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** @throws OperationError JSON_NOT_WRITTEN */
export function writeJsonFile(path: string, value: unknown): void {
  try {
    writeFileSync(path, jsonText(value));
  } catch (cause) {
    throw new OperationError('JSON_NOT_WRITTEN', `the figures could not be written: ${messageOf(cause)}`, {
      remedy: 'What was ordered is done; only the file is missing. Name one in a directory that is there.',
      cause,
    });
  }
}
