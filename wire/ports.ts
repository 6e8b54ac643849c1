// The TCP ports of a node on its underlay address, and the one UDP port. Nothing listens on a port that is not here.

/** Joining with a token: TLS, the server's key pinned by the token, no client certificate yet. */
export const JOIN_PORT = 7439;
/** Orchestrator (controller node): mutual TLS, calls. */
export const ORCHESTRATOR_PORT = 7440;
/** Catalogue (controller node): mutual TLS, calls. */
export const CATALOGUE_PORT = 7441;
/** Block daemon: mutual TLS, calls and block frames. */
export const BLOCKD_PORT = 7442;
/** Hypervisor agent: mutual TLS, calls and the memory stream. */
export const HYPERVISOR_PORT = 7443;
/** The overlay's controller (controller node): mutual TLS, calls. */
export const SDND_PORT = 7444;
/** The overlay's agent on each node: mutual TLS, calls. */
export const SWITCH_AGENT_PORT = 7445;
/** The encrypted underlay's exchange of keys (controller node): mutual TLS, calls, at the address outside of it. */
export const UNDERLAY_PORT = 7446;
/** OpenFlow 1.3 over TLS, from each node's Open vSwitch (IANA). */
export const OPENFLOW_PORT = 6653;
/** VXLAN, UDP, between the nodes' switches: Open vSwitch listens, no daemon of ours (RFC 7348, 8; IANA). */
export const VXLAN_PORT = 4789;
/** NBD over mutual TLS for members, where a node's blockd is told to (IANA). */
export const NBD_PORT = 10809;
