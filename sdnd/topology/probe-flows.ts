// The flows by which a node's switch brings the probes of other members to the agent, and the way of its own probes into
// the tunnel. Their tunnel id is none of a tenant, so no guest's port can send it, and what comes under it is brought to no
// guest. Pure.
import { type Action, applyActions, CONTROLLER_WHOLE_PACKET, ipv4, output, setField } from '@openflow/ofp';
import { TUNNEL_OFPORT } from '../agent/node-switch.ts';
import type { Flow } from '../flow.ts';
import { originTunnelId, PROBE_TENANT, PROBER_COOKIE, Priority, Table, WRITER_MASK } from '../pipeline.ts';
import { PROBE_ETHER_TYPE } from './probe-frame.ts';
import type { ProbePeer } from './prober.ts';

/** By this id the switch knows the prober among its controllers. */
export const PROBER_CONTROLLER_ID = 2;
/** Of a packet-in: an action led there. */
const REASON_ACTION = 1;
/** A probe crosses one tunnel and no more. */
const TUNNEL_ID = originTunnelId(PROBE_TENANT, 0);

/** Which of a switch's flows are the prober's. */
export const PROBE_FILTER = { cookie: PROBER_COOKIE, cookieMask: WRITER_MASK } as const;

const TO_PROBER: Action = {
  type: 'nx-controller',
  maxBytes: CONTROLLER_WHOLE_PACKET,
  controllerId: PROBER_CONTROLLER_ID,
  reason: REASON_ACTION,
};

/** One for each peer: what others send under the same tunnel id ends in the switch (SOUNDNESS C11). */
export function probeFlows(peers: readonly ProbePeer[]): Flow[] {
  return peers.map(({ address, portNo }) => ({
    tableId: Table.gateIn,
    priority: Priority.own,
    match: {
      inPort: portNo ?? TUNNEL_OFPORT,
      ethType: PROBE_ETHER_TYPE,
      tunnelId: TUNNEL_ID,
      tunIpv4Src: ipv4(address),
    },
    instructions: [applyActions(TO_PROBER)],
    cookie: PROBER_COOKIE,
  }));
}

/** Takes a frame of the agent's own to the node at that address, by the first tunnel port unless another is said. */
export function intoTunnel(address: string, portNo = TUNNEL_OFPORT): readonly Action[] {
  return [setField('tunIpv4Dst', ipv4(address)), setField('tunnelId', TUNNEL_ID), output(portNo)];
}
