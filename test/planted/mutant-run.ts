// One planted bug and the test that has to fail with it. Not a test itself.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Planted, planting } from './planted.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Longer than any of these tests takes on a busy machine. What is not over by then has shown nothing. */
const LIMIT_MS = 300_000;

/** What uvu prints as soon as a test has passed, or failed. */
const PASSED = '•';
const FAILURE = '✘';

export interface Mutant extends Planted {
  readonly name: string;
  /** What has to be broken with it, where one thing is guarded twice. */
  readonly and?: readonly Planted[];
  /** A test of every run, as `unit/blockd/image`. */
  readonly by: string;
}

/**
 * Runs the test with the bug in it, up to the first failure. Answers what showed it; empty when nothing did.
 * @throws Error when the bug could not be planted
 */
export async function runMutant(mutant: Mutant): Promise<string> {
  const { output, code } = await runTest(mutant);
  if (/what is to be replaced is not once in/.test(output)) throw new Error(output);
  if (output.includes(FAILURE))
    return `test ${output.slice(0, output.indexOf(FAILURE)).split(PASSED).length} of it fails`;
  return code === 0 || code === 'SIGKILL' ? '' : `it ended with ${code}`;
}

function runTest({ by, ...planted }: Mutant): Promise<{ output: string; code: number | string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [`test/${by}.test.ts`], {
      cwd: ROOT,
      env: { ...planting([planted, ...(planted.and ?? [])]), FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes(FAILURE)) child.kill('SIGKILL');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const isSilent = code === 0 && !/Total:\s+\d/.test(output);
      resolve({ output, code: isSilent ? 'no word' : (code ?? signal ?? 'nothing') });
    });
  });
}
