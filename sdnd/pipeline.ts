// The pipeline of the integration bridge as one table of facts: tables, registers, priorities, cookies, port numbers
// and the tunnel id. Both who writes flows (the controller, each node's agent) agree here; no flow is made here.
//
//  table        frames              what happens there                                          miss
//  0 gate-in    all                 tunnel: on. Lab's own ports: on. An agent's port: on by     drop
//                                   the agent's flow, which is there only while it is open
//  1 ingress    from the tunnel     tenant, sender's node and source MAC must be a binding's    drop
//                                   (SOUNDNESS C11); marked as from the tunnel; to forward
//               from a guest        source MAC and IPv4 or ARP sender must be the binding's     drop
//                                   of that port (N6); ARP to arp, IPv4 to forward
//  2 arp        ARP of guests       a request for a known address is answered by the switch     forward
//  3 forward    to a known MAC      where it is, a local port or a node behind the tunnel,     drop
//                                   to the registers; to gate-out
//  4 gate-out   to the tunnel       only frames of guests                                         drop
//               to a local port     an agent's open port, by the agent's flow; a lab's port      drop
//               to a closed port    of a guest that migrates, only frames of guests: into the
//                                   tunnel to its other place
//
// A frame from the tunnel meets no flow that leads into a tunnel, so no set of these flows can loop one (N1). A port of
// an agent passes nothing unless its agent says so: a switch that lost its flows, or whose agent is away, is closed.

/** Flow tables in the order in which a frame goes through them. */
export const Table = { gateIn: 0, ingress: 1, arp: 2, forward: 3, gateOut: 4 } as const;

/** `reg0`: where a frame came from. Open vSwitch starts every register at 0. */
export const Origin = { guest: 0, tunnel: 1 } as const;
// `reg1` is the number of the port that the frame is for, a guest's or the tunnel's.

/** Higher is looked at first. */
export const Priority = { miss: 0, fallback: 100, normal: 200, own: 300 } as const;

/** The name of the one tunnel port on every integration bridge (VXLAN, remote address and key set by flows). */
export const TUNNEL_PORT_NAME = 'vxlan0';

/**
 * Port numbers that agents ask for. Open vSwitch gives others the lowest free number, so the two never meet on a switch
 * with fewer than 4095 other ports; the highest number of a port is 0xfeff.
 */
export const AGENT_PORT_FIRST = 0x1000;
export const AGENT_PORT_LAST = 0xfeff;

/** Whether a port is an agent's, and so passes frames by the agent's flows alone. */
export function isAgentPort(portNo: number): boolean {
  return portNo >= AGENT_PORT_FIRST && portNo <= AGENT_PORT_LAST;
}

/** The one tenant there is so far. 21 bits. */
export const TENANT = 1;
/** Tunnels that a frame may still cross; a direct path is one (SOUNDNESS C1). 3 bits. */
const BUDGET_BITS = 3n;
const BUDGET_DIRECT = 1n;

/** The tunnel id of a frame at its origin on a direct path: tenant (21 bits), hop budget (3 bits). */
export function originTunnelId(tenant: number): bigint {
  return (BigInt(tenant) << BUDGET_BITS) | BUDGET_DIRECT;
}

/** What matches every tunnel id of a tenant, whatever is left of the budget. */
export function tenantTunnelIds(tenant: number): { value: bigint; mask: bigint } {
  return { value: BigInt(tenant) << BUDGET_BITS, mask: BigInt.asUintN(64, ~0n << BUDGET_BITS) };
}

// A cookie: who put the flow there (8 bits), the cluster's incarnation (24 bits), the VM epoch (32 bits; SOUNDNESS C4).
const WRITER_SHIFT = 56n;
const INCARNATION_SHIFT = 32n;
const EPOCH_BITS = 32;
const CONTROLLER = 1n;
const AGENT = 2n;
/** The bits of a cookie that say who wrote the flow. */
export const WRITER_MASK = 0xffn << WRITER_SHIFT;
/** The cookie of every flow of an agent. */
export const AGENT_COOKIE = AGENT << WRITER_SHIFT;

/** The cookie of a controller's flow; epoch 0 is of flows that belong to no VM. */
export function controllerCookie(incarnation: number, epoch: number): bigint {
  return (CONTROLLER << WRITER_SHIFT) | (BigInt(incarnation) << INCARNATION_SHIFT) | BigInt(epoch);
}

/** The epoch in a cookie of a controller of this incarnation; undefined in any other. */
export function epochOfCookie(cookie: bigint, incarnation: number): number | undefined {
  const isOurs = cookie >> INCARNATION_SHIFT === controllerCookie(incarnation, 0) >> INCARNATION_SHIFT;
  return isOurs ? Number(BigInt.asUintN(EPOCH_BITS, cookie)) : undefined;
}

/** Whether a flow is an agent's; all others, strangers included, are the controller's to keep or remove. */
export function isAgentCookie(cookie: bigint): boolean {
  return (cookie & WRITER_MASK) === AGENT_COOKIE;
}

/** The MTU of guests everywhere: 1460 of the narrowest provider less 80 (WireGuard) less 50 (VXLAN); SOUNDNESS C6. */
export const GUEST_MTU_BYTES = 1330;
