// The walk of `net trace`, and the simulated switch, through the tables of security groups, against Open vSwitch: with groups
// that are drawn, what opens a connection meets the rules and comes out where `ofproto/trace` says. Needs Debian's
// openvswitch-switch.
import { ethAddress, ipv4, ipv6Text } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gateFlows } from '../../sdnd/agent/gate.ts';
import type { Flow } from '../../sdnd/flow.ts';
import { Table } from '../../sdnd/pipeline.ts';
import { bitsOf, type Frame, walkTables } from '../../sdnd/trace/table-walk.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { SecurityGroup, SecurityRule } from '../../wire/contracts/security-groups.ts';
import { fuzzInputs, fuzzSeed } from '../fuzz-inputs.ts';
import { SimSwitch } from '../sim/net-switch.ts';
import { Random } from '../unit/openflow/random.ts';
import { bindingOf, ipv6Of, portNoOf, tablesOf, viewOf } from '../unit/sdnd/overlay-maker.ts';
import { type Met, OverlayJudge } from './overlay-judge.ts';

const POLICIES = fuzzInputs(10);
const NAMES = ['red', 'blue', 'green'];
const GUESTS = ['g0', 'g1', 'g2', 'g3'].map((owner) => bindingOf(owner, 'n0'));
const [TCP, TTL, SOURCE, LATER] = [6, 64, 40_000, 3];
const PORTS = [80, 8_000, 8_079, 8_080];

const random = new Random(fuzzSeed(11));
const judge = new OverlayJudge();
const traces = suite('security groups by ofproto/trace');

traces.before(() => judge.start(GUESTS.map(portNoOf), 1));
traces.after(() => judge.stop());

function drawGroups(): SecurityGroup[] {
  return NAMES.map((name) => ({
    name,
    rules: Array.from({ length: 1 + random.below(4) }, drawRule),
    members: GUESTS.filter(() => random.chance(0.6)).map(({ owner }) => owner),
  }));
}

function drawRule(): SecurityRule {
  const ethertype = random.pick(['IPv4', 'IPv4', 'IPv6'] as const);
  const remote = random.below(3);
  return {
    direction: random.pick(['ingress', 'egress'] as const),
    ...{ ethertype, protocol: random.pick(['any', 'tcp', 'tcp'] as const) },
    ...(remote === 0 && { remotePrefix: ethertype === 'IPv4' ? '10.88.0.2/31' : 'fd00:88::/64' }),
    ...(remote > 0 && { remoteGroup: random.pick(NAMES) }),
  };
}

function withPorts(rule: SecurityRule): SecurityRule {
  return rule.protocol === 'tcp' && random.chance(0.6) ? { ...rule, ports: { first: 8_000, last: 8_079 } } : rule;
}

/** A packet that opens a connection, as the walks read it and as ovs-ofctl(8) writes it. */
interface Packet {
  readonly fields: Readonly<Record<string, number | string>>;
  readonly text: string;
}

function packetOf(from: Binding, to: Binding, port: number, isIpv6: boolean): Packet {
  const inPort = portNoOf(from);
  const ethernet = { inPort, ethSrc: ethAddress(from.mac), ethDst: ethAddress(to.mac), ipTtl: TTL, ipProto: TCP };
  const called = { tcpSrc: SOURCE, tcpDst: port };
  const words = [`in_port=${inPort}`, `dl_src=${from.mac}`, `dl_dst=${to.mac}`];
  const ports = [`nw_ttl=${TTL}`, `tp_src=${SOURCE}`, `tp_dst=${port}`];
  if (isIpv6) {
    const [ipv6Src, ipv6Dst] = [ipv6Of(from), ipv6Of(to)];
    const fields = { ...ethernet, ethType: 0x86dd, ipv6Src: String(ipv6Src), ipv6Dst: String(ipv6Dst), ...called };
    const addresses = [`ipv6_src=${ipv6Text(ipv6Src)}`, `ipv6_dst=${ipv6Text(ipv6Dst)}`];
    return { fields, text: [...words, 'tcp6', ...addresses, ...ports].join() };
  }
  const addresses = { ethType: 0x0800, ipv4Src: ipv4(from.ip), ipv4Dst: ipv4(to.ip) };
  const near = [...words, 'tcp', `nw_src=${from.ip}`, `nw_dst=${to.ip}`];
  // Port 0 stands for a fragment but the first.
  if (port === 0)
    return {
      fields: { ...ethernet, ...addresses, ipFrag: LATER },
      text: [...near, `nw_ttl=${TTL}`, 'nw_frag=later'].join(),
    };
  return { fields: { ...ethernet, ...addresses, ...called }, text: [...near, ...ports].join() };
}

function walkOf(flows: readonly Flow[], { fields }: Packet): { ports: number[]; met: Met[] } {
  const bits = Object.entries(fields).map(([name, value]) => {
    return [name, name.startsWith('eth') && typeof value === 'string' ? bitsOf(ethAddress(value)) : BigInt(value)];
  });
  const { steps, sent, unfollowed } = walkTables(flows, Object.fromEntries(bits) as Frame);
  assert.is(unfollowed, undefined);
  const met = steps.map(({ tableId, flow }) => {
    if (flow === undefined) return { tableId };
    return { tableId, priority: flow.priority, cookie: `0x${flow.cookie.toString(16)}` };
  });
  return { ports: sent.map(({ portNo }) => portNo), met };
}

/** Each packet opens a connection at a switch that remembers none. */
function simulated(flows: readonly Flow[], { fields }: Packet): number[] {
  const one = new SimSwitch('n0');
  one.install(flows);
  return one.process(fields).map(({ portNo }) => portNo);
}

traces('what a group lets in or out is what ofproto/trace says, by the same entries', async () => {
  const seen = { delivered: 0, dropped: 0, named: 0, twice: 0 };
  for (let policy = 0; policy < POLICIES; policy++) {
    const groups = drawGroups().map((group) => ({ ...group, rules: group.rules.map(withPorts) }));
    const wanted = tablesOf({ ...viewOf(GUESTS), groups }, 'n0').values();
    const flows = [...wanted, ...GUESTS.flatMap((guest) => gateFlows(portNoOf(guest)))];
    await judge.load(flows);
    for (const from of GUESTS) {
      for (const to of GUESTS) {
        if (from === to) continue;
        const packets = [
          packetOf(from, to, random.pick(PORTS), false),
          packetOf(from, to, random.pick(PORTS), true),
          ...(random.chance(0.3) ? [packetOf(from, to, 0, false)] : []),
        ];
        for (const packet of packets) {
          const { outputs, met, text } = await judge.trace(packet.text);
          const said = `${JSON.stringify(groups)}\n${packet.text}\n${text}`;
          const ports = outputs.map(({ portNo }) => portNo);
          assert.equal(walkOf(flows, packet), { ports, met }, said);
          assert.equal(simulated(flows, packet), ports, said);
          seen[ports.length > 0 ? 'delivered' : 'dropped'] += 1;
          const looks = met.filter(({ tableId }) => tableId === Table.namedOut || tableId === Table.namedIn);
          if (looks.some(({ priority }) => priority !== undefined)) seen.named += 1;
          if (looks.length > 2) seen.twice += 1;
        }
      }
    }
  }
  process.stdout.write(`  ${JSON.stringify(seen)}\n`);
  for (const [what, count] of Object.entries(seen)) assert.ok(count >= POLICIES, `${what}: ${count}`);
});

traces.run();
