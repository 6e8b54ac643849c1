// `supercloud check`: types, formatting and lint, import direction, dead exports. Each is a kept tool; this only
// runs them and says which failed.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';

interface Check {
  readonly name: string;
  /** The tool's program inside node_modules, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: 'types', program: 'typescript/bin/tsc', args: ['-p', '.'] },
  {
    name: 'format and lint',
    program: '@biomejs/biome/bin/biome',
    args: ['check', '--error-on-warnings', '--max-diagnostics=30'],
  },
  {
    name: 'import direction',
    program: 'dependency-cruiser/bin/dependency-cruise.mjs',
    args: ['--config', '.dependency-cruiser.cjs', '.'],
  },
  { name: 'dead exports', program: 'knip/bin/knip.js', args: ['--no-progress', '--no-config-hints'] },
];

interface Verdict {
  readonly check: Check;
  readonly passed: boolean;
  readonly output: string;
}

function runCheck(root: string, check: Check): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const program = join(root, 'node_modules', check.program);
    const child = spawn(process.execPath, [program, ...check.args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ check, passed: code === 0, output }));
  });
}

function report(verdict: Verdict): void {
  const mark = verdict.passed ? styleText('green', 'ok    ') : styleText('red', 'failed');
  process.stdout.write(`${mark} ${verdict.check.name}\n`);
  if (!verdict.passed) process.stdout.write(`${verdict.output.trimEnd()}\n`);
}

/** Runs every check and answers the names of those that failed. */
export async function runChecks(root: string): Promise<string[]> {
  const waiting = [...CHECKS];
  const failed: string[] = [];
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const verdict = await runCheck(root, check);
      report(verdict);
      if (!verdict.passed) failed.push(check.name);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return failed;
}
