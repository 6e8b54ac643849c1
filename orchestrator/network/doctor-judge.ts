// What is to be thought of two nodes' figures of one another: findings, each with what to do about it. Pure. A figure that
// could not be had because of another finding is unknown and not wrong a second time.
import { formatBytes } from '../../common/terminal/progress.ts';
import type { DoctorReport, Finding, PairEnd, PeerFigures, PortFigures } from '../../wire/contracts/doctor.ts';
import { VXLAN_PORT } from '../../wire/ports.ts';

/** The shortest recovery point objective: beyond it the times of two nodes' snapshots and logs cannot be compared. */
const CLOCK_LIMIT_MS = 1_000;
/** A guest that moves stands still for a round trip at least, and its user waits for more. */
const ROUND_TRIP_LIMIT_MS = 1_000;
/** Below, the memory of a guest of 512 MiB takes over nine minutes, if it changes none of it meanwhile. */
const RATE_LIMIT_BYTES_PER_SECOND = 1_000_000;
const ETHERNET_HEADER_BYTES = 14;
/** VXLAN, UDP and IPv4 around a guest's Ethernet frame (RFC 7348, 5). */
const TUNNEL_BYTES = 36;
/** WireGuard's header and tag, UDP and an IPv6 header around that. */
const WIREGUARD_BYTES = 80;

const NO_TUNNEL =
  'these two do not probe each other: no tunnel joins them (frames go over gateways), or none that anybody uses (no network has a VM at both)';

type Ends = readonly [PairEnd, PairEnd];
type Found = Pick<Finding, 'verdict' | 'figure' | 'remedy'>;

export interface DoctorFigures {
  readonly ends: Ends;
  readonly isEncrypted: boolean;
}

/** In the order in which they are looked at: what comes first explains what comes later. */
export function judge({ ends: [a, b], isEncrypted }: DoctorFigures): DoctorReport['findings'] {
  const both = [
    [a, b],
    [b, a],
  ] as const;
  const each = (subject: Finding['subject'], look: (from: PairEnd, to: PairEnd) => Found): Finding[] =>
    both.map(([from, to]) => ({ subject, from: from.node, to: to.node, ...look(from, to) }));
  const pair = { from: a.node, to: b.node };
  return [
    ...each('ports', (from, to) => judgePorts(from, to, isEncrypted)),
    ...each('tunnel', (from, to) => judgeTunnel(from, to, isEncrypted)),
    ...each('MTU', (from, to) => judgeMtu(from, to, isEncrypted)),
    { subject: 'clocks', ...pair, ...judgeClocks(a, b) },
    { subject: 'RTT', ...pair, ...judgeRoundTrip(a, b) },
    ...each('bandwidth', judgeRate),
  ];
}

function ok(figure: string): Found {
  return { verdict: 'ok', figure, remedy: '' };
}

function wrong(figure: string, remedy: string): Found {
  return { verdict: 'wrong', figure, remedy };
}

function unknown(figure: string): Found {
  return { verdict: 'unknown', figure, remedy: '' };
}

function judgePorts(from: PairEnd, to: PairEnd, isEncrypted: boolean): Found {
  if ('missing' in from.peer)
    return wrong(
      `the agent of ${from.node} does not answer: ${from.peer.missing}`,
      `Start the daemon hypervisor at ${from.node}, or let the controller reach it.`,
    );
  const { ports } = from.peer;
  const shut = ports.filter(({ outcome }) => outcome !== 'open');
  if (shut.length === 0) return ok(`open: ${ports.map(nameOf).join(', ')}`);
  const figure = shut.map((port) => `${nameOf(port)}: ${port.reason}`).join('; ');
  return wrong(figure, portsRemedy(from, to, ports, isEncrypted));
}

function portsRemedy(from: PairEnd, to: PairEnd, ports: readonly PortFigures[], isEncrypted: boolean): string {
  const of = (outcome: PortFigures['outcome']): PortFigures[] => ports.filter((port) => port.outcome === outcome);
  const [silent, refused] = [of('silent'), of('refused')];
  if (silent.length === ports.length) {
    const way = isEncrypted ? "WireGuard's UDP port" : 'the TCP ports';
    return `Nothing comes back from ${to.node}: let ${way} in there from ${from.node} (${from.address}), and look at the route between the two.`;
  }
  if (silent.length > 0)
    return `Let TCP port ${silent.map(({ port }) => port).join(', ')} of ${to.node} in from ${from.address}: others of its ports answer, so a firewall is in the way.`;
  if (refused.length > 0) return `Start ${refused.map(({ daemon }) => daemon).join(', ')} at ${to.node}.`;
  return `Look at the certificates and the clocks of ${from.node} and ${to.node}: who answers there is not trusted.`;
}

function nameOf({ daemon, port }: PortFigures): string {
  return `${daemon} ${port}`;
}

/** What the receiving end heard: frames from `from`. */
function judgeTunnel(from: PairEnd, to: PairEnd, isEncrypted: boolean): Found {
  const deaf = [from, to].find(({ link }) => 'missing' in link);
  if (deaf !== undefined && 'missing' in deaf.link)
    return wrong(
      `the switch agent of ${deaf.node} does not answer: ${deaf.link.missing}`,
      `Start the daemon switch-agent at ${deaf.node}, or let the controller reach it.`,
    );
  if ('missing' in to.link || 'missing' in from.link) return unknown('not looked at');
  if (!to.link.hasTunnel || !from.link.hasTunnel) return unknown(NO_TUNNEL);
  if (to.link.heard > 0) return ok(`${to.link.heard} probes came`);
  const inside = isEncrypted ? ' inside WireGuard' : '';
  return wrong(
    `no probe comes out of the tunnel (UDP ${VXLAN_PORT})`,
    `Let UDP port ${VXLAN_PORT} of ${to.node}${inside} in from ${from.address}, and see that Open vSwitch runs at both.`,
  );
}

function judgeMtu(from: PairEnd, to: PairEnd, isEncrypted: boolean): Found {
  const path = pathFigure(from);
  if ('missing' in to.link || to.link.heard === 0) {
    const isUnprobed = !('missing' in to.link) && !to.link.hasTunnel;
    return unknown(`${isUnprobed ? 'no tunnel is probed' : 'nothing comes through the tunnel'}; ${path.words}`);
  }
  const { longestBytes, wantedBytes } = to.link;
  const [came, wanted] = [longestBytes - ETHERNET_HEADER_BYTES, wantedBytes - ETHERNET_HEADER_BYTES];
  const needed = wantedBytes + TUNNEL_BYTES + (isEncrypted ? WIREGUARD_BYTES : 0);
  const remedy = `Raise the MTU of the path from ${from.node} to ${to.node} to ${needed} bytes, or lower mtuBytes of the guests at every node.`;
  if (longestBytes < wantedBytes)
    return wrong(`guests' packets of ${came} bytes come through, ${wanted} are needed; ${path.words}`, remedy);
  if (path.bytes !== undefined && path.bytes < needed)
    return wrong(
      `guests' packets of ${wanted} bytes come through in fragments: ${needed} are needed, and ${path.words}`,
      remedy,
    );
  return ok(`guests' packets of ${wanted} bytes come through; ${path.words}`);
}

/** Of the path below the tunnel, from the end that measured it. */
function pathFigure(from: PairEnd): { readonly bytes?: number; readonly words: string } {
  const path = peerOf(from)?.path ?? { missing: 'its agent does not answer' };
  if ('missing' in path) return { words: `not known whether in one piece: ${path.missing}` };
  return { bytes: path.longestBytes, words: `the path takes ${path.longestBytes} bytes in one piece` };
}

function peerOf({ peer }: PairEnd): PeerFigures | undefined {
  return 'missing' in peer ? undefined : peer;
}

function judgeClocks(a: PairEnd, b: PairEnd): Found {
  const [seenByA, seenByB] = [peerOf(a)?.clock ?? undefined, peerOf(b)?.clock ?? undefined];
  const turned = seenByB && { offsetMs: -seenByB.offsetMs, errorMs: seenByB.errorMs };
  const [best] = [seenByA, turned].filter((one) => one !== undefined).sort((one, other) => one.errorMs - other.errorMs);
  if (best === undefined) return unknown('neither agent answers the other');
  const { offsetMs, errorMs } = best;
  const figure = `${b.node} is ${milliseconds(Math.abs(offsetMs))} ${offsetMs < 0 ? 'behind' : 'ahead'}, by ${milliseconds(errorMs)} at most more or less`;
  if (Math.abs(offsetMs) - errorMs <= CLOCK_LIMIT_MS) return ok(figure);
  return wrong(
    figure,
    `Have NTP (chrony, systemd-timesyncd) set the clocks of ${a.node} and ${b.node}, and see which is wrong.`,
  );
}

function judgeRoundTrip(a: PairEnd, b: PairEnd): Found {
  const trips = [peerOf(a), peerOf(b)].flatMap((peer) => peer?.roundTrip ?? []);
  const [best] = trips.toSorted((one, other) => one.minMs - other.minMs);
  if (best === undefined) return unknown('neither agent answers the other');
  const figure = `${milliseconds(best.minMs)} at least, median ${milliseconds(best.medianMs)} of ${best.samples}`;
  if (best.medianMs <= ROUND_TRIP_LIMIT_MS) return ok(figure);
  return wrong(
    figure,
    'Take another way between the two or free it of other load: a guest stands still for a round trip at least when it moves.',
  );
}

/** Measured by who receives. */
function judgeRate(from: PairEnd, to: PairEnd): Found {
  const { rate } = to;
  if (rate === null) return unknown('not measured');
  if ('missing' in rate) return unknown(rate.missing);
  const { bytes, ms, bytesPerSecond } = rate;
  const figure = `${formatBytes(Math.round(bytesPerSecond))}/s (${formatBytes(bytes)} in ${milliseconds(ms)})`;
  if (bytesPerSecond >= RATE_LIMIT_BYTES_PER_SECOND) return ok(figure);
  return wrong(
    figure,
    `Find what narrows the way from ${from.node} to ${to.node}: a guest of 512 MiB takes over nine minutes to move at that.`,
  );
}

function milliseconds(ms: number): string {
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
