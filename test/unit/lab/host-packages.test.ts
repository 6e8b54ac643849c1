// What set-up does to a Debian, and what it says when it cannot: the real script, with an apt-get that says what each case needs.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { notInstalled } from '../../../lab/host-packages.ts';

const SCRIPT = fileURLToPath(new URL('../../../lab/install-packages.sh', import.meta.url));
/** `update`, `fetch` or `install` is a script of the test's own; each step is written down with whether services may start. */
const APT = `#!/bin/bash
case " $* " in *' update '*) step=update ;; *' --download-only '*) step=fetch ;; *) step=install ;; esac
[ -e "$POLICY_FILE" ] && echo "$step, no services" >>steps || echo "$step" >>steps
[ ! -e "$step" ] || . "./$step"
`;
const REACHED = 'echo "Hit:1 http://mirror.test/debian bookworm InRelease"\n';

let folder: string;
const path = (name: string): string => join(folder, name);

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-packages-'));
  writeFileSync(path('apt-get'), APT, { mode: 0o755 });
  writeFileSync(path('dpkg'), '#!/bin/sh\necho "dpkg $*" >>steps\n', { mode: 0o755 });
  writeFileSync(path('update'), REACHED);
});

test.after.each(() => {
  rmSync(folder, { recursive: true });
});

function start(environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const log = openSync(path('log'), 'w+');
  return spawn(SCRIPT, ['one', 'two'], {
    cwd: folder,
    detached: true,
    env: {
      PATH: `${folder}:${process.env.PATH}`,
      POLICY_FILE: path('policy'),
      LOCK_PAUSE_SECONDS: '0',
      ...environment,
    },
    stdio: ['ignore', log, log],
  });
}

async function run(environment?: NodeJS.ProcessEnv): Promise<number> {
  const [code] = (await once(start(environment), 'close')) as [number];
  return code;
}

const steps = (): string[] => readFileSync(path('steps'), 'utf8').trimEnd().split('\n');
const lastLines = (): string[] => readFileSync(path('log'), 'utf8').trimEnd().split('\n').slice(-2);

/** A step that says that it has begun and then waits until it is let go. */
function pausedStep(name: string): { begun: Promise<string>; letGo: () => Promise<void> } {
  execFileSync('sh', ['-c', 'mkfifo begun go'], { cwd: folder });
  writeFileSync(path(name), `${name === 'update' ? REACHED : ''}echo begun >begun; cat go; echo through >>steps\n`);
  return { begun: readFile(path('begun'), 'utf8'), letGo: () => writeFile(path('go'), '') };
}

test('packages are known as installed by what dpkg says of them', () => {
  const answer = 'here ii \nheld hi \nremoved rc \nunpacked iU \nunknown un \n';
  const asked = ['here', 'held', 'removed', 'unpacked', 'unknown', 'unheard'];
  assert.equal(notInstalled(asked, answer), ['removed', 'unpacked', 'unknown', 'unheard']);
});

test('lists, what was interrupted, archives, installation: and no service may start in the two that configure', async () => {
  writeFileSync(path('dpkg'), '#!/bin/sh\n[ -e "$POLICY_FILE" ] && echo "dpkg $*, no services" >>steps\n');
  assert.is(await run(), 0);
  assert.equal(steps(), ['update', 'dpkg --configure -a, no services', 'fetch', 'install, no services']);
  assert.not.ok(existsSync(path('policy')), 'services may start again');
});

test('the switch against services of a killed run is taken away, and nobody else’s', async () => {
  writeFileSync(path('install'), 'cp "$POLICY_FILE" kept; kill -KILL "$PPID"\n');
  await run();
  assert.ok(existsSync(path('policy')), 'a killed run leaves it');
  writeFileSync(path('install'), '');
  assert.is(await run(), 0);
  assert.not.ok(existsSync(path('policy')));
  writeFileSync(path('policy'), '#!/bin/sh\nexit 101\n');
  assert.is(await run(), 0);
  assert.ok(existsSync(path('policy')));
});

const FAILURES: readonly (readonly [name: string, step: string, said: string, sentence: RegExp, remedy: RegExp])[] = [
  [
    'a mirror that cannot be reached, of which apt says 0',
    'update',
    'echo "Err:1 http://mirror.test/debian bookworm InRelease\nW: Failed to fetch http://mirror.test/x  Temporary failure resolving \'mirror.test\'"',
    /lists .*: Failed to fetch http:\/\/mirror.test\/x {2}Temporary failure/,
    /network and the mirror/,
  ],
  ['no mirror at all', 'update', 'echo "Reading package lists..."', /knows no Debian mirror/, /sources.list/],
  [
    'a clock that is wrong',
    'update',
    'echo "E: Release file for http://mirror.test/x is not valid yet (invalid for another 3h)."; exit 100',
    /not valid yet/,
    /clock/,
  ],
  [
    'a package that this Debian does not have',
    'fetch',
    'echo "E: Unable to locate package two"; exit 100',
    /cannot be fetched: E: Unable to locate package two/,
    /sources/,
  ],
  [
    'no room for the archives',
    'fetch',
    'echo "E: You don\'t have enough free space in /var/cache/apt/archives/."; exit 100',
    /the disk is full/,
    /make room/,
  ],
  [
    'no room for what is in them',
    'install',
    'echo "dpkg: error processing archive x.deb (--unpack): cannot write: No space left on device"; exit 100',
    /the disk is full/,
    /make room/,
  ],
  [
    'a package that would push others out',
    'fetch',
    'echo "E: Packages need to be removed but remove is disabled."; exit 100',
    /would have to go/,
    /apt-get install --no-install-recommends one two/,
  ],
  [
    'a package whose own script fails',
    'install',
    'echo "dpkg: error processing package one (--configure):\nE: Sub-process /usr/bin/dpkg returned an error code (1)"; exit 100',
    /error processing package one/,
    /shows more/,
  ],
  [
    'another installation that does not end',
    'fetch',
    'echo "E: Could not get lock /var/lib/dpkg/lock-frontend."; exit 100',
    /another program/,
    /wait for it/,
  ],
];

for (const [name, step, said, sentence, remedy] of FAILURES) {
  test(`${name} is a sentence and a remedy, and the switch is gone`, async () => {
    writeFileSync(path(step), `${said}\n`);
    assert.is(await run(), 1);
    const [first = '', second = ''] = lastLines();
    assert.match(first, sentence);
    assert.match(second, remedy);
    assert.not.ok(existsSync(path('policy')));
  });
}

test('a disk without room is named even where apt cannot say it', async () => {
  writeFileSync(path('install'), 'exit 100\n');
  assert.is(await run({ MIN_FREE_KB: '900000000000000' }), 1);
  assert.match(lastLines()[0] ?? '', /the disk is full/);
});

test('one source that fails is no reason to give up', async () => {
  writeFileSync(path('update'), `${REACHED}echo "E: The repository 'http://other.test x' is not signed."; exit 100\n`);
  assert.is(await run(), 0);
});

test('another installation that ends is waited for', async () => {
  writeFileSync(path('fetch'), '[ -e once ] || { touch once; echo "E: Could not get lock /var/lib/x."; exit 100; }\n');
  assert.is(await run(), 0);
  assert.equal(steps().slice(-3), ['fetch', 'fetch', 'install, no services']);
});

test('asked to end while it fetches, it ends at once and installs nothing', async () => {
  const { begun } = pausedStep('fetch');
  const child = start();
  await begun;
  child.kill('SIGTERM');
  assert.equal(await once(child, 'close'), [130, null]);
  assert.is(steps().at(-1), 'fetch');
});

test('asked to end while it installs, it lets that finish', async () => {
  const { begun, letGo } = pausedStep('install');
  const child = start();
  await begun;
  child.kill('SIGTERM');
  await letGo();
  assert.equal(await once(child, 'close'), [130, null]);
  assert.is(steps().at(-1), 'through');
  assert.not.ok(existsSync(path('policy')));
});

test.run();
