// Ways between two hosts that encrypt nothing: a wire, the kernel's VXLAN, Open vSwitch in user space with two rules.
import { createVethPair, type VethEnd } from '../../../lab/namespace.ts';
import { addVethPort, startOpenVswitch } from '../../../lab/open-vswitch.ts';
import { TUNNEL_OFPORT } from '../../../sdnd/agent/node-switch.ts';
import { VXLAN_PORT } from '../../../wire/ports.ts';
import { makeIntegrationBridge } from '../../interop/integration-bridge.ts';
import { BenchNet, HOST_DEVICE, HOST_MTU_BYTES, HOST_PORT, type LaidWay, type Side, UPLINK } from './bench-net.ts';

const NETWORK_ID = 8;
const HOST_OFPORT = 10;
const VXLAN_DEVICE = 'vxlan0';

/** Host to host by one wire, without offloads as everywhere here. */
export function layWire(): Promise<LaidWay> {
  return BenchNet.lay(async ({ sides: [a, b] }) => {
    const endOf = ({ host, address, mac }: Side): VethEnd => {
      return { namespace: host, device: HOST_DEVICE, address: `${address}/24`, mac };
    };
    await createVethPair(endOf(a), endOf(b), HOST_MTU_BYTES);
    return b.address;
  });
}

/** The kernel's VXLAN device in a bridge of each node. */
export function layKernelVxlan(): Promise<LaidWay> {
  return BenchNet.lay(async (net) => {
    await net.wireNodes();
    const [a, b] = net.sides;
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const ends = `local ${own.underlay} remote ${other.underlay} dev ${UPLINK} dstport ${VXLAN_PORT}`;
      await net.sh(own.node, `ip link add ${VXLAN_DEVICE} type vxlan id ${NETWORK_ID} ${ends}`);
    }
    await net.bridgeHosts(VXLAN_DEVICE);
    return b.address;
  });
}

/** Open vSwitch in user space: from the host into the tunnel and back, without a controller. */
export function layOpenVswitch(): Promise<LaidWay> {
  return BenchNet.lay(async (net) => {
    const [a, b] = net.sides;
    await net.wireNodes();
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const openVswitch = await startOpenVswitch({
        namespace: own.node,
        runDirectory: `${net.run.path}/${own.node}`,
        underlayAddress: `${own.underlay}/24`,
        uplink: UPLINK,
      });
      await makeIntegrationBridge(openVswitch.databaseSocket);
      const port = { namespace: own.node, port: HOST_PORT, ofport: HOST_OFPORT };
      const end = { namespace: own.host, device: HOST_DEVICE, address: `${own.address}/24`, mac: own.mac };
      await addVethPort(openVswitch, port, { ...end, mtuBytes: HOST_MTU_BYTES });
      const tunnel = `set_field:${NETWORK_ID}->tun_id,set_field:${other.underlay}->tun_dst,output:${TUNNEL_OFPORT}`;
      const flows = `in_port=${HOST_OFPORT},actions=${tunnel}\nin_port=${TUNNEL_OFPORT},actions=output:${HOST_OFPORT}\n`;
      await openVswitch.ofctl('add-flows', ['-'], flows);
    }
    return b.address;
  });
}
