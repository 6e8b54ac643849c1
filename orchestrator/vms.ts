// VMs: created and taken away in a few steps of other daemons. A VM that could not be made whole, or not be taken away
// whole, keeps its record until it is gone everywhere: nothing is left that no list shows.
import { createHash } from 'node:crypto';
import type { Clock } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { VmState } from '../wire/contracts/cluster-state.ts';
import type { MachineSpec } from '../wire/contracts/hypervisor.ts';
import { type Admission, imageOpen } from './admission.ts';
import type { Cluster } from './cluster.ts';
import { DiskClosing } from './images/disk-closing.ts';
import type { Images } from './images/images.ts';
import { byNewestStack } from './images/newest-stack.ts';
import type { MachineReports } from './machine-reports.ts';
import { isEnded } from './migration/migration-journal.ts';
import type { Migrations } from './migration/migrations.ts';
import type { Network } from './network/network.ts';
import type { SecurityGroups } from './network/security-groups.ts';
import type { State, VmRecord } from './state.ts';
import { Turn } from './turn.ts';

/** A machine version and a CPU model that every node offers under every accelerator (docs/LAB.md). */
const MACHINE = 'pc-q35-7.2';
const CPU_MODEL = 'Nehalem';
/** The highest epoch of VMs that are gone: a new VM of an old name never meets its own past. */
const EPOCH_COUNTER = 'vm-epoch';

/** What the operator asks for. */
export interface VmRequest {
  readonly vm: string;
  readonly cloud: string;
  readonly image: string;
  readonly memoryMB: number;
  readonly cpus: number;
  readonly ip: string;
  readonly mac?: string | undefined;
  readonly boot: MachineSpec['boot'];
}

/** A stable, locally administered MAC address for a VM's name. */
function macOf(vm: string): string {
  const digest = createHash('sha256').update(vm).digest();
  return ['02', ...[...digest.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

export interface VmsParts {
  readonly state: State;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly admission: Admission;
  readonly images: Pick<Images, 'head'>;
  readonly migrations: Pick<Migrations, 'refuseLeftOver' | 'forget'>;
  readonly groups: Pick<SecurityGroups, 'tell'>;
  readonly network: Pick<Network, 'tellNetwork'>;
  readonly reports: Pick<MachineReports, 'begin' | 'forget' | 'isKnown' | 'isStopped'>;
  readonly startPull: (image: string, node: string) => Promise<void>;
  readonly log: Log;
}

export class Vms {
  readonly #parts: VmsParts;
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #closing: DiskClosing;
  /** By VM: its taking away, one after the other. */
  readonly #removals = new Map<string, Turn>();

  constructor(parts: VmsParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#cluster = parts.cluster;
    this.#closing = new DiskClosing(parts);
  }

  record(vm: string): VmRecord {
    const record = this.#state.get('vms', vm);
    if (record !== undefined) return record;
    const known = this.#state.all('vms').map((other) => other.vm);
    throw new OperationError('VM_UNKNOWN', `there is no VM ${vm}`, {
      remedy: known.length > 0 ? `the VMs are ${known.join(', ')}` : `make one with 'supercloud vm create'`,
    });
  }

  show(vm: string): VmState {
    return this.#stateOf(this.record(vm));
  }

  list(): VmState[] {
    return this.#state.all('vms').map((record) => this.#stateOf(record));
  }

  #stateOf(record: VmRecord): VmState {
    const migrations = this.#state.all('migrations').filter((migration) => migration.vm === record.vm);
    const latest = migrations.sort((a, b) => b.startedAtMs - a.startedAtMs)[0] ?? null;
    const { vm, node, epoch, spec } = record;
    const cloud = this.#state.get('members', node)?.cloud ?? node;
    const state = this.#phaseOf(record, latest);
    return { vm, node, cloud, epoch, spec, migration: latest, state };
  }

  #phaseOf({ vm, node, phase }: VmRecord, latest: VmState['migration']): VmState['state'] {
    if (phase !== 'settled') return phase;
    if (latest?.step === 'undecided') return 'undecided';
    if (latest !== null && !isEnded(latest)) return 'migrating';
    const { reports } = this.#parts;
    if (!this.#cluster.isUp(node) || !reports.isKnown(vm, node)) return 'unknown';
    return reports.isStopped(vm, node) ? 'stopped' : 'running';
  }

  /**
   * Boots a VM on an image that nobody has open. A failure takes away what was made and says what failed.
   * @throws OperationError VM_EXISTS, IMAGE_OPEN, IMAGE_READ, IMAGE_BUSY, ADDRESS_TAKEN, NO_ROOM, LEFT_OVER and those of the node
   */
  async create(request: VmRequest): Promise<VmState> {
    const { vm, image } = request;
    const { bytes } = await this.#closedHead(request);
    const record = await this.#parts.admission.inTurn(() => this.#admit(request, bytes));
    try {
      await this.#boot(record);
    } catch (error) {
      await this.#takeBack(vm);
      throw error;
    }
    void this.#parts.startPull(image, record.node);
    return this.show(vm);
  }

  async #closedHead({ vm, image }: VmRequest): Promise<{ bytes: number }> {
    // Said first, since it is the likelier mistake: the image of a VM that exists is open.
    this.#parts.admission.checkName(vm);
    const head = await this.#parts.images.head(image);
    if (head.writer !== null) throw imageOpen(image, `at ${head.writer}`);
    if (head.readers === undefined) return head;
    throw new OperationError('IMAGE_READ', `image ${image} is open for reading at ${head.readers.join(', ')}`, {
      remedy: `close it there first: supercloud image close ${image} --at ${head.readers[0]}`,
    });
  }

  /** All that the VM claims is free, and now its record says that it is taken. */
  async #admit(request: VmRequest, imageBytes: number): Promise<VmRecord> {
    const { admission, migrations } = this.#parts;
    const member = this.#cluster.upNodeOf(request.cloud);
    const spec = specOf(request, imageBytes);
    const { vm } = spec;
    admission.checkName(vm);
    admission.checkImage(request.image);
    admission.checkAddress({ owner: vm, ip: spec.ip, mac: spec.mac });
    admission.checkRoom(member, spec.memoryMB);
    migrations.refuseLeftOver(vm, member.node);
    const epoch = (this.#state.get('counters', EPOCH_COUNTER)?.value ?? 0) + 1;
    const { node } = member;
    const record: VmRecord = { vm, node, phase: 'creating', epoch, offeredEpoch: epoch, spec, port: '' };
    await this.#state.put('vms', vm, record);
    return record;
  }

  async #boot(record: VmRecord): Promise<void> {
    const { vm, node, spec, epoch } = record;
    const { hypervisor, switchAgent } = this.#cluster.clients(node);
    const sockets: string[] = [];
    for (const { image } of spec.disks) sockets.push(await this.#openDisk(image, node));
    const { port } = await switchAgent.call('port.attach', { owner: vm, mac: spec.mac });
    const binding = { owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch };
    // Before the binding, whether the controller has heard of the last change or not: no guest is there unguarded for a moment.
    await this.#parts.groups.tell();
    await this.#cluster.controller.sdnd.call('binding.set', { binding });
    const { term } = this.#state;
    await hypervisor.call('machine.create', { term, epoch, spec, sockets, port });
    this.#parts.reports.begin(vm);
    await this.#state.put('vms', vm, { ...record, phase: 'settled', port });
  }

  async #openDisk(image: string, node: string): Promise<string> {
    const head = await this.#cluster.controller.catalogue.call('epoch.open', { image, node });
    return byNewestStack(this.#parts, head, async ({ bytes, stack, epoch, last, holder, propagation }, signal) => {
      const from = this.#cluster.endpoint(holder);
      const { blockd } = this.#cluster.clients(node);
      const along = propagation === undefined ? {} : { propagation };
      return (await blockd.call('image.open', { image, bytes, stack, epoch, last, from, ...along }, { signal })).socket;
    });
  }

  /** After a failed creation; the failure itself is what its caller hears. */
  async #takeBack(vm: string): Promise<void> {
    try {
      await this.#mark(vm);
      await this.#takeAway(vm);
    } catch (error) {
      this.#parts.log.warn({ vm, reason: messageOf(error) }, 'a half-made VM is taken away later');
    }
  }

  /**
   * Stops a VM for good; its image stays, closed. Refused while it migrates or its node cannot be asked.
   * @throws OperationError VM_UNKNOWN, VM_BUSY, NODE_DOWN and those of the node; it may be repeated
   */
  async delete(vm: string): Promise<void> {
    await this.#parts.admission.inTurn(async () => {
      const { state } = this.show(vm);
      if (state === 'migrating' || state === 'undecided' || state === 'creating') {
        throw new OperationError('VM_BUSY', `VM ${vm} is ${state}`, { remedy: 'wait for that to end, then delete it' });
      }
      this.#cluster.upNodeOf(this.record(vm).node);
      await this.#mark(vm);
    });
    await this.#takeAway(vm);
  }

  /** From here on it can only go. */
  async #mark(vm: string): Promise<void> {
    await this.#state.put('vms', vm, { ...this.record(vm), phase: 'deleting' });
  }

  /** One at a time per VM: whoever comes second finds it gone. */
  #takeAway(vm: string): Promise<void> {
    const turn = this.#removals.get(vm) ?? new Turn();
    this.#removals.set(vm, turn);
    return turn.take(async () => {
      const record = this.#state.get('vms', vm);
      if (record?.phase === 'deleting') await this.#remove(record);
    });
  }

  /** Every step may be repeated: what is gone already is no error at its daemon. */
  async #remove(record: VmRecord): Promise<void> {
    const { vm, node, spec } = record;
    const { hypervisor, switchAgent } = this.#cluster.clients(node);
    await hypervisor.call('machine.delete', { term: this.#state.term, vm });
    await switchAgent.call('port.detach', { owner: vm });
    // What leads in to it ends first: its address may be another one's soon.
    await this.#parts.network.tellNetwork();
    await this.#cluster.controller.sdnd.call('binding.remove', { owner: vm });
    for (const { image } of spec.disks) await this.#closing.close(image, node);
    await this.#forget(record);
  }

  async #forget({ vm, offeredEpoch }: VmRecord): Promise<void> {
    const value = Math.max(offeredEpoch, this.#state.get('counters', EPOCH_COUNTER)?.value ?? 0);
    await this.#state.put('counters', EPOCH_COUNTER, { value });
    await this.#parts.migrations.forget(vm);
    await this.#state.remove('vms', vm);
    this.#parts.reports.forget(vm);
    this.#removals.delete(vm);
  }

  /** After a restart of the orchestrator: what was being created then is taken away. Nothing else is touched. */
  async recover(): Promise<void> {
    for (const { vm } of this.#state.all('vms').filter(({ phase }) => phase === 'creating')) await this.#mark(vm);
  }

  /** Once more what is half gone, where its node is there. */
  async tidy(): Promise<void> {
    const half = this.#state.all('vms').filter(({ phase, node }) => phase === 'deleting' && this.#cluster.isUp(node));
    const ends = await Promise.allSettled(half.map(({ vm }) => this.#takeAway(vm)));
    for (const end of ends) {
      if (end.status === 'rejected') this.#parts.log.warn({ reason: messageOf(end.reason) }, 'a VM is not gone yet');
    }
  }
}

function specOf(request: VmRequest, imageBytes: number): MachineSpec {
  const { vm, memoryMB, cpus, ip, boot, mac = macOf(vm) } = request;
  const disks = [{ image: request.image, bytes: imageBytes }];
  return { vm, memoryMB, cpus, machine: MACHINE, cpuModel: CPU_MODEL, disks, mac, ip, boot };
}
