// The package alone: copied out of the project and built to plain modules there, put below node_modules of a folder that has nothing else, and used there from
// JavaScript and from TypeScript.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGE = join(ROOT, 'sdnd/openflow');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const LIMIT_MS = 60_000;

const USE = `
import { decode, encode, errorAnswer, ethAddress, flowMod, MessageReader, output, applyActions } from '@openflow/ofp';
const message = flowMod({
  command: 'add',
  match: { ethDst: ethAddress('02:00:00:00:00:01') },
  instructions: [applyActions(output(3))],
});
const bytes = encode(message, 7);
const [result] = new MessageReader().push(bytes);
const bad = decode(Uint8Array.of(4, 99, 0, 8, 0, 0, 0, 1));
export const told = JSON.stringify([bytes.length, result?.kind, bad.kind === 'bad' ? errorAnswer(bad)?.errorCode : 0]);
`;

const test = suite<{ folder: string }>('@openflow/ofp alone');

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'ofp-alone-'));
  const installed = join(context.folder, 'node_modules/@openflow/ofp');
  mkdirSync(installed, { recursive: true });
  const copy = join(context.folder, 'copy');
  cpSync(PACKAGE, copy, { recursive: true });
  run(copy, TSC, '-p', join(copy, 'tsconfig.build.json'), '--outDir', installed);
  const described = readFileSync(join(PACKAGE, 'package.json'), 'utf8');
  writeFileSync(join(installed, 'package.json'), described.replaceAll('/ofp.ts', '/ofp.js'));
  writeFileSync(join(context.folder, 'package.json'), '{ "type": "module" }');
});

test.after(({ folder }) => rmSync(folder, { recursive: true }));

function run(folder: string, ...words: readonly string[]): string {
  return execFileSync(process.execPath, words, { cwd: folder, encoding: 'utf8', timeout: LIMIT_MS });
}

test('from JavaScript', ({ folder }) => {
  writeFileSync(join(folder, 'use.js'), USE);
  const told = run(folder, '--input-type=module', '-e', "import { told } from './use.js'; console.log(told)");
  assert.is(told, '[88,"message",1]\n');
});

test('from TypeScript, where a wrong message does not compile', ({ folder }) => {
  writeFileSync(join(folder, 'right.ts'), USE);
  writeFileSync(join(folder, 'wrong.ts'), USE.replace("'02:00:00:00:00:01'", '2'));
  const options = [
    '--noEmit',
    '--pretty',
    'false',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2024',
  ];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [TSC, ...options, 'right.ts', 'wrong.ts'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: LIMIT_MS,
  });
  const isTold = /^wrong\.ts\(\d+,\d+\): error TS2345: [^\n]*\n$/.test(stdout);
  assert.ok(isTold && status !== 0, `status ${status}, signal ${signal}, said: ${stdout}${stderr}`);
});

test.run();
