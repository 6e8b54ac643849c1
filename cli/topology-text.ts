// The overlay's topology for a terminal: the nodes by cloud, and every link as a line that is longer where the way is.
import { styleText } from 'node:util';
import { formatTable } from '../common/terminal/table.ts';
import type { ClusterLink, ClusterTopology } from '../wire/contracts/topology.ts';

const ETHERNET_HEADER_BYTES = 14;
/** Every destination takes a datagram of so much (RFC 791, 3.2): a probe that is shorter has proved nothing. */
const MTU_MIN = 576;
const LINE_COLUMNS_MIN = 4;
const LINE_COLUMNS_MAX = 16;
/** Columns for each doubling of the round trip from 1 ms on. */
const COLUMNS_PER_DOUBLING = 1.5;
const STROKES = { up: '─', down: '╳', unheard: '·', unknown: '·' } as const;
const COLOURS = { up: 'green', down: 'red', unheard: 'red', unknown: 'yellow' } as const;

/** One line for each cloud and node, then one for each link. `nowMs` since 1970. */
export function describeTopology(topology: ClusterTopology, nowMs: number): string {
  const { takenAtMs } = topology;
  const ageSec = takenAtMs === null ? 0 : Math.round((nowMs - takenAtMs) / 1_000);
  const notes = [
    ...(takenAtMs === null ? ["the overlay's controller does not answer: no link is known"] : []),
    ...(ageSec > 2 ? [`the overlay's controller does not answer: this was ${ageSec} s ago`] : []),
  ];
  return [...describeNodes(topology), '', describeLinks(topology), ...describeEncryption(topology), ...notes].join(
    '\n',
  );
}

function describeNodes({ nodes }: ClusterTopology): string[] {
  const clouds = Map.groupBy(nodes, ({ cloud }) => cloud);
  return [...clouds].sort(byName).flatMap(([cloud, members]) => [
    cloud,
    ...members
      .sort((x, y) => (x.node < y.node ? -1 : 1))
      .map(({ node, up, reports, hasSwitch }, at) => {
        const state = up ? '' : ' (down)';
        const silence = reports ? '' : ' (its agent reports no links)';
        const cut = hasSwitch ? '' : ' (its switch is not connected)';
        return `${at === members.length - 1 ? '└─' : '├─'} ${node}${state}${silence}${cut}`;
      }),
  ]);
}

function describeLinks({ links }: ClusterTopology): string {
  if (links.length === 0) return 'no link was measured yet';
  const figures = ['RTT', 'LOSS', 'MTU'].map((title) => ({ title, figures: true }));
  const columns = [
    { title: 'FROM' },
    { title: 'LINK' },
    { title: 'TO' },
    { title: 'STATE' },
    ...figures,
    { title: 'WAY' },
  ];
  return formatTable(columns, links.map(describeLink));
}

/** Of some that are not, which. */
function describeEncryption({ links }: ClusterTopology): string[] {
  if (links.length === 0) return [];
  const open = links.filter(({ encrypted }) => !encrypted);
  if (open.length === 0) return ['every link is encrypted'];
  if (open.length === links.length) return ['no link is encrypted'];
  return [`not encrypted: ${open.map(({ a, b }) => `${a} - ${b}`).join(', ')}`];
}

function describeLink(link: ClusterLink): string[] {
  const { a, b, verdict, roundTripMs, loss, provedBytes } = link;
  const isNow = roundTripMs !== null && verdict !== 'down';
  const mtu = provedBytes - ETHERNET_HEADER_BYTES;
  return [
    a,
    styleText(COLOURS[verdict], lineOf(link)),
    b,
    verdict,
    isNow ? `${roundTripMs < 9.95 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)} ms` : '',
    isNow ? `${Math.round(100 * loss)} %` : '',
    mtu < MTU_MIN ? '' : `${mtu}`,
    wayOf(link),
  ];
}

function lineOf({ verdict, roundTripMs }: ClusterLink): string {
  const doublings = Math.log2(Math.max(1, roundTripMs ?? 1));
  const columns = Math.min(LINE_COLUMNS_MAX, LINE_COLUMNS_MIN + Math.round(COLUMNS_PER_DOUBLING * doublings));
  const half = '─'.repeat(Math.floor(columns / 2) - 1);
  return verdict === 'down' ? `${half} ${STROKES.down} ${half}` : STROKES[verdict].repeat(columns);
}

function wayOf({ via, relay }: ClusterLink): string {
  if (via === null) return 'none';
  if (via.length === 0 && relay !== undefined) return `relayed by ${relay}`;
  return via.length === 0 ? 'direct' : `over ${via.join(', ')}`;
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}
