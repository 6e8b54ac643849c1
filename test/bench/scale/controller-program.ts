// The overlay's controller of `bench overlay-scale`, a process of its own: the parts of `sdnd/main.ts` with a unix socket for its
// switches in the place of TLS, and with agents that only count what they are told.
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { realClock } from '../../../common/clock.ts';
import { realDisk } from '../../../common/disk/disk.ts';
import { Journal } from '../../../common/journal/journal.ts';
import { createLog } from '../../../common/log.ts';
import type { Peer } from '../../../common/membership/identity.ts';
import { ControllerSeat } from '../../../sdnd/controller/controller-seat.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { answerQuestions } from './bench-process.ts';
import { nodeName } from './overlay-plan.ts';

const BACKLOG = 2_048;
const LOOP_RESOLUTION_MS = 10;

export type ControllerQuestion =
  | { readonly kind: 'figures' }
  | { readonly kind: 'move'; readonly migration: string; readonly to: Binding }
  /** The longest turn is counted anew from here on. */
  | { readonly kind: 'reset' };

export interface ControllerFigures {
  /** Switches that were compared, and changed where they differed, at least once. */
  readonly compared: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest turn of its event loop. */
  readonly longestMs: number;
  /** Calls at agents, networks told with them, and lists of peers to probe. */
  readonly agentCalls: number;
  readonly networksTold: number;
  readonly peersTold: number;
  readonly peersMost: number;
}

export interface MoveFigures {
  readonly prepareMs: number;
  readonly completeMs: number;
}

export type ControllerAnswers = { figures: ControllerFigures; move: MoveFigures; reset: null };

const [socketPath = '', journalPath = ''] = process.argv.slice(2);
const log = createLog('sdnd', 'error');
const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
loop.enable();
const told = { agentCalls: 0, networksTold: 0, peersTold: 0, peersMost: 0 };
const orchestrator: Peer = { node: nodeName(0), role: 'controller' };
const context = { peer: orchestrator, progress: () => undefined, signal: new AbortController().signal };
const channels = new Set<OpenFlowChannel>();

/** As the daemon begins; then the orchestrator has told it all, and every node's agent is in session. */
async function begin(): Promise<ReturnType<ControllerSeat['handlers']>> {
  const { journal, records } = await Journal.open(realDisk, journalPath, OverlayRecord);
  const overlay = new Overlay(records);
  overlay.apply({ kind: 'term', term: overlay.term + 1 });
  await journal.rewrite(overlay.records());
  const seat = new ControllerSeat({
    overlay,
    journal,
    tellAgent: async (_member, news) => {
      told.agentCalls += 1;
      told.networksTold += news.networks.length;
    },
    connectionsOf: async () => ({ connections: [], left: 0 }),
    figures: async ({ switchFigures }) => ({
      switches: switchFigures.map((one) => ({ ...one, packetIns: null })),
      ...{ pairs: [], unreachable: [] },
    }),
    closeChannels: (reason) => {
      for (const channel of channels) channel.close(reason);
    },
    clock: realClock,
    log,
  });
  seat.beginAlone();
  const handlers = seat.handlers();
  // A controller that was killed has left it.
  await rm(socketPath, { force: true });
  createServer((socket) => accept(seat, socket)).listen({ path: socketPath, backlog: BACKLOG });
  for (const { node } of overlay.members) joinAgent(handlers, node);
  await handlers['state.told']({ term: overlay.term }, context);
  return handlers;
}

/** Which node's switch it is says its datapath id, where a certificate would. */
function accept(seat: ControllerSeat, socket: Socket): void {
  let node: string | undefined;
  const channel: OpenFlowChannel = new OpenFlowChannel(
    socket,
    realClock,
    {
      ready: (datapathId, ports) => {
        node = nodeName(Number(datapathId));
        seat.ready(node, channel, datapathId, ports);
      },
      port: (reason, port) => {
        if (node !== undefined) seat.port(node, channel, reason, port);
      },
      closed: (reason) => {
        channels.delete(channel);
        if (node !== undefined) seat.closed(node, channel, reason);
      },
    },
    seat.role(),
  );
  channels.add(channel);
}

function joinAgent(handlers: ReturnType<ControllerSeat['handlers']>, node: string): void {
  const progress = ({ peers }: { readonly peers: readonly unknown[] }): void => {
    told.peersTold += 1;
    told.peersMost = Math.max(told.peersMost, peers.length);
  };
  void handlers['links.join']({ links: [] }, { ...context, peer: { node, role: 'node' }, progress });
}

type Calls = Awaited<ReturnType<typeof begin>>;

async function figures(calls: Calls): Promise<ControllerFigures> {
  const { switches } = await calls['figures.show']({}, context);
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    compared: switches.filter(({ flows }) => flows > 0).length,
    cpuSeconds: (user + system) / 1e6,
    ...{ rssBytes: rss, heapBytes: heapUsed, longestMs: loop.max / 1e6 },
    ...told,
  };
}

async function move(calls: Calls, migration: string, to: Binding): Promise<MoveFigures> {
  const startedMs = performance.now();
  await calls['migration.prepare']({ migration, to }, context);
  const preparedMs = performance.now();
  await calls['migration.complete']({ migration }, context);
  return { prepareMs: preparedMs - startedMs, completeMs: performance.now() - preparedMs };
}

const begun = begin();
answerQuestions<ControllerQuestion>(async (question) => {
  const calls = await begun;
  if (question.kind === 'figures') return figures(calls);
  if (question.kind === 'move') return move(calls, question.migration, question.to);
  loop.reset();
  return null;
});
