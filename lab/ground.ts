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
  const ethernets = privateNetworks(clouds).filter(isEthernet).map(ethernetRole);
  const others = [
    ...clouds.filter(hasNat).map(natRole),
    ...ethernets,
    ...(internet === undefined ? [] : [INTERNET]),
    'wan',
  ];
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
  await layBridge(namespaceName(runId, 'wan'), ports);
}

async function layBridge(namespace: string, ports: readonly string[]): Promise<void> {
  const script = [
    'ip link add bridge0 type bridge',
    'ip link set bridge0 up',
    ...ports.map((name) => `ip link set ${name} master bridge0`),
  ];
  await runIn(namespace, 'sh', ['-e'], { input: `${script.join('\n')}\n` });
}

/** Answers the WAN's devices, each named as what is behind it. */
async function layWires(runId: string, topology: LabTopology): Promise<string[]> {
  const nameOf: NameOf = (role) => namespaceName(runId, role);
  const { clouds, internet } = topology;
  await createNamespaces(groundNamespaces(runId, topology));
  const beyond = internet === undefined ? [] : [internetWire(internet, nameOf)];
  const inside = privateNetworks(clouds);
  const onWan = clouds.filter(({ behind }) => behind === undefined);
  await createVethPairs([
    ...onWan.flatMap((plan) => wires(plan, nameOf)),
    ...inside.flatMap((network) => insideWires(network, nameOf)),
    ...beyond,
  ]);
  const ethernets = inside.filter(isEthernet);
  await Promise.all(
    ethernets.map((network) =>
      layBridge(
        nameOf(ethernetRole(network)),
        network.map(({ cloud }) => cloud),
      ),
    ),
  );
  await Promise.all(clouds.flatMap((plan) => setUps(plan, topology, nameOf)));
  if (internet !== undefined) await startInternet(nameOf(INTERNET), internet);
  return [...onWan.map(({ cloud }) => cloud), ...(internet === undefined ? [] : [INTERNET])];
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

function wires(plan: CloudPlan, nameOf: NameOf): (readonly [VethEnd, VethEnd])[] {
  const { cloud, address, outer, router } = plan;
  const uplink = uplinkOf(plan, address, nameOf);
  const wan = { namespace: nameOf('wan'), device: cloud };
  if (outer === undefined) return [[uplink, wan]];
  const nat = nameOf(natRole(plan));
  return [
    [uplink, { namespace: nat, device: NAT_INSIDE, address: `${router}/${PREFIX}` }],
    [{ namespace: nat, device: NAT_OUTSIDE, address: `${outer}/${PREFIX}` }, wan],
  ];
}

function uplinkOf({ cloud, mac }: CloudPlan, address: string, nameOf: NameOf): VethEnd {
  return { namespace: nameOf(cloud), device: UPLINK, mac, address: `${address}/${PREFIX}` };
}

/** Who is in a private network: its gateways, and the clouds behind them. */
type PrivateNetwork = readonly CloudPlan[];

function privateNetworks(clouds: readonly CloudPlan[]): PrivateNetwork[] {
  const inside = clouds.filter((plan) => insideAddress(plan) !== undefined);
  const networks = new Set(inside.map((plan) => networkOf(insideAddress(plan) ?? '')));
  return [...networks].map((network) => inside.filter((plan) => networkOf(insideAddress(plan) ?? '') === network));
}

function insideAddress({ behind, address, inside }: CloudPlan): string | undefined {
  return behind === undefined ? inside?.address : address;
}

/** More than a wire has ends. */
function isEthernet(network: PrivateNetwork): boolean {
  return network.length > 2;
}

function ethernetRole(network: PrivateNetwork): string {
  return `inside-${network.map(({ cloud }) => cloud).join('-')}`;
}

function insideWires(network: PrivateNetwork, nameOf: NameOf): (readonly [VethEnd, VethEnd])[] {
  const ends = network.map((plan): VethEnd => {
    if (plan.inside === undefined) return uplinkOf(plan, plan.address, nameOf);
    const { address, mac } = plan.inside;
    return { namespace: nameOf(plan.cloud), device: INSIDE_UPLINK, mac, address: `${address}/${PREFIX}` };
  });
  const [one, other] = ends;
  if (one === undefined || other === undefined) throw new TypeError('there is nobody else in a private network');
  if (!isEthernet(network)) return [[one, other]];
  const namespace = nameOf(ethernetRole(network));
  return network.flatMap(({ cloud }, index) => {
    const end = ends[index];
    return end === undefined ? [] : [[end, { namespace, device: cloud }]];
  });
}

/** The routes and rules of a cloud, and of the NAT before it. */
function setUps(plan: CloudPlan, topology: LabTopology, nameOf: NameOf): Promise<string>[] {
  const own = nameOf(plan.cloud);
  const shell = (namespace: string, script: string): Promise<string> =>
    runIn(namespace, 'sh', ['-e'], { input: script });
  const beyond = `${privateRoutes(plan, topology.clouds)}${internetRoute(topology)}`;
  const routes = plan.router === undefined ? beyond : `ip route add default via ${plan.router}\n`;
  return [
    shell(own, `${forgetsInside(plan, topology.clouds)}${routes}`),
    ...(isRouter(plan, topology.clouds) ? [shell(own, FORWARDS), gatewayRules(plan, topology, own)] : []),
    ...(hasNat(plan) ? [shell(nameOf(natRole(plan)), `${FORWARDS}${beyond}`), natRules(plan, nameOf)] : []),
  ];
}

const FORWARDS = 'sysctl -q -w net.ipv4.ip_forward=1\n';

/** Its kernel routes for a private network. */
function isRouter({ cloud }: CloudPlan, clouds: readonly CloudPlan[]): boolean {
  return clouds.some(({ behind }) => behind === cloud);
}

// Another gateway has a foot in the private network for its tunnels alone: what its daemons send goes as that of all others.
function forgetsInside(plan: CloudPlan, clouds: readonly CloudPlan[]): string {
  if (plan.inside === undefined || isRouter(plan, clouds)) return '';
  return `ip route del ${networkOf(plan.inside.address)} dev ${INSIDE_UPLINK}\n`;
}

// Without WireGuard daemons speak to a node in a private network by its own address, routed by its gateway.
function privateRoutes(plan: CloudPlan, clouds: readonly CloudPlan[]): string {
  if (plan.wireguard !== undefined) return '';
  const gateways = clouds.filter((one) => isRouter(one, clouds) && one !== plan);
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
