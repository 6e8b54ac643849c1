// Our daemons and what each is told at its start: one table, so that the lab and the tests start the same thing.
import { type CloudPlan, GUEST_MTU_BYTES } from './topology.ts';

/** What a configuration is made from. */
export interface DaemonSite {
  readonly plan: CloudPlan;
  readonly controller: CloudPlan;
  readonly run: string;
  readonly state: string;
  readonly identity: string;
}

/** A daemon: its name, its entry point, its configuration at a site. */
export interface DaemonKind {
  readonly name: string;
  readonly script: string;
  config(site: DaemonSite): Readonly<Record<string, unknown>>;
}

function common(site: DaemonSite): Record<string, unknown> {
  return { state: site.state, run: site.run, identity: site.identity, address: site.plan.address };
}

export const BLOCKD: DaemonKind = { name: 'blockd', script: 'blockd/main.ts', config: common };

export const SWITCH_AGENT: DaemonKind = {
  name: 'switch-agent',
  script: 'sdnd/agent-main.ts',
  config: (site) => ({
    ...common(site),
    openVswitch: `${site.run}/ovs`,
    datapath: 'netdev',
    controller: site.controller.address,
    controllerNode: site.controller.node,
    ...(site.plan.underlay?.feet !== undefined && { feet: site.plan.underlay.feet }),
  }),
};

export const HYPERVISOR: DaemonKind = {
  name: 'hypervisor',
  script: 'hypervisor/main.ts',
  config: (site) => ({
    ...common(site),
    node: site.plan.node,
    cloud: site.plan.cloud,
    ...(site.plan.outer !== undefined && { outerAddress: site.plan.outer }),
    ...(site.plan.underlay !== undefined && { underlay: site.plan.underlay }),
    orchestrator: { node: site.controller.node, address: site.controller.address },
    guests: { mtuBytes: GUEST_MTU_BYTES },
  }),
};

export const CATALOGUE: DaemonKind = { name: 'catalogue', script: 'blockd/catalogue-main.ts', config: common };

export const SDND: DaemonKind = { name: 'sdnd', script: 'sdnd/main.ts', config: common };

export const ORCHESTRATOR: DaemonKind = {
  name: 'orchestrator',
  script: 'orchestrator/main.ts',
  config: (site) => ({ ...common(site), authority: `${site.state}/authority` }),
};

/** The daemons of the controller node, beside those of every node. */
export const CONTROLLER: readonly DaemonKind[] = [CATALOGUE, SDND, ORCHESTRATOR];
