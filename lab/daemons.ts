// Our daemons and what each is told at its start: one table, so that the lab and the tests start the same thing.
import type { NodeOutside } from '../wire/contracts/guest-network.ts';
import type { Endpoint } from '../wire/names.ts';
import { OUTSIDE_DEVICE, type OutsidePlan } from './outside-door.ts';
import { type CloudPlan, daemonAddress, GUEST_MTU_BYTES, reachedAt } from './topology.ts';
import { KERNEL_END } from './tunnel-door.ts';
import { WIREGUARD_PORT } from './wireguard.ts';

/** What a configuration is made from. */
export interface DaemonSite {
  readonly plan: CloudPlan;
  readonly controller: CloudPlan;
  /** With a controller of the overlay that stands by for that one's. */
  readonly standbys: readonly CloudPlan[];
  readonly run: string;
  readonly state: string;
  readonly identity: string;
  /** The name of the node's WireGuard device, if its plan has one. */
  readonly wireguard: string;
}

/** A daemon: its name, its entry point, its configuration at a site. */
export interface DaemonKind {
  readonly name: string;
  readonly script: string;
  config(site: DaemonSite): Readonly<Record<string, unknown>>;
}

function common(site: DaemonSite): Record<string, unknown> {
  return { state: site.state, run: site.run, identity: site.identity, address: daemonAddress(site.plan) };
}

function standbysOf({ standbys }: DaemonSite): Endpoint[] {
  return standbys.map((plan) => ({ node: plan.node, address: reachedAt(plan) }));
}

function outsideOf({ address, nextHop }: OutsidePlan): NodeOutside {
  return { device: OUTSIDE_DEVICE, addresses: [address], nextHop };
}

export const BLOCKD: DaemonKind = { name: 'blockd', script: 'blockd/main.ts', config: common };

export const SWITCH_AGENT: DaemonKind = {
  name: 'switch-agent',
  script: 'sdnd/agent-main.ts',
  config: (site) => ({
    ...common(site),
    openVswitch: `${site.run}/ovs`,
    datapath: 'netdev',
    controller: daemonAddress(site.controller),
    controllerNode: site.controller.node,
    ...(site.standbys.length > 0 && { standbys: standbysOf(site) }),
    ...(site.plan.underlay?.feet !== undefined && { feet: site.plan.underlay.feet }),
    ...(site.plan.outside !== undefined && { outside: OUTSIDE_DEVICE }),
  }),
};

export const HYPERVISOR: DaemonKind = {
  name: 'hypervisor',
  script: 'hypervisor/main.ts',
  config: (site) => ({
    ...common(site),
    node: site.plan.node,
    cloud: site.plan.cloud,
    ...(site.plan.wireguard === undefined && site.plan.outer !== undefined && { outerAddress: site.plan.outer }),
    ...(site.plan.underlay !== undefined && { underlay: site.plan.underlay }),
    ...(site.plan.outside !== undefined && { outside: outsideOf(site.plan.outside) }),
    orchestrator: { node: site.controller.node, address: daemonAddress(site.controller) },
    guests: { mtuBytes: GUEST_MTU_BYTES },
  }),
};

export const CATALOGUE: DaemonKind = { name: 'catalogue', script: 'blockd/catalogue-main.ts', config: common };

export const SDND: DaemonKind = {
  name: 'sdnd',
  script: 'sdnd/main.ts',
  config: (site) => ({ ...common(site), ...(site.standbys.length > 0 && { elected: true }) }),
};

export const ORCHESTRATOR: DaemonKind = {
  name: 'orchestrator',
  script: 'orchestrator/main.ts',
  config: (site) => ({
    ...{ ...common(site), authority: `${site.state}/authority` },
    ...(site.standbys.length > 0 && { networkStandbys: standbysOf(site) }),
    ...(site.plan.wireguard !== undefined && { outside: site.plan.address }),
  }),
};

/** Of a node that has a WireGuard device; one in a private network has nothing that others could send to. */
export const UNDERLAY: DaemonKind = {
  name: 'underlay',
  script: 'sdnd/underlay-main.ts',
  config: ({ plan, controller, wireguard, ...site }) => ({
    ...{ state: `${site.state}/underlay`, identity: site.identity, cloud: plan.cloud, device: wireguard },
    ...{ address: daemonAddress(plan), inner: { address: plan.address, port: WIREGUARD_PORT } },
    ...(plan.behind === undefined && { outer: { address: plan.outer ?? plan.address, port: WIREGUARD_PORT } }),
    controller: { node: controller.node, address: controller.address },
    switchDevices: [KERNEL_END],
  }),
};

/** The daemons of the controller node, beside those of every node. */
export const CONTROLLER: readonly DaemonKind[] = [CATALOGUE, SDND, ORCHESTRATOR];
