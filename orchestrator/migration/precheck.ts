// Whether a VM can move where it is told to, decided before anything is touched; each refusal is one sentence.
import { OperationError } from '../../common/errors.ts';
import { checkRoom } from '../admission.ts';
import type { MemberRecord, MigrationRecord, VmRecord } from '../state.ts';

/** Throws an OperationError that says why the VM cannot move to the member. */
export function precheckMigration(
  vm: VmRecord,
  source: MemberRecord,
  target: MemberRecord,
  vms: readonly VmRecord[],
  migrations: readonly MigrationRecord[] = [],
): void {
  if (vm.node === target.node) {
    throw new OperationError('ALREADY_THERE', `VM ${vm.vm} is at ${target.cloud} already`, {
      remedy: 'name another cloud',
    });
  }
  const [from, to] = [source.capabilities, target.capabilities];
  if (from === null || to === null) {
    throw new OperationError(
      'NODE_DOWN',
      `node ${from === null ? source.node : target.node} has not said what it can run`,
    );
  }
  if (from.family !== to.family) {
    throw new OperationError(
      'OTHER_FAMILY',
      `VM ${vm.vm} runs on ${from.family}, node ${target.node} runs ${to.family}`,
      {
        remedy: 'a live VM moves only between nodes of one family',
      },
    );
  }
  // QEMU does not compare these itself: another CPU model "completes" and the guest breaks later (docs/LAB.md).
  if (!to.machines.includes(vm.spec.machine)) {
    throw new OperationError('OTHER_MACHINE', `node ${target.node} does not offer machine ${vm.spec.machine}`);
  }
  if (!to.cpuModels.includes(vm.spec.cpuModel)) {
    throw new OperationError('OTHER_CPU', `node ${target.node} does not offer CPU model ${vm.spec.cpuModel}`);
  }
  checkRoom(target, vm.spec.memoryMB, vms, migrations);
}
