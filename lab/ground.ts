// What a lab stands on: a namespace for each cloud and their wires, the WAN between them, and where the map has one a 1:1 NAT
// before a cloud, a private network behind another, an Internet. No switch and no daemon yet.
import { VXLAN_PORT } from '../wire/ports.ts';
import { INTERNET, type InternetPlan, internetEnd, startInternet } from './internet/internet.ts';
import { createNamespaces, createVethPairs, namespaceName, runIn, type VethEnd } from './namespace.ts';
import { type CloudPlan, type LabTopology, PREFIX } from './topology.ts';
import { KERNEL_END } from './tunnel-door.ts';
import { labLinks, startWan, type Wan } from './wan/wan.ts';

/** The device by which a cloud reaches the others. */
export const UPLINK = 'up0';
/** The device by which a gateway reaches its private network. */
export const INSIDE_UPLINK = 'up1';
const NAT_INSIDE = 'inside';
const NAT_OUTSIDE = 'outside';

/** The namespace of a role in one run. */
type NameOf = (role: string) => string;

/** The WAN's port behind which a cloud is. */
export function wanPortOf({ cloud, behind }: CloudPlan): string {
  return behind ?? cloud;
}

/** The namespaces that the ground needs, to be written down before they are made. */
export function groundNamespaces(runId: string, { clouds, internet }: LabTopology): string[] {
  const others = [...clouds.filter(hasNat).map(natRole), ...(internet === undefined ? [] : [INTERNET]), 'wan'];
  return [...clouds.map(({ cloud }) => cloud), ...others].map((role) => namespaceName(runId, role));
}

/** Makes the namespaces, wires them and starts the WAN. */
export async function layGround(runId: string, topology: LabTopology): Promise<Wan> {
  const ports = await layWires(runId, topology);
  const links = labLinks(topology.roundTripsMs);
  return startWan({
    namespace: namespaceName(runId, 'wan'),
    ports: ports.map((name) => ({ name, device: name })),
    links,
  });
}

/** The same with a bridge of the kernel in the WAN's place: no delay, and no limit but the processor's. */
export async function layBridgedGround(runId: string, topology: LabTopology): Promise<void> {
  const ports = await layWires(runId, topology);
  const script = [
    'ip link add wan0 type bridge',
    'ip link set wan0 up',
    ...ports.map((name) => `ip link set ${name} master wan0`),
  ];
  await runIn(namespaceName(runId, 'wan'), 'sh', ['-e'], { input: `${script.join('\n')}\n` });
}

/** Answers the WAN's devices, each named as what is behind it. */
async function layWires(runId: string, topology: LabTopology): Promise<string[]> {
  const nameOf: NameOf = (role) => namespaceName(runId, role);
  const { clouds, internet } = topology;
  await createNamespaces(groundNamespaces(runId, topology));
  const beyond = internet === undefined ? [] : [internetWire(internet, nameOf)];
  await createVethPairs([...clouds.flatMap((plan) => wires(plan, clouds, nameOf)), ...beyond]);
  await Promise.all(clouds.flatMap((plan) => setUps(plan, topology, nameOf)));
  if (internet !== undefined) await startInternet(nameOf(INTERNET), internet);
  const onWan = clouds.filter(({ behind }) => behind === undefined).map(({ cloud }) => cloud);
  return [...onWan, ...(internet === undefined ? [] : [INTERNET])];
}

function internetWire(plan: InternetPlan, nameOf: NameOf): readonly [VethEnd, VethEnd] {
  return [internetEnd(nameOf(INTERNET), plan), { namespace: nameOf('wan'), device: INTERNET }];
}

function hasNat({ outer }: CloudPlan): boolean {
  return outer !== undefined;
}

function natRole({ cloud }: CloudPlan): string {
  return `nat-${cloud}`;
}

function wires(plan: CloudPlan, clouds: readonly CloudPlan[], nameOf: NameOf): (readonly [VethEnd, VethEnd])[] {
  const { cloud, mac, address, outer, router, behind } = plan;
  const uplink = { namespace: nameOf(cloud), device: UPLINK, mac, address: `${address}/${PREFIX}` };
  if (behind !== undefined) {
    const gateway = clouds.find((one) => one.cloud === behind);
    if (gateway?.inside === undefined)
      throw new TypeError(`${cloud} is behind ${behind}, which has no private network`);
    const inside = { mac: gateway.inside.mac, address: `${gateway.inside.address}/${PREFIX}` };
    return [[uplink, { namespace: nameOf(behind), device: INSIDE_UPLINK, ...inside }]];
  }
  const wan = { namespace: nameOf('wan'), device: cloud };
  if (outer === undefined) return [[uplink, wan]];
  const nat = nameOf(natRole(plan));
  return [
    [uplink, { namespace: nat, device: NAT_INSIDE, address: `${router}/${PREFIX}` }],
    [{ namespace: nat, device: NAT_OUTSIDE, address: `${outer}/${PREFIX}` }, wan],
  ];
}

/** The routes and rules of a cloud, and of the NAT before it. */
function setUps(plan: CloudPlan, topology: LabTopology, nameOf: NameOf): Promise<string>[] {
  const own = nameOf(plan.cloud);
  const shell = (namespace: string, script: string): Promise<string> =>
    runIn(namespace, 'sh', ['-e'], { input: script });
  const beyond = `${privateRoutes(plan, topology.clouds)}${internetRoute(topology)}`;
  const routes = plan.router === undefined ? beyond : `ip route add default via ${plan.router}\n`;
  return [
    shell(own, routes),
    ...(plan.inside === undefined ? [] : [shell(own, FORWARDS), gatewayRules(plan, topology, own)]),
    ...(hasNat(plan) ? [shell(nameOf(natRole(plan)), `${FORWARDS}${beyond}`), natRules(plan, nameOf)] : []),
  ];
}

const FORWARDS = 'sysctl -q -w net.ipv4.ip_forward=1\n';

// Without WireGuard daemons speak to a node in a private network by its own address, routed by its gateway.
function privateRoutes(plan: CloudPlan, clouds: readonly CloudPlan[]): string {
  if (plan.wireguard !== undefined) return '';
  const gateways = clouds.filter((one) => one.inside !== undefined && one !== plan);
  return gateways
    .map(({ inside, address }) => `ip route add ${networkOf(inside?.address ?? '')} via ${address}\n`)
    .join('');
}

function internetRoute({ internet }: LabTopology): string {
  return internet === undefined ? '' : `ip route add default via ${internet.router.split('/')[0]}\n`;
}

function networkOf(address: string): string {
  return `${address.split('.').slice(0, 3).join('.')}.0/${PREFIX}`;
}

// A tunnel ends at a gateway's switch: none is routed past it into the private network, or out of it; the switch's own may be
// on their way to or from WireGuard. To others the private network has the gateway's address; only without WireGuard the
// cluster's nodes see each other's own.
function gatewayRules({ inside, wireguard }: CloudPlan, { clouds }: LabTopology, namespace: string): Promise<string> {
  const members = clouds.map(({ address, outer }) => outer ?? address).join(', ');
  const others = wireguard === undefined ? ` ip daddr != { ${members} }` : '';
  const rules = `
table ip gateway {
  chain forward {
    type filter hook forward priority 0; policy accept;
    udp dport ${VXLAN_PORT} iifname != "${KERNEL_END}" oifname != "${KERNEL_END}" counter drop
  }
  chain out {
    type nat hook postrouting priority 100;
    oifname "${UPLINK}" ip saddr ${networkOf(inside?.address ?? '')}${others} masquerade
  }
}
`;
  return runIn(namespace, 'nft', ['-f', '-'], { input: rules });
}

// Without state, both ways at any time, also of the node's own packets to its outer address.
function natRules({ cloud, address, outer, ...plan }: CloudPlan, nameOf: NameOf): Promise<string> {
  const rules = `
table ip one-to-one {
  chain in {
    type filter hook prerouting priority -300;
    ip daddr ${outer} ip daddr set ${address}
  }
  chain out {
    type filter hook postrouting priority 300;
    ip saddr ${address} ip saddr set ${outer}
  }
}
`;
  return runIn(nameOf(natRole({ cloud, address, ...plan })), 'nft', ['-f', '-'], { input: rules });
}
