// What a node's switch is to be for the overlay: the integration bridge, which drops all until flows say otherwise, a tunnel
// port for each underlay network (mostly one), the port to the outside where it has one, the guests' ports, and the
// controllers. Values only.
import type { Foot } from '../../wire/contracts/sdnd.ts';
import { OPENFLOW_PORT, VXLAN_PORT } from '../../wire/ports.ts';
import { tunnelPortOf } from '../mesh/underlay.ts';
import { TUNNEL_PORT_NAME } from '../pipeline.ts';
import type { WantedConfig, WantedPort } from '../switch-config/wanted-config.ts';
import type { HostPort } from './host-ports.ts';

/** The bridge whose flows the overlay's controller writes. */
export const INTEGRATION_BRIDGE = 'br-int';
/** The first tunnel port's OpenFlow number, the same on every node and after every restart; the others' follow. */
export const TUNNEL_OFPORT = 1;
/** The mark of what this node's agent made. */
export const OWNER = 'switch-agent';
/** Keys of a guest's interface: by them an agent without records knows whose port it is. */
export const PORT_OWNER_KEY = 'supercloud-owner';
export const ATTACHED_MAC_KEY = 'attached-mac';
/** How soon a switch tries again after its controller was gone; Open vSwitch's own maximum of 8 s is a long outage. */
const CONTROLLER_BACKOFF_MS = 1_000;

export interface NodeSwitch {
  /** `system`: the kernel's datapath; `netdev`: in user space. */
  readonly datapathType: string;
  /** Its places in underlay networks, each with a tunnel port of its own; absent: one port for all. */
  readonly feet?: readonly Foot[];
  /** The device that leads outside, by which networks may leave here; absent: none does. */
  readonly outside?: string;
  /** The overlay's controllers; absent: none. */
  readonly controller?: {
    /** The switch has a session with each; one of them is its master. */
    readonly addresses: readonly string[];
    /** The folder with this node's key and certificates (`common/membership/identity.ts`). */
    readonly identity: string;
  };
}

/** The switch of a node with those guests' ports. */
export function wantedSwitch(
  { datapathType, feet, outside, controller }: NodeSwitch,
  ports: Iterable<HostPort>,
): WantedConfig {
  const outsidePorts = outside === undefined ? [] : [{ name: outside, type: '' }];
  const bridge = {
    name: INTEGRATION_BRIDGE,
    datapathType,
    failMode: 'secure',
    protocols: ['OpenFlow13'],
    controllers: controller?.addresses.map(controllerAt) ?? [],
    ports: [...tunnelPorts(feet), ...outsidePorts, ...Array.from(ports, guestPort)],
  } as const;
  const tls = controller === undefined ? {} : { tls: tlsFiles(controller.identity) };
  return { owner: OWNER, bridges: [bridge], ...tls };
}

/** The OpenFlow numbers of a node's tunnel ports, by their names. @throws TypeError for two feet with one port */
export function tunnelNumbers(feet: NodeSwitch['feet']): ReadonlyMap<string, number> {
  const names = feet?.map(tunnelPortOf) ?? [TUNNEL_PORT_NAME];
  const numbers = new Map(names.map((name, index) => [name, TUNNEL_OFPORT + index]));
  if (numbers.size < names.length) throw new TypeError(`two underlay networks have one tunnel port: ${names.join()}`);
  return numbers;
}

/**
 * Remote address and key come from the flows, so one port serves all peers of a network. Of several ports each is known by
 * the node's own address in its network. `df_default`: an underlay with a smaller MTU may fragment the outer packet instead
 * of dropping it in silence.
 */
function tunnelPorts(feet: NodeSwitch['feet']): WantedPort[] {
  const common = { remote_ip: 'flow', key: 'flow', dst_port: String(VXLAN_PORT), df_default: 'false' };
  return [...tunnelNumbers(feet)].map(([name, ofport], index) => {
    const own = feet === undefined || feet.length === 1 ? undefined : feet[index];
    return { name, type: 'vxlan', ofport, options: own === undefined ? common : { ...common, local_ip: own.inner } };
  });
}

function controllerAt(address: string) {
  const target = `ssl:${address}:${OPENFLOW_PORT}`;
  return { target, connectionMode: 'out-of-band', maxBackoffMs: CONTROLLER_BACKOFF_MS } as const;
}

function tlsFiles(identity: string) {
  return { privateKey: `${identity}/key.pem`, certificate: `${identity}/cert.pem`, authority: `${identity}/ca.pem` };
}

function guestPort({ name, portNo, owner, mac }: HostPort): WantedPort {
  return { name, type: '', ofport: portNo, externalIds: { [PORT_OWNER_KEY]: owner, [ATTACHED_MAC_KEY]: mac } };
}
