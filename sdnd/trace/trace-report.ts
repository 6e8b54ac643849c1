// What a walk of a frame comes to, for a person and for a program: its verdict, its hops in our words, its latency, and where
// two walks part. Pure.
import { type EthAddress, ethAddress } from '@openflow/ofp';
import { ipv6Words } from '../../common/addresses/ipv6-address.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { TopologyLink } from '../../wire/contracts/topology.ts';
import type { NetworkTrace, TraceDifference, TraceHop, TraceRule, TraceWalk } from '../../wire/contracts/trace.ts';
import { flowEffect, flowKey } from '../flow.ts';
import { type OverlayView, tenantOf } from '../forwarding/view.ts';
import type { FrameWalk, Hop } from './frame-walk.ts';
import { describeRule, missWords, type Names, tableName } from './rule-words.ts';
import type { Step } from './table-walk.ts';

/** Where a frame begins, and for whom it is. */
export interface TraceEnds {
  readonly from: Binding;
  readonly to: Binding;
  /** Their addresses, if it goes over IPv6. */
  readonly ipv6?: { readonly from: bigint; readonly to: bigint } | undefined;
}

type Verdict = Pick<TraceWalk, 'verdict' | 'why'>;

export class TraceReport {
  readonly #ends: TraceEnds;
  readonly #overlay: OverlayView;
  readonly #links: readonly TopologyLink[];
  readonly #names: Names;

  constructor(ends: TraceEnds, overlay: OverlayView, links: readonly TopologyLink[]) {
    this.#ends = ends;
    this.#overlay = overlay;
    this.#links = links;
    this.#names = namesOf(ends, overlay);
  }

  get ends(): Pick<NetworkTrace, 'from' | 'to'> {
    const { from, to, ipv6 } = this.#ends;
    return { from: traceEnd(from, ipv6?.from), to: traceEnd(to, ipv6?.to) };
  }

  /** `failures`: why switches could not be asked. */
  walk(walk: FrameWalk, failures: readonly string[] = []): TraceWalk {
    const hops = walk.hops.map((hop) => this.#hop(hop));
    const crossed = hops.flatMap(({ leaves }) => leaves.filter(({ to }) => to !== null));
    const isMeasured = crossed.every(({ roundTripMs }) => roundTripMs !== null);
    const roundTripMs = isMeasured ? crossed.reduce((sum, link) => sum + (link.roundTripMs ?? 0), 0) : null;
    const { verdict, why } = this.#judge(walk, failures);
    return { verdict, why: [why, ...this.#broken(hops)].join('; but '), hops, roundTripMs };
  }

  /** Rules do not know it at once, and where there is no other way they stay. */
  #broken(hops: readonly TraceHop[]): string[] {
    return hops.flatMap(({ node, leaves }) =>
      leaves.flatMap(({ to }) =>
        to !== null && this.#link(node, to)?.verdict === 'down'
          ? [`the link between ${node} and ${to} is down, and nothing crosses it now`]
          : [],
      ),
    );
  }

  #judge(walk: FrameWalk, failures: readonly string[]): Verdict {
    const { hops, missing, isEndless } = walk;
    if (isEndless) return { verdict: 'endless', why: 'it crosses more switches than any frame may' };
    if (missing !== undefined) {
      const why = failures[0] ?? `the switch of ${missing} has not told the controller of the ports that this needs`;
      return { verdict: 'unknown', why: `it is not known beyond ${missing}: ${why}` };
    }
    const out = hops.flatMap((hop) => hop.departures.filter(({ to }) => to === undefined).map((one) => ({ hop, one })));
    const [last] = out;
    if (last !== undefined) return this.#arrival(last.hop, last.one.portNo);
    const hop = hops.at(-1);
    if (hop?.unfollowed !== undefined)
      return { verdict: 'unknown', why: `a rule at ${hop.node} cannot be followed: ${hop.unfollowed}` };
    return { verdict: 'dropped', why: this.#dropWords(hop) };
  }

  #arrival(hop: Hop, portNo: number): Verdict {
    const { to } = this.#ends;
    const next = this.#overlay.preparations.get(to.owner);
    const place = [to, next].find((one) => one?.node === hop.node && hop.ports.get(one.port) === portNo);
    const where = `port ${portName(hop, portNo)} of ${hop.node}`;
    return place === undefined
      ? { verdict: 'astray', why: `it comes out at ${where}, which is not where ${to.owner} is` }
      : { verdict: 'delivered', why: `it comes to ${to.owner} at ${where}` };
  }

  #dropWords(hop: Hop | undefined): string {
    const { from, to } = this.#ends;
    const step = hop?.steps.at(-1);
    if (hop === undefined || step === undefined) return 'it meets no switch';
    const tenants = [tenantOf(from), tenantOf(to)];
    if (tenants[0] !== tenants[1])
      return `${from.owner} is in network ${tenants[0]} and ${to.owner} in ${tenants[1]}: they never meet`;
    const words = { from: from.owner, to: to.owner };
    const why = step.flow === undefined ? missWords(step.tableId, words) : 'a rule of that table ends it';
    return `it ends at ${hop.node} in ${tableName(step.tableId)}: ${why}`;
  }

  #hop(hop: Hop): TraceHop {
    return {
      node: hop.node,
      entersBy: portName(hop, hop.inPort),
      rules: hop.steps.flatMap(({ flow }) => (flow === undefined ? [] : [describeRule(flow, this.#names)])),
      leaves: hop.departures.map(({ portNo, to }) => ({
        by: portName(hop, portNo),
        to: to ?? null,
        roundTripMs: to === undefined ? null : this.#roundTripMs(hop.node, to),
      })),
    };
  }

  /** What was measured before a link was lost says nothing of now. */
  #roundTripMs(one: string, other: string): number | null {
    const { verdict, roundTripMs = null } = this.#link(one, other) ?? {};
    return verdict === 'down' ? null : roundTripMs;
  }

  #link(one: string, other: string): TopologyLink | undefined {
    const [a, b] = one < other ? [one, other] : [other, one];
    return this.#links.find((link) => link.a === a && link.b === b);
  }

  /** Of each switch on the wanted way the first table in which it does something else; what follows from that is not told. */
  differences(wanted: readonly Hop[], real: readonly Hop[]): TraceDifference[] {
    const rule = (step: Step | undefined): TraceRule | null =>
      step?.flow ? describeRule(step.flow, this.#names) : null;
    return wanted.flatMap(({ node, steps }, index) => {
      const there = real[index]?.node === node ? real[index].steps : undefined;
      if (there === undefined) return [];
      const at = steps.findIndex((step, place) => !isSame(step, there[place]));
      const step = steps[at];
      if (step === undefined) return [];
      return [{ node, table: tableName(step.tableId), wanted: rule(step), real: rule(there[at]) }];
    });
  }
}

// MAC addresses are one guest's within a tenant alone.
function namesOf({ from, to }: TraceEnds, { bindings, incarnation }: OverlayView): Names {
  const peers = [to, ...bindings.values()].filter((peer) => tenantOf(peer) === tenantOf(from));
  const byMac = new Map<EthAddress, string>(peers.map(({ mac, owner }) => [ethAddress(mac), owner]));
  return { incarnation, guestOf: (mac) => byMac.get(ethAddress(mac)) };
}

function isSame(wanted: Step, real: Step | undefined): boolean {
  if (real === undefined || real.tableId !== wanted.tableId) return false;
  if (wanted.flow === undefined || real.flow === undefined) return wanted.flow === real.flow;
  return flowKey(wanted.flow) === flowKey(real.flow) && flowEffect(wanted.flow) === flowEffect(real.flow);
}

function portName({ ports }: Hop, portNo: number): string {
  return [...ports].find(([, number]) => number === portNo)?.[0] ?? `number ${portNo}`;
}

function traceEnd(binding: Binding, ipv6: bigint | undefined): NetworkTrace['from'] {
  const { owner, node, mac, ip } = binding;
  const end = { owner, node, mac, ip, tenant: tenantOf(binding) };
  return ipv6 === undefined ? end : { ...end, ipv6: ipv6Words(ipv6) };
}
