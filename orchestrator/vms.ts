// VMs: create and delete, each a few steps of other daemons that are undone in reverse when one fails.
import { createHash } from 'node:crypto';
import { OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { MachineSpec } from '../wire/contracts/hypervisor.ts';
import type { VmState } from '../wire/contracts/orchestrator.ts';
import type { Images } from './images.ts';
import type { Members } from './members.ts';
import type { MemberRecord, State, VmRecord } from './state.ts';
import { Undo } from './undo.ts';

/** A machine version and a CPU model that every node offers under every accelerator (LAB, "Guests under QEMU"). */
const MACHINE = 'pc-q35-7.2';
const CPU_MODEL = 'Nehalem';

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

export class Vms {
  readonly #state: State;
  readonly #members: Members;
  readonly #images: Images;
  readonly #log: Log;

  constructor(options: { state: State; members: Members; images: Images; log: Log }) {
    this.#state = options.state;
    this.#members = options.members;
    this.#images = options.images;
    this.#log = options.log;
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
    const cloud = this.#members.states().find((member) => member.node === node)?.cloud ?? node;
    return { vm, node, cloud, epoch, spec, migration: latest, state: this.#phaseOf(record, latest?.step) };
  }

  #phaseOf(record: VmRecord, step: string | undefined): VmState['state'] {
    if (record.phase !== 'settled') return record.phase;
    if (step === 'undecided') return 'undecided';
    if (step !== undefined && step !== 'moved' && step !== 'failed') return 'migrating';
    return this.#members.isUp(record.node) ? 'running' : 'unknown';
  }

  #specOf(request: VmRequest, imageBytes: number): MachineSpec {
    const taken = this.#state.all('vms').find((other) => other.spec.ip === request.ip);
    if (taken !== undefined) {
      throw new OperationError('ADDRESS_TAKEN', `address ${request.ip} belongs to VM ${taken.vm}`);
    }
    return {
      vm: request.vm,
      memoryMB: request.memoryMB,
      cpus: request.cpus,
      machine: MACHINE,
      cpuModel: CPU_MODEL,
      disks: [{ image: request.image, bytes: imageBytes }],
      mac: request.mac ?? macOf(request.vm),
      ip: request.ip,
      boot: request.boot,
    };
  }

  /** Boots a VM on an image that nobody has open. A failure undoes what was done and says what failed. */
  async create(request: VmRequest): Promise<VmState> {
    const { vm } = request;
    if (this.#state.get('vms', vm) !== undefined) {
      throw new OperationError('VM_EXISTS', `there is a VM ${vm} already`, { remedy: 'choose another name' });
    }
    const member = this.#members.upNodeOf(request.cloud);
    const { node } = member;
    const head = await this.#images.head(request.image);
    if (head.writer !== null) {
      throw new OperationError('IMAGE_OPEN', `image ${head.image} is in use at ${head.writer}`, {
        remedy: 'use another image, or delete the VM that uses it',
      });
    }
    checkRoom(member, request.memoryMB, this.#state.all('vms'));
    const spec = this.#specOf(request, head.bytes);
    const record: VmRecord = { vm, node, phase: 'creating', epoch: 1, offeredEpoch: 1, spec, port: '' };
    const undo = new Undo(this.#log);
    await this.#state.put('vms', vm, record);
    undo.add('the record', () => this.#state.remove('vms', vm));
    try {
      await this.#boot(record, undo);
    } catch (error) {
      await undo.run();
      throw error;
    }
    await this.#images.startPull(request.image, node);
    return this.show(vm);
  }

  async #boot(record: VmRecord, undo: Undo): Promise<void> {
    const { vm, node, spec } = record;
    const clients = this.#members.clients(node);
    const sockets: string[] = [];
    for (const { image } of spec.disks) sockets.push(await this.#openDisk(image, node, undo));
    const { port } = await clients.switchAgent.call('port.attach', { owner: vm, mac: spec.mac });
    undo.add('the port', () => clients.switchAgent.call('port.detach', { owner: vm }));
    const binding = { owner: vm, mac: spec.mac, ip: spec.ip, node, port, epoch: record.epoch };
    await this.#members.controller.sdnd.call('binding.set', { binding });
    undo.add('the binding', () => this.#members.controller.sdnd.call('binding.remove', { owner: vm }));
    const { term } = this.#state;
    await clients.hypervisor.call('machine.create', { term, epoch: record.epoch, spec, sockets, port });
    await this.#state.put('vms', vm, { ...record, phase: 'settled', port });
  }

  async #openDisk(image: string, node: string, undo: Undo): Promise<string> {
    const { catalogue } = this.#members.controller;
    const { blockd } = this.#members.clients(node);
    const head = await catalogue.call('epoch.open', { image, node });
    const from = this.#members.endpoint(head.holder);
    undo.add(`image ${image}`, () => this.#closeDisk(image, node, head.epoch));
    const { bytes, epoch, last } = head;
    return (await blockd.call('image.open', { image, bytes, epoch, last, from })).socket;
  }

  async #closeDisk(image: string, node: string, epoch: number): Promise<void> {
    const { catalogue } = this.#members.controller;
    const closing = await this.#members.clients(node).blockd.call('image.close', { image }).catch(neverOpened);
    if (closing === null) await catalogue.call('epoch.abandon', { image, node, epoch });
    else await catalogue.call('epoch.close', { image, node, closing });
  }

  /** Stops a VM for good; its image stays, closed. Refused while it migrates or its node cannot be asked. */
  async delete(vm: string): Promise<void> {
    const record = this.record(vm);
    const { state } = this.show(vm);
    if (state === 'migrating' || state === 'undecided' || state === 'creating') {
      throw new OperationError('VM_BUSY', `VM ${vm} is ${state}`, { remedy: 'wait for that to end, then delete it' });
    }
    this.#members.upNodeOf(record.node);
    await this.#state.put('vms', vm, { ...record, phase: 'deleting' });
    await this.#remove(record);
  }

  /** Every step may be repeated: what is gone already is no error at its daemon. */
  async #remove(record: VmRecord): Promise<void> {
    const { vm } = record;
    const clients = this.#members.clients(record.node);
    await clients.hypervisor.call('machine.delete', { term: this.#state.term, vm });
    await clients.switchAgent.call('port.detach', { owner: vm });
    await this.#members.controller.sdnd.call('binding.remove', { owner: vm });
    for (const { image } of record.spec.disks) {
      const head = await this.#images.head(image);
      if (head.writer === record.node) await this.#closeDisk(image, record.node, head.epoch);
    }
    await this.#forget(vm);
  }

  /** After a crash of the orchestrator: what was being created or deleted is taken away. Nothing else is touched. */
  async recover(): Promise<void> {
    for (const record of this.#state.all('vms').filter(({ phase }) => phase !== 'settled')) {
      try {
        await this.#remove(record);
      } catch (error) {
        this.#log.warn({ err: error, vm: record.vm }, 'a half-made VM could not be taken away yet');
      }
    }
  }

  async #forget(vm: string): Promise<void> {
    for (const { migration } of this.#state.all('migrations').filter((record) => record.vm === vm)) {
      await this.#state.remove('migrations', migration);
    }
    await this.#state.remove('vms', vm);
  }
}

/** A store that never opened the image has nothing to close; any other failure stays one. */
function neverOpened(error: unknown): null {
  if (error instanceof OperationError && error.code === 'IMAGE_NOT_OPEN') return null;
  throw error;
}

/** A node's memory is never promised twice; overcommit is 1 (PROMISES C6). */
export function checkRoom(member: MemberRecord, memoryMB: number, vms: readonly VmRecord[]): void {
  const used = vms.filter((vm) => vm.node === member.node).reduce((sum, vm) => sum + vm.spec.memoryMB, 0);
  const all = member.capabilities?.memoryMB ?? 0;
  if (used + memoryMB <= all) return;
  throw new OperationError(
    'NO_ROOM',
    `node ${member.node} has ${all - used} MB of ${all} MB free, ${memoryMB} MB are asked`,
    {
      remedy: 'choose another cloud or a smaller VM',
    },
  );
}
