// Records for the orchestrator's unit tests, whole but for what a test says.
import type { MemberRecord, MigrationRecord, VmRecord } from '../../../orchestrator/state.ts';
import type { Capabilities } from '../../../wire/contracts/hypervisor.ts';

export function capabilities(change: Partial<Capabilities> = {}): Capabilities {
  return {
    ...{ family: 'tcg', proof: 'a test', version: '7.2.0', machines: ['pc-q35-7.2'], cpuModels: ['Nehalem'] },
    ...{ cpus: 2, memoryMB: 1024 },
    ...change,
  };
}

export function memberRecord(change: Partial<MemberRecord> = {}): MemberRecord {
  return { node: 'alpha', cloud: 'alpha', address: '10.0.0.1', role: 'node', capabilities: capabilities(), ...change };
}

export function vmRecord(change: Partial<VmRecord> = {}): VmRecord {
  return {
    ...{ vm: 'web', node: 'alpha', phase: 'settled', epoch: 1, offeredEpoch: 1, port: 'tap0' },
    spec: {
      ...{ vm: 'web', memoryMB: 256, cpus: 1, machine: 'pc-q35-7.2', cpuModel: 'Nehalem' },
      ...{ disks: [{ image: 'web', bytes: 4096 }], mac: '02:00:00:00:00:01', ip: '10.88.0.10' },
      boot: { kernel: '', initrd: '', commandLine: '' },
    },
    ...change,
  };
}

export function migrationRecord(change: Partial<MigrationRecord> = {}): MigrationRecord {
  return {
    ...{ migration: 'm', vm: 'web', from: 'alpha', to: 'beta', term: 1, epoch: 2, port: '', toUndo: [] },
    step: 'precheck',
    ...{ reason: '', startedAtMs: 0, totalMs: 0, stepTimes: [], holdMs: 0, holdSteps: [] },
    ...{ memoryBytes: 0, remainingBytes: 0 },
    ...{ rateBytesPerSecond: 0, entryBytes: 0, blockBytes: 0, fetchedOnDemandBlocks: 0, dependsOnSourceBlocks: 0 },
    independentMs: null,
    ...change,
  };
}
