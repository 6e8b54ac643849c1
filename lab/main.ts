// `supercloud lab`: three clouds on this machine, a VM that is moved round them live, and then yours to try.
import { Command, Option } from 'commander';
import { OperationError } from '../common/errors.ts';
import { exitCodeOf, reportError } from '../common/terminal/error-report.ts';
import { jsonText, writeJsonFile } from '../common/terminal/json-file.ts';
import { formatMs, ProgressLine } from '../common/terminal/progress.ts';
import { STOP_SIGNALS, servesUnread } from '../common/terminal/terminal.ts';
import { FIGURE5, TWO_GATEWAYS } from './figure5.ts';
import type { GuestKind } from './guest/build.ts';
import { labPackages, prepareWithProgress, visitorPackages, WIREGUARD_PACKAGES } from './guests.ts';
import { checkHost } from './host-check.ts';
import { ensurePackages } from './host-packages.ts';
import { Lab } from './lab.ts';
import { insideNamespace } from './namespace.ts';
import { allHeld, roundTable } from './report.ts';
import { type Leg, Round } from './round.ts';
import { cleanAll } from './run-directory.ts';
import { createSshKey } from './ssh-key.ts';
import { CONTROLLERS_MAX, encrypted, GUEST, type LabTopology, THREE_CLOUDS, withControllers } from './topology.ts';
import { wanCommand } from './wan-command.ts';

interface Options {
  readonly once?: true;
  readonly clean?: true;
  readonly json?: string | true;
  readonly image: GuestKind;
  readonly rounds: number;
  readonly topology: LabTopology;
  readonly controllers: number;
  readonly encrypt?: true;
}

const EXAMPLES = `
Examples:
  supercloud lab                      the round, then it stays for you to try
  supercloud lab --once --image tiny  the round with a small guest, then everything is taken down
  supercloud lab --once --json=FILE   the figures into a file
  supercloud lab --topology figure5   with a private network behind a gateway, and a cloud behind a 1:1 NAT
  supercloud lab --controllers 2      with a second controller of the overlay: net controllers, net controller hand-over
  supercloud lab --clean              remove what a crashed lab left behind
  supercloud lab wan                  the links of the lab that runs, and how to change them: lab wan --help`;

function image(text: string): GuestKind {
  if (text === 'tiny' || text === 'debian') return text;
  throw new OperationError('USAGE', `there is no guest '${text}'`, { remedy: 'say --image tiny or --image debian' });
}

function topology(text: string): LabTopology {
  if (text === 'three-clouds') return THREE_CLOUDS;
  if (text === 'figure5') return FIGURE5;
  if (text === 'two-gateways') return TWO_GATEWAYS;
  const remedy = 'say --topology three-clouds, figure5 or two-gateways';
  throw new OperationError('USAGE', `there is no map '${text}'`, { remedy });
}

const MAP = new Option(
  '--topology <map>',
  'the map: figure5 has a gateway, a private network behind it, a 1:1 NAT; two-gateways a second gateway too',
)
  .argParser(topology)
  .default(THREE_CLOUDS, 'three-clouds');

function rounds(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 1000) return count;
  throw new OperationError('USAGE', `'${text}' is no number of rounds`, { remedy: 'say --rounds 10' });
}

function controllers(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= CONTROLLERS_MAX) return count;
  const remedy = `say a number from 1 to ${CONTROLLERS_MAX}, as --controllers 2`;
  throw new OperationError('USAGE', `'${text}' is no number of controllers`, { remedy });
}

/** Runs what was typed: the lab itself, or something to do with one that runs. */
async function obey(args: readonly string[]): Promise<void> {
  await new Command('supercloud lab')
    .description('three clouds on this machine, and a VM that migrates round them, live')
    .option('--once', 'end after the round; exit 0 only if every check held')
    .option('--image <guest>', 'what boots: a whole Debian, or a tiny system', image, 'debian')
    .option('--rounds <count>', 'how many times round', rounds, 1)
    .addOption(MAP)
    .option('--controllers <count>', 'controllers of the overlay: one is active, others stand by', controllers, 1)
    .option('--encrypt', 'WireGuard between the nodes, for all that they send each other')
    .option('--json [file]', 'print the figures as JSON, or write them to a file')
    .option('--clean', 'remove what a crashed lab left behind, and end')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    // What is typed behind `wan` is its own.
    .enablePositionalOptions()
    .action(main)
    .addCommand(wanCommand.copyInheritedSettings(new Command().exitOverride()))
    .parseAsync([...args], { from: 'user' });
}

async function goRound(lab: Lab, round: Round, options: Options): Promise<Leg[]> {
  const legs: Leg[] = [];
  for (let count = 0; count < options.rounds; count += 1) {
    for (const to of lab.topology.round) legs.push(await round.leg(to));
  }
  const figures = { run: lab.run.runId, image: options.image, legs, held: allHeld(legs) };
  if (options.json === true) process.stdout.write(jsonText(figures));
  else process.stdout.write(`\n${roundTable(legs, lab.topology)}\n\n`);
  if (typeof options.json === 'string') writeJsonFile(options.json, figures);
  if (!figures.held) process.stderr.write(`not every check held; logs are in ${lab.run.path}\n`);
  return legs;
}

function whatToTry(lab: Lab, key: string | undefined): string {
  const inside = insideNamespace(lab.visitorNamespace).join(' ');
  const lines = [
    `status page  ${lab.statusPage}`,
    'move it      ./supercloud migrate web --to beta',
    'look         ./supercloud vm show web      ./supercloud image show web      ./supercloud node list',
    'worsen       ./supercloud lab wan alpha beta --rtt 150 --loss 2      ./supercloud lab wan --reset',
    `use it       ${inside} ping ${GUEST.address}`,
    `             ${inside} curl http://${GUEST.address}/`,
  ];
  if (key !== undefined)
    lines.push(`             ${inside} ssh -i ${key} -o StrictHostKeyChecking=no root@${GUEST.address}`);
  return [
    ...lines,
    ...controllerLines(lab),
    ...internetLines(lab),
    'end          Ctrl-C takes everything down',
    '',
  ].join('\n');
}

function controllerLines({ topology }: Lab): string[] {
  const standby = topology.clouds.find(({ standsBy }) => standsBy);
  if (standby === undefined) return [];
  return [`network      ./supercloud net controllers      ./supercloud net controller hand-over ${standby.node}`];
}

function internetLines(lab: Lab): string[] {
  const { internet, visitor } = lab.topology;
  if (internet === undefined) return [];
  const inside = insideNamespace(lab.cloud(visitor.cloud).namespace).join(' ');
  const lines = [`Internet     ${inside} curl http://${internet.host}/`];
  if (lab.outside === undefined) return lines;
  const { namespace, address } = lab.outside;
  return [
    ...lines,
    `way in       ${insideNamespace(namespace).join(' ')} curl http://${address}/      ./supercloud net egress show`,
  ];
}

/** Given when the person, or whoever started this, says that it is enough. */
function enough(): AbortSignal {
  const controller = new AbortController();
  servesUnread();
  for (const signal of STOP_SIGNALS) process.on(signal, () => controller.abort());
  return controller.signal;
}

function given(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function runLab(options: Options, line: ProgressLine): Promise<boolean> {
  const signal = enough();
  const ended = given(signal);
  const startedMs = performance.now();
  // Before anything is up: the first time this takes minutes, and it is what fails where there is no mirror or no room.
  const guest = await prepareWithProgress(options.image, line, { signal });
  if (signal.aborted) return false;
  const map = withControllers(options.topology, options.controllers);
  const lab = await Lab.start(line, options.encrypt === true ? encrypted(map) : map);
  let visit: Round | undefined;
  try {
    const round = new Round(lab, guest, line);
    visit = round;
    const key = options.image === 'debian' ? createSshKey(lab.run.path) : undefined;
    const work = round
      .boot(key?.publicKey)
      .then(() => round.useInternet())
      .then(() => goRound(lab, round, options));
    const legs = await Promise.race([options.once === true ? work : keepOnFailure(work, lab), ended.then(() => [])]);
    process.stderr.write(`from the start to the last figure: ${formatMs(performance.now() - startedMs)}\n`);
    if (options.once !== true) {
      process.stdout.write(whatToTry(lab, key?.file));
      await ended;
    }
    return allHeld(legs);
  } finally {
    visit?.stop();
    await line.during('take everything down', () => lab.stop());
  }
}

/** Someone sits before this lab: what failed is said, and it stays up to be looked at. */
async function keepOnFailure(work: Promise<Leg[]>, lab: Lab): Promise<Leg[]> {
  try {
    return await work;
  } catch (error) {
    reportError(error);
    process.stderr.write(`the lab stays up to be looked at; its logs are in ${lab.run.path}\n`);
    return [];
  }
}

async function main(options: Options): Promise<void> {
  const line = new ProgressLine();
  if (options.clean === true) {
    const cleaned = await cleanAll();
    process.stdout.write(cleaned.length === 0 ? 'nothing was left behind\n' : `removed: ${cleaned.join(', ')}\n`);
    return;
  }
  checkHost();
  const toTry = options.once === true ? [] : visitorPackages(options.image);
  const toEncrypt = options.encrypt === true ? WIREGUARD_PACKAGES : [];
  await ensurePackages([...labPackages(options.image), ...toEncrypt, ...toTry], line);
  if (!(await runLab(options, line))) process.exitCode = 1;
}

try {
  await obey(process.argv.slice(2));
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
