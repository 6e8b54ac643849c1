// `supercloud sdnd --alone`: an OpenFlow controller with no cluster, for whatever switches connect, until it is stopped.
// Reads the words, wires parts together and nothing else.
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:net';
import { Command } from 'commander';
import { realClock } from '../common/clock.ts';
import { crashLoudly, type Running, runUntilStopped } from '../common/daemon.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import { createPlainLog, type Log } from '../common/log.ts';
import type { Listen } from '../common/rpc/listen.ts';
import { exitCodeOf } from '../common/terminal/error-report.ts';
import { jsonText, writeJsonFile } from '../common/terminal/json-file.ts';
import { endSaid } from '../common/terminal/terminal.ts';
import { LoneServer } from './alone/lone-server.ts';
import { loneTopology, loneTopologyText } from './alone/lone-topology.ts';
import { askTopology, serveTopology } from './alone/topology-socket.ts';

const EXAMPLES = `
Examples:
  supercloud sdnd --alone                                     on 127.0.0.1:6653, for switches of this machine
  supercloud sdnd --alone --listen tcp:10.0.0.5:6653          for others too: only where nobody else can connect
  supercloud sdnd --alone --listen unix:/run/sdnd.sock --control /run/sdnd-topology.sock
  supercloud sdnd --topology /run/sdnd-topology.sock          switches, links with their latency, hosts
  supercloud sdnd --topology /run/sdnd-topology.sock --json   the same as data

  ovs-vsctl set bridge br0 protocols=OpenFlow13 fail_mode=secure -- set-controller br0 tcp:127.0.0.1:6653

It takes over the flow tables of every switch that connects: entries that it did not put there are taken out. Switches may be wired in any
way. A port forwards nothing until it has been quiet for two seconds; hosts are learnt at ports that no other switch answers at.
Ctrl-C, SIGTERM or a closed terminal stops it; the switches keep their flows, and a pair's flows go a minute after their last frame.`;

const DEFAULT_LISTEN = 'tcp:127.0.0.1:6653';
const PORT_MAX = 65_535;
const RANDOM_BYTES = 6;
const MISSES_DEFAULT = 2_000;

interface Options {
  readonly alone?: true;
  readonly listen: string;
  readonly control?: string;
  readonly misses: number;
  readonly topology?: string;
  readonly json?: string | true;
}

function usage(why: string): OperationError {
  return new OperationError('USAGE', why, { remedy: 'supercloud sdnd --help has examples.' });
}

/** OVS's words for a place: tcp:ADDRESS:PORT, unix:PATH. */
function placeOf(text: string): Listen {
  const [, path] = /^unix:(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path };
  const [, inBrackets, plain, digits = ''] = /^tcp:(?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = inBrackets ?? plain;
  if (address === undefined || Number(digits) > PORT_MAX)
    throw usage(`'${text}' is no tcp:ADDRESS:PORT and no unix:PATH`);
  return { address, port: Number(digits) };
}

function warnOf(place: Listen, log: Log): void {
  if ('path' in place) return;
  const isLoopback = place.address === '::1' || place.address.startsWith('127.');
  if (isLoopback) log.warn('only switches of this machine can connect; --listen tcp:ADDRESS:PORT is for others');
  else log.warn('there is no TLS here: whoever reaches that port may be a switch, and say what it likes of its hosts');
}

function random(): number {
  return randomBytes(RANDOM_BYTES).readUIntBE(0, RANDOM_BYTES) / 2 ** (8 * RANDOM_BYTES);
}

async function listening<T>(where: string, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    throw new OperationError('LISTEN', `cannot listen on ${where}: ${messageOf(cause)}`, {
      remedy: 'Choose an address of this machine and a port that is free, or a path that can be made.',
      cause,
    });
  }
}

async function serve({ listen, control, misses }: Options, log: Log): Promise<Running> {
  const place = placeOf(listen);
  const server = new LoneServer({ clock: realClock, log, random, missesPerSecond: misses });
  const port = await listening(listen, () => server.listen(place));
  let asked: Server | undefined;
  try {
    if (control !== undefined)
      asked = await listening(control, () => serveTopology(control, () => loneTopology(server.controller)));
  } catch (error) {
    await server.close();
    throw error;
  }
  warnOf(place, log);
  process.stdout.write(`${'path' in place ? listen : listen.replace(/\d+$/, String(port))}\n`);
  return {
    async close() {
      asked?.close();
      await server.close();
    },
  };
}

async function show(path: string, wanted: string | true | undefined): Promise<void> {
  const topology = await askTopology(path);
  if (typeof wanted === 'string') writeJsonFile(wanted, topology);
  else process.stdout.write(wanted === true ? jsonText(topology) : `${loneTopologyText(topology)}\n`);
}

async function run(options: Options): Promise<void> {
  const { alone, topology, json } = options;
  if ((alone === undefined) === (topology === undefined)) {
    throw usage('say --alone, or --topology PATH of one that runs; the sdnd of a cluster is started by its node');
  }
  if (topology !== undefined) return show(topology, json);
  if (json !== undefined) throw usage('--json is for --topology');
  const log = createPlainLog('sdnd', 'info');
  crashLoudly(log);
  await runUntilStopped(log, () => serve(options, log));
  process.stdout.write('serving; Ctrl-C stops\n');
}

function perSecond(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw usage(`'${text}' is no number from 1`);
}

const program = new Command('supercloud sdnd')
  .description('an OpenFlow 1.3 controller alone: learns switches, links and hosts by itself, loop-free on any mesh')
  .exitOverride()
  .option('--alone', 'without a cluster')
  .option('--listen <PLACE>', 'where switches connect: tcp:ADDRESS:PORT or unix:PATH', DEFAULT_LISTEN)
  .option('--misses <COUNT>', 'frames a second that one port may bring to the controller', perSecond, MISSES_DEFAULT)
  .option('--control <PATH>', 'a unix socket where --topology asks')
  .option('--topology <PATH>', 'show what the controller with that --control knows')
  .option('--json [FILE]', 'that as JSON, or into a file')
  .addHelpText('after', EXAMPLES)
  .action(run);

try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  endSaid(exitCodeOf(error));
}
