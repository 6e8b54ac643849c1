// A cluster made of answers: every daemon notes what it is asked and answers what a test says, by default as a daemon
// does with which all is well.
import { storeMetrics } from '../../../blockd/image/store-metrics.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import { OperationError } from '../../../common/errors.ts';
import type { CallOptions } from '../../../common/rpc/client.ts';
import type { Calls, Cluster, ControllerDaemons, NodeDaemons } from '../../../orchestrator/cluster.ts';
import type { MemberRecord } from '../../../orchestrator/state.ts';
import type { Contract, MethodName, Params, Progress, Result } from '../../../wire/contract.ts';
import type { blockdContract, Closing, StoreImage } from '../../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import type { hypervisorContract, Outcome } from '../../../wire/contracts/hypervisor.ts';
import type { PropagationSettings } from '../../../wire/contracts/propagation.ts';
import type { sdndContract, switchAgentContract } from '../../../wire/contracts/sdnd.ts';
import type { Endpoint } from '../../../wire/names.ts';
import { memberRecord } from './records.ts';

type Answer<C extends Contract, N extends MethodName<C>> = (
  params: Params<C, N>,
  options: CallOptions<Progress<C, N>>,
) => Promise<Result<C, N>> | Result<C, N>;

export type Answers<C extends Contract> = { [N in MethodName<C>]?: Answer<C, N> };

export class FakeDaemon<C extends Contract> implements Calls<C> {
  readonly #name: string;
  readonly #heard: string[];
  readonly answers: Answers<C>;
  isAway = false;

  constructor(name: string, heard: string[], answers: Answers<C>) {
    this.#name = name;
    this.#heard = heard;
    this.answers = answers;
  }

  async call<N extends MethodName<C>>(
    name: N,
    params: Params<C, N>,
    options: CallOptions<Progress<C, N>> = {},
  ): Promise<Result<C, N>> {
    this.#heard.push(`${this.#name} ${name}`);
    const answer = this.answers[name];
    if (this.isAway || answer === undefined) throw new OperationError('UNREACHABLE', `${this.#name} is away`);
    return answer(params, options);
  }
}

export const CLOSING: Closing = {
  ...{ image: 'web', epoch: 1, lastSequence: 7, entries: 7, digest: 'ab'.repeat(16), generation: 1 },
};

/** How its blocks get to other places when nothing was said. */
export const SETTINGS: PropagationSettings = {
  ...{ policy: { mode: 'on-demand' }, k: 1_000, s: 1, rateBytesPerSecond: null, money: null },
  ...{ prices: [], transitions: [], snapshots: null },
};

/** What any store has drawn for itself and its notch. */
const WORD = 'aa'.repeat(8);

/** The top layer of the cluster's only image. */
export const LAYER = 'l00000000000000aa';

export function head(change: Partial<Head> = {}): Head {
  const last = { ...CLOSING, epoch: 0 };
  return {
    ...{ image: 'web', bytes: 4096, epoch: 0, writer: null, holder: 'alpha', last, closings: [], transfer: null },
    ...{ stack: { layer: LAYER, generation: 1, below: [] }, cut: null },
    ...change,
  };
}

export function storeImage(change: Partial<StoreImage> = {}): StoreImage {
  return {
    ...{ image: 'web', bytes: 4096, role: 'writer', epoch: 1, lastSequence: 7, digest: 'ab'.repeat(16) },
    ...{ layer: LAYER, generation: 1, writtenBlocks: 7, localBlocks: 7, dependsOn: [], scrubbedAtMs: null },
    counters: {
      ...{ reads: 0, writes: 0, flushes: 0, fetchedOnDemandBlocks: 0, fetchedInBackgroundBlocks: 0, spoiltBlocks: 0 },
      pushedHereBlocks: 0,
      evictedBlocks: 0,
      ...{ blockBytesIn: 0, blockBytesOut: 0, entryBytesIn: 0, entryBytesOut: 0 },
    },
    ...change,
  };
}

export function outcome(change: Partial<Outcome> = {}): Outcome {
  return {
    ...{ decision: 'started', reason: '', closings: [CLOSING], memoryBytes: 9, streamMs: 5, holdMs: 40, steps: [] },
    ...change,
  };
}

type Machine = Result<typeof hypervisorContract, 'machine.list'>['machines'][number];

export function machineState(change: Partial<Machine> = {}): Machine {
  return { vm: 'web', state: 'running', epoch: 1, cpuSeconds: 1, ...change };
}

const nothing = (): Record<string, never> => ({});

/** One node's daemons. */
export class FakeNode implements NodeDaemons {
  readonly blockd: FakeDaemon<typeof blockdContract>;
  readonly hypervisor: FakeDaemon<typeof hypervisorContract>;
  readonly switchAgent: FakeDaemon<typeof switchAgentContract>;

  constructor(node: string, heard: string[]) {
    this.blockd = new FakeDaemon(`${node} blockd`, heard, {
      'image.list': () => ({ images: [] }),
      'image.show': () => storeImage(),
      'image.open': () => ({ socket: '/nbd' }),
      'image.close': () => CLOSING,
      'image.create': nothing,
      'layer.drop': nothing,
      'layer.list': () => ({ layers: [] }),
      'image.heat': () => ({ heat: null }),
      'store.metrics': () =>
        storeMetrics({ hosts: [], readings: [], layers: { all: [], trafficOf: () => new Traffic() } }),
      'image.cut': () => ({ sealed: [] }),
      'cut.cancel': () => ({ sealed: [] }),
      'image.import': () => CLOSING,
      'standby.start': () => ({ socket: '/nbd' }),
      'standby.ready': nothing,
      'standby.cancel': nothing,
      'pull.set': nothing,
      'propagation.set': nothing,
      'propagation.lead': () => ({ missingBlocks: 0 }),
      'replica.follow': nothing,
      'propagation.show': () => ({ settings: SETTINGS, status: null }),
      'store.report': () => ({ layers: [], unusable: [], members: [], kept: null }),
      'records.keep': ({ mark }) => ({ mark }),
      'store.notch': ({ at }) => ({ now: { store: WORD, count: 1, word: WORD }, at }),
    });
    this.hypervisor = new FakeDaemon(`${node} hypervisor`, heard, {
      'machine.list': () => ({ machines: [] }),
      'machine.create': nothing,
      'machine.delete': nothing,
      'migration.incoming': nothing,
      'migration.warm': nothing,
      'migration.outgoing': () => outcome(),
      'migration.abort': () => ({ decision: 'refused' }),
      'migration.record': () => ({ decision: 'undecided', closings: [] }),
      'hold.released': () => ({ decision: 'undecided' }),
      'hold.decided': ({ decision }) => ({ decision }),
      'hold.refuse': () => ({ decision: 'refused' }),
    });
    this.switchAgent = new FakeDaemon(`${node} switch`, heard, {
      'port.attach': () => ({ port: 'tap1' }),
      'port.detach': nothing,
    });
  }

  set isAway(isAway: boolean) {
    for (const daemon of [this.blockd, this.hypervisor, this.switchAgent]) daemon.isAway = isAway;
  }
}

export class FakeCluster implements Cluster {
  /** Every call, in the order of their coming: "beta switch port.detach". */
  readonly heard: string[] = [];
  readonly members: readonly MemberRecord[] = ['alpha', 'beta', 'gamma'].map((node, index) =>
    memberRecord({ node, cloud: node, address: `10.0.0.${index + 1}` }),
  );
  readonly down = new Set<string>();
  readonly #nodes = new Map<string, FakeNode>();
  readonly catalogue: FakeDaemon<typeof catalogueContract>;
  readonly sdnd: FakeDaemon<typeof sdndContract>;

  constructor() {
    this.catalogue = new FakeDaemon('catalogue', this.heard, {
      'image.list': () => ({ heads: [] }),
      'image.head': ({ image }) => head({ image }),
      'image.add': () => head(),
      'image.remove': () => ({ leaving: [] }),
      'propagation.show': () => SETTINGS,
      'propagation.set': ({ image, settings }) => head({ image, writer: 'alpha', epoch: 1, propagation: settings }),
      'snapshot.list': () => ({ snapshots: [] }),
      'layer.leave': ({ layers, nodes }) => ({ leaving: layers.map((layer) => ({ layer, nodes })) }),
      'layer.leaving': () => ({ leaving: [] }),
      'layer.gone': nothing,
      'layer.needed': () => ({ isNeeded: false }),
      'epoch.open': ({ image, node }) => head({ image, epoch: 1, writer: node }),
      'epoch.close': () => head(),
      'epoch.abandon': () => head(),
      'transfer.begin': () => ({ heads: [head({ writer: 'alpha', epoch: 1 })] }),
      'transfer.finish': () => ({ heads: [] }),
      'notch.list': () => ({ notches: [] }),
      'notch.heard': () => ({ again: [], doubtful: [] }),
    });
    const switches = this.members.map(({ node }) => node);
    this.sdnd = new FakeDaemon('sdnd', this.heard, {
      'controller.show': () => ({ role: 'active', term: 1, switches, links: [], isMoving: false }),
      'binding.set': nothing,
      'binding.remove': nothing,
      'binding.list': () => ({ bindings: [], isMore: false, term: 1 }),
      'networks.set': nothing,
      'groups.set': nothing,
      'state.told': nothing,
      'migration.prepare': nothing,
      'migration.complete': nothing,
      'migration.cancel': nothing,
    });
  }

  get controller(): ControllerDaemons {
    return { catalogue: this.catalogue, sdnd: this.sdnd };
  }

  clients(node: string): FakeNode {
    const known = this.#nodes.get(node) ?? new FakeNode(node, this.heard);
    this.#nodes.set(node, known);
    return known;
  }

  endpoint(node: string): Endpoint {
    return { node, address: this.nodeOf(node).address };
  }

  endpoints(): Endpoint[] {
    return this.members.map(({ node, address }) => ({ node, address }));
  }

  isUp(node: string): boolean {
    return !this.down.has(node);
  }

  nodeOf(cloud: string): MemberRecord {
    const found = this.members.find(({ node }) => node === cloud);
    if (found === undefined) throw new OperationError('CLOUD_UNKNOWN', `there is no cloud ${cloud}`);
    return found;
  }

  upNodeOf(cloud: string): MemberRecord {
    if (this.isUp(cloud)) return this.nodeOf(cloud);
    throw new OperationError('NODE_DOWN', `node ${cloud} is down`);
  }

  count(call: string): number {
    return this.heard.filter((heard) => heard === call).length;
  }
}
