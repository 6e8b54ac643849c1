// What has been promised is promised once: names, addresses, images and memory. Every order is checked and its first
// record written in one turn, so that of two that come together the second finds the first. No call is made in here.
import { OperationError } from '../common/errors.ts';
import type { GuestNetworkPlan } from '../wire/contracts/guest-network.ts';
import { checkInNetwork, guestNetwork } from './network/guest-network.ts';
import type { MemberRecord, MigrationRecord, State, VmRecord } from './state.ts';
import { Turn } from './turn.ts';

/** Where and under which addresses a guest, or a port outside any VM, is to be. */
export interface AddressClaim {
  readonly owner: string;
  readonly ip: string;
  readonly mac: string;
}

export class Admission {
  readonly #state: State;
  readonly #network: GuestNetworkPlan;
  readonly #turn = new Turn();
  /** Images that are being made, deleted, exported or opened, which takes many calls. */
  readonly #busyImages = new Map<string, string>();

  constructor(state: State, network: GuestNetworkPlan = guestNetwork()) {
    this.#state = state;
    this.#network = network;
  }

  /** Checks and the record that makes them hold, with no other order in between. */
  inTurn<T>(checkAndRecord: () => Promise<T> | T): Promise<T> {
    return this.#turn.take(checkAndRecord);
  }

  /** Keeps an image for one long piece of work. @throws OperationError IMAGE_BUSY, IMAGE_OPEN */
  async withImage<T>(
    image: string,
    doing: 'made' | 'deleted' | 'exported' | 'resized' | 'opened',
    work: () => Promise<T>,
  ): Promise<T> {
    await this.inTurn(() => {
      this.checkImage(image);
      this.#busyImages.set(image, doing);
    });
    try {
      return await work();
    } finally {
      this.#busyImages.delete(image);
    }
  }

  /** Refuses an image that a VM has, also one that is only half made or half gone. @throws OperationError IMAGE_BUSY, IMAGE_OPEN */
  checkImage(image: string): void {
    const doing = this.#busyImages.get(image);
    if (doing !== undefined) {
      throw new OperationError('IMAGE_BUSY', `image ${image} is being ${doing}`, { remedy: 'wait for that to end' });
    }
    const user = this.#state.all('vms').find(({ spec }) => spec.disks.some((disk) => disk.image === image));
    if (user !== undefined) throw imageOpen(image, `by VM ${user.vm}`);
  }

  /** Guests find VMs, addresses and stubs by their names in one domain. @throws OperationError VM_EXISTS */
  checkName(vm: string): void {
    const owner = this.#state.get('vms', vm) ?? this.#state.get('addresses', vm) ?? this.#state.get('stubs', vm);
    if (owner === undefined) return;
    const what = 'vm' in owner ? 'a VM' : 'owner' in owner ? 'an address by the name' : 'a stub';
    throw new OperationError('VM_EXISTS', `there is ${what} ${vm} already`, { remedy: 'choose another name' });
  }

  /** @throws OperationError ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED */
  checkAddress({ owner, ip, mac }: AddressClaim): void {
    checkInNetwork(this.#network, ip);
    const vms = this.#state.all('vms').map(({ vm, spec }) => ({ owner: vm, ip: spec.ip, mac: spec.mac }));
    for (const other of [...vms, ...this.#state.all('addresses')]) {
      if (other.owner === owner) continue;
      const shared = other.ip === ip ? ip : other.mac === mac ? mac : undefined;
      if (shared === undefined) continue;
      throw new OperationError('ADDRESS_TAKEN', `address ${shared} belongs to ${other.owner}`, {
        remedy: 'choose another address',
      });
    }
    const stub = this.#state.all('stubs').find(({ address }) => address === ip);
    if (stub !== undefined) {
      throw new OperationError('ADDRESS_TAKEN', `address ${ip} stands for stub ${stub.name}`, {
        remedy: 'choose another address',
      });
    }
  }

  /** An address that stands for a resource is nobody's. @throws OperationError ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED */
  checkStub(address: string): void {
    checkInNetwork(this.#network, address);
    const vm = this.#state.all('vms').find(({ spec }) => spec.ip === address)?.vm;
    const owner = vm ?? this.#state.all('addresses').find(({ ip }) => ip === address)?.owner;
    if (owner === undefined) return;
    throw new OperationError('ADDRESS_TAKEN', `address ${address} belongs to ${owner}`, {
      remedy: 'choose another address',
    });
  }

  /** @throws OperationError NO_ROOM */
  checkRoom(member: MemberRecord, memoryMB: number): void {
    checkRoom(member, memoryMB, this.#state.all('vms'), this.#state.all('migrations'));
  }
}

/** An image that cannot be had. */
export function imageOpen(image: string, by: string): OperationError {
  return new OperationError('IMAGE_OPEN', `image ${image} is in use ${by}`, {
    remedy: 'use another image, or delete the VM that uses it',
  });
}

/** A node's memory is never promised twice; overcommit is 1 (PROMISES C6). VMs on their way count at both ends. */
export function checkRoom(
  member: MemberRecord,
  memoryMB: number,
  vms: readonly VmRecord[],
  migrations: readonly MigrationRecord[] = [],
): void {
  const coming = new Set(
    migrations
      .filter(
        ({ to, step, toUndo }) => to === member.node && step !== 'moved' && (step !== 'failed' || toUndo.length > 0),
      )
      .map(({ vm }) => vm),
  );
  const used = vms
    .filter(({ vm, node }) => node === member.node || coming.has(vm))
    .reduce((sum, { spec }) => sum + spec.memoryMB, 0);
  const all = member.capabilities?.memoryMB ?? 0;
  if (used + memoryMB <= all) return;
  throw new OperationError(
    'NO_ROOM',
    `node ${member.node} has ${all - used} MB of ${all} MB free, ${memoryMB} MB are asked`,
    { remedy: 'choose another cloud or a smaller VM' },
  );
}
