// What keeps a VM from moving is found before anything is touched, each with its own code.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { precheckMigration } from '../../../orchestrator/migration/precheck.ts';
import type { MemberRecord } from '../../../orchestrator/state.ts';
import { capabilities, memberRecord, vmRecord } from './records.ts';

const source = memberRecord();

function codeFor(target: MemberRecord, others = [vmRecord()]): string {
  try {
    precheckMigration(vmRecord(), source, target, others);
    return '';
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
}

const beta = (change: Parameters<typeof capabilities>[0] = {}): MemberRecord =>
  memberRecord({ node: 'beta', cloud: 'beta', capabilities: capabilities(change) });

test('a node that can take the VM is accepted', () => {
  assert.is(codeFor(beta()), '');
});

test('each obstacle has its code', () => {
  assert.is(codeFor(source), 'ALREADY_THERE');
  assert.is(codeFor(memberRecord({ node: 'beta', capabilities: null })), 'NODE_DOWN');
  assert.is(codeFor(beta({ family: 'kvm' })), 'OTHER_FAMILY');
  assert.is(codeFor(beta({ machines: ['pc-q35-10.0'] })), 'OTHER_MACHINE');
  assert.is(codeFor(beta({ cpuModels: ['EPYC'] })), 'OTHER_CPU');
  assert.is(codeFor(beta({ memoryMB: 255 })), 'NO_ROOM');
});

test('the memory of the VMs that are there already is not promised twice', () => {
  const there = vmRecord({ vm: 'other', node: 'beta' });
  assert.is(codeFor(beta({ memoryMB: 512 }), [vmRecord(), there]), '');
  assert.is(codeFor(beta({ memoryMB: 511 }), [vmRecord(), there]), 'NO_ROOM');
});

test.run();
