// The process that judges with os-ken, and the comparison of what it says. Needs Debian's python3-os-ken.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Form } from './os-ken-fields.ts';

/** A message for os-ken to read, in hexadecimal, or one for it to build of fields. */
export type Task = { readonly read: string } | { readonly build: Form; readonly xid: number };

/** What os-ken makes of a task: a message's fields, or its bytes in hexadecimal. */
export interface Verdict {
  readonly fields?: Form;
  readonly bytes?: string;
  readonly error?: string;
}

function start(): ChildProcessWithoutNullStreams {
  const script = fileURLToPath(new URL('os-ken-judge.py', import.meta.url));
  // Debian's Python, which has Debian's packages, whatever else is installed.
  const child = spawn('/usr/bin/python3', [script]);
  child.stderr.resume();
  return child;
}

/** Verdicts in the order of the tasks, all by one process: Python takes longer to start than for a thousand messages. */
export function judge(tasks: readonly Task[]): Promise<Verdict[]> {
  return new Promise((resolve, reject) => {
    const child = start();
    const verdicts: Verdict[] = [];
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => verdicts.push(JSON.parse(line) as Verdict));
    lines.once('close', () => {
      if (verdicts.length === tasks.length) resolve(verdicts);
      else reject(new Error(`os-ken answered ${verdicts.length} of ${tasks.length} tasks`));
    });
    child.once('error', reject);
    child.stdin.on('error', reject);
    child.stdin.end(tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
  });
}

/** Where `found` lacks something that is `wanted`, as a path and both values; undefined if it has it all. */
export function difference(wanted: Form, found: Form | undefined, path = ''): string | undefined {
  if (found === undefined) return `${path}: missing`;
  if (Array.isArray(wanted)) {
    const list: readonly Form[] = Array.isArray(found) ? found : [];
    if (!Array.isArray(found) || list.length !== wanted.length) return `${path}: ${show(wanted)} is ${show(found)}`;
    return firstOf(wanted.map((one: Form, i) => difference(one, list[i], `${path}[${i}]`)));
  }
  if (wanted !== null && typeof wanted === 'object') {
    if (found === null || typeof found !== 'object') return `${path}: ${show(wanted)} is ${show(found)}`;
    const has = found as { readonly [key: string]: Form };
    return firstOf(Object.entries(wanted).map(([key, one]) => difference(one as Form, has[key], `${path}.${key}`)));
  }
  return wanted === found ? undefined : `${path}: ${show(wanted)} is ${show(found)}`;
}

function firstOf(all: readonly (string | undefined)[]): string | undefined {
  return all.find((one) => one !== undefined);
}

function show(form: Form): string {
  return JSON.stringify(form).slice(0, 200);
}
