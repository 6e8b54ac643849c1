// The simulated switches of the overlay, and the walk of `net trace`, against Open vSwitch: of states on the way from one to
// the next, every frame that was followed, hop by hop, meets the rules and comes out where `ofproto/trace` says. Needs
// Debian's openvswitch-switch.
import { type EthAddress, ipv4Text, ipv6Text } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Flow } from '../../sdnd/flow.ts';
import { bitsOf, type Frame as TracedFrame, walkTables } from '../../sdnd/trace/table-walk.ts';
import { fuzzInputs, fuzzSeed } from '../fuzz-inputs.ts';
import { NetStory } from '../sim/net-story.ts';
import type { Frame, Sent } from '../sim/net-switch.ts';
import { Prng } from '../sim/prng.ts';
import { type Met, type Output, OverlayJudge } from './overlay-judge.ts';

const FIRST_SEED = fuzzSeed(100);
const STORIES = fuzzInputs(8);
/** Between the seeds of two stories: those of the next first seed are others. */
const SEED_STEP = 0x10000;
/** Of the states of a story one in so many is judged, and at most so many of them. */
const ONE_STATE_IN = 30;
const STATES_MAX = 60;
const TRACES_MIN = fuzzInputs(4_000);
const TUNNEL_PORTS = 2;
const GUESTS = 6;
const NODES = 5;
const FIRST_PORT = 0x1000;
const PORTS_A_NODE = 64;
const ETH_TYPE_ARP = 0x0806;
const ETH_TYPE_IPV6 = 0x86dd;
/** Of a simulated frame they are numbers in text, and not MAC addresses. */
const IPV6_ADDRESSES = new Set(['ipv6Src', 'ipv6Dst', 'ipv6NdTarget']);
const TTL = 64;

/** A switch's flows, and frames with what the simulation sent of them. */
interface Case {
  readonly what: string;
  readonly flows: readonly Flow[];
  readonly frames: readonly { readonly frame: Frame; readonly sent: readonly Sent[] }[];
}

const judge = new OverlayJudge();
const traces = suite('overlay by ofproto/trace');

traces.before(async () => {
  const ports = Array.from({ length: NODES }, (_, node) =>
    Array.from({ length: GUESTS }, (_, guest) => FIRST_PORT + node * PORTS_A_NODE + guest),
  );
  await judge.start(ports.flat(), TUNNEL_PORTS);
});
traces.after(() => judge.stop());

/** The cases of a story: some of its states, each of their switches. */
function casesOf(seed: number): Case[] {
  const draw = new Prng(seed + SEED_STEP / 2);
  const { world, story } = tell(seed);
  const cases: Case[] = [];
  const frames = new Map(
    world.switches.map((one) => [one, new Map<string, { frame: Frame; sent: readonly Sent[] }>()]),
  );
  for (const one of world.switches) {
    one.seen = (frame, sent) => frames.get(one)?.set(JSON.stringify(frame), { frame, sent });
  }
  let states = 0;
  world.checked = () => {
    const isJudged = states < STATES_MAX && draw.integer(ONE_STATE_IN) === 0;
    if (isJudged) states += 1;
    for (const [one, seen] of frames) {
      const what = `seed ${seed}, state ${states}, ${one.node}`;
      if (isJudged && seen.size > 0) cases.push({ what, flows: one.flows(), frames: [...seen.values()] });
      seen.clear();
    }
  };
  story.run();
  assert.equal(world.violations, []);
  return cases;
}

function tell(seed: number): { story: NetStory; world: NetStory['world'] } {
  const story = new NetStory(new Prng(seed));
  return { story, world: story.world };
}

/** A frame as ovs-ofctl(8) writes a flow. */
function flowOf(frame: Frame): string {
  const tunnel = [
    'tun_dst=10.9.9.1',
    `tun_id=${frame.tunnelId ?? 0}`,
    `tun_src=${ipv4Text(Number(frame.tunIpv4Src ?? 0))}`,
  ];
  const words = [
    `in_port=${frame.inPort}`,
    ...(frame.tunIpv4Src === undefined ? [] : tunnel),
    `dl_src=${frame.ethSrc}`,
    `dl_dst=${frame.ethDst}`,
  ];
  if (frame.ethType === ETH_TYPE_ARP) {
    const arp = [`arp_op=${frame.arpOp}`, `arp_sha=${frame.arpSha}`];
    return [
      ...words,
      'arp',
      ...arp,
      `arp_spa=${ipv4Text(Number(frame.arpSpa))}`,
      `arp_tpa=${ipv4Text(Number(frame.arpTpa))}`,
    ].join();
  }
  if (frame.ethType === ETH_TYPE_IPV6) return [...words, ...ipv6WordsOf(frame)].join();
  return [
    ...words,
    'ip',
    `nw_src=${ipv4Text(Number(frame.ipv4Src ?? 0))}`,
    `nw_dst=${ipv4Text(Number(frame.ipv4Dst ?? 0))}`,
    `nw_ttl=${frame.ipTtl ?? TTL}`,
  ].join();
}

function ipv6WordsOf(frame: Frame): string[] {
  const { ipProto, icmpv6Type, ipv6NdTarget, ipv6NdTll } = frame;
  const text = (address: Frame[string]): string => ipv6Text(BigInt(address ?? 0));
  const claim = [
    `icmpv6_type=${icmpv6Type}`,
    'icmpv6_code=0',
    `nd_target=${text(ipv6NdTarget)}`,
    `nd_tll=${ipv6NdTll}`,
  ];
  return [
    ipProto === undefined ? 'ipv6' : 'icmp6',
    ...[`ipv6_src=${text(frame.ipv6Src)}`, `ipv6_dst=${text(frame.ipv6Dst)}`, `nw_ttl=${frame.ipTtl ?? TTL}`],
    ...(ipProto === undefined ? [] : claim),
  ];
}

function outputOf({ portNo, frame }: Sent): Output {
  if (portNo > TUNNEL_PORTS) return { portNo };
  return { portNo, to: ipv4Text(Number(frame.tunIpv4Dst)), tunnelId: Number(frame.tunnelId) };
}

/** What the walk of `net trace` says of the frame. */
function walkOf(flows: readonly Flow[], frame: Frame): { outputs: Output[]; met: Met[] } {
  const { ipTtl, ...rest } = frame;
  const fields = frame.ethType === ETH_TYPE_ARP ? rest : { ...rest, ipTtl: ipTtl ?? TTL };
  const written = Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const bits = IPV6_ADDRESSES.has(name) ? BigInt(value) : bitsOf(value as number | EthAddress);
    return [[name, bits] as const];
  });
  const { steps, sent } = walkTables(flows, Object.fromEntries(written) as TracedFrame);
  const met = steps.map(({ tableId, flow }) => {
    return flow === undefined ? { tableId } : { tableId, priority: flow.priority, cookie: cookieOf(flow) };
  });
  const outputs = sent.map((one) => {
    const at = { portNo: one.portNo };
    if (one.portNo > TUNNEL_PORTS) return at;
    return { ...at, to: ipv4Text(Number(one.frame.tunIpv4Dst)), tunnelId: Number(one.frame.tunnelId) };
  });
  return { outputs, met };
}

function cookieOf({ cookie }: Flow): string {
  return `0x${cookie.toString(16)}`;
}

traces('every hop of every frame is what ofproto/trace says', async () => {
  let count = 0;
  let tunnelled = 0;
  for (let story = 0; story < STORIES; story++) {
    const seed = FIRST_SEED + story * SEED_STEP;
    for (const { what, flows, frames } of casesOf(seed)) {
      await judge.load(flows);
      for (const { frame, sent } of frames) {
        const { outputs, met, text: said } = await judge.trace(flowOf(frame));
        assert.equal(walkOf(flows, frame), { outputs, met }, `${what}: ${flowOf(frame)}\n${said}`);
        assert.equal(outputs, sent.map(outputOf), `${what}: ${flowOf(frame)}\n${said}`);
        count += 1;
        tunnelled += outputs.filter(({ to }) => to !== undefined).length;
      }
    }
  }
  process.stdout.write(`  ${count} traces, ${tunnelled} into tunnels\n`);
  assert.ok(count >= TRACES_MIN, `${count} traces`);
  assert.ok(tunnelled > count / 20);
});

traces.run();
