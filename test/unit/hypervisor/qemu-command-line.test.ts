// What a spec becomes on QEMU's command line, and which specs are refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HypervisorError, type MachineSpec } from '../../../hypervisor/driver.ts';
import { diskIndex, diskNodeName, qemuCommandLine } from '../../../hypervisor/qemu/command-line.ts';
import { runFiles } from '../../../hypervisor/qemu/run-directory.ts';

const SPEC: MachineSpec = {
  name: 'web-1',
  memoryMB: 256,
  cpus: 2,
  machine: 'pc-q35-7.2',
  cpuModel: 'Nehalem',
  disks: [{ nbdSocket: '/run/b/nbd.sock', exportName: 'web,root', bytes: 64 * 1024 * 1024 }],
  nics: [{ mac: '52:54:00:00:00:01', tap: 'tap7', mtuBytes: 1330 }],
  boot: { kernel: '/k', initrd: '/i', commandLine: 'console=ttyS0 quiet' },
  serial: { logFile: '/run/v,m/console.log' },
  runDirectory: '/run/vm',
};

const COMMON = [
  ...['-name', 'guest=web-1,debug-threads=on', '-pidfile', '/run/vm/qemu.pid', '-S', '-no-user-config', '-nodefaults'],
  ...['-display', 'none', '-msg', 'timestamp=on'],
  ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ...['-machine', 'pc-q35-7.2,usb=off,sata=off,dump-guest-core=off', '-accel', 'tcg,thread=multi'],
  ...['-cpu', 'Nehalem,enforce', '-m', 'size=262152K', '-smp', 'cpus=2,sockets=2,cores=1,threads=1'],
  ...[
    '-chardev',
    'socket,id=qmp-agent,path=/run/vm/qmp.sock,server=on,wait=off',
    '-mon',
    'chardev=qmp-agent,mode=control',
  ],
  ...['-chardev', 'socket,id=qmp-people,path=/run/vm/people.sock,server=on,wait=off'],
  ...['-mon', 'chardev=qmp-people,mode=control'],
  ...[
    '-chardev',
    'null,id=serial0,logfile=/run/v,,m/console.log,logappend=on',
    '-device',
    'isa-serial,chardev=serial0',
  ],
  '-blockdev',
  '{"driver":"nbd","node-name":"disk0","server":{"type":"unix","path":"/run/b/nbd.sock"},"export":"web,root",' +
    '"reconnect-delay":86400,"cache":{"direct":true,"no-flush":false},"discard":"unmap"}',
  '-device',
  'virtio-blk-pci,id=vd0,drive=disk0,bus=pcie.0,addr=0x8,cyls=130,heads=16,secs=63,logical_block_size=512,' +
    'physical_block_size=4096,min_io_size=4096,write-cache=on,werror=stop,rerror=stop',
  ...['-netdev', 'tap,id=net0,ifname=tap7,script=no,downscript=no,vhost=off'],
  '-device',
  'virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,bus=pcie.0,addr=0x10,romfile=,csum=off,gso=off,' +
    'guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,host_tso4=off,host_tso6=off,' +
    'host_ecn=off,host_ufo=off,host_mtu=1330',
  ...['-kernel', '/k', '-initrd', '/i', '-append', 'console=ttyS0 quiet'],
];

function commandLine(spec: MachineSpec, incoming = false): string[] {
  return qemuCommandLine(spec, { accelerator: 'tcg', files: runFiles(spec.runDirectory), incoming });
}

test('the whole line', () => {
  assert.equal(commandLine(SPEC), COMMON);
});

test('a destination has the same devices, and waits', () => {
  assert.equal(commandLine(SPEC, true), [...COMMON, '-incoming', 'defer']);
});

test('nothing starts by itself, on either accelerator', () => {
  for (const accelerator of ['tcg', 'kvm'] as const) {
    for (const incoming of [false, true]) {
      assert.ok(qemuCommandLine(SPEC, { accelerator, files: runFiles('/run/vm'), incoming }).includes('-S'));
    }
  }
});

test('memory is no whole number of 64 pages under TCG, whose dirty tracking needs that, and as asked under KVM', () => {
  const size = (accelerator: 'tcg' | 'kvm'): string | undefined => {
    const line = qemuCommandLine(SPEC, { accelerator, files: runFiles('/run/vm'), incoming: false });
    return line[line.indexOf('-m') + 1];
  };
  assert.is(size('tcg'), 'size=262152K');
  assert.is(size('kvm'), 'size=262144K');
});

test('without a kernel the first disk is booted', () => {
  const { boot: _, ...rest } = SPEC;
  const line = commandLine({ ...rest, disks: [...SPEC.disks, ...SPEC.disks] });
  assert.is(line.includes('-kernel'), false);
  assert.equal(line.filter((word) => word.endsWith('bootindex=1')).length, 1);
  assert.ok(line.some((word) => word.includes('id=vd1,drive=disk1,bus=pcie.0,addr=0x9')));
});

test('the serial device does not depend on what is behind it', () => {
  const { serial: _, ...rest } = SPEC;
  assert.ok(commandLine(rest).includes('null,id=serial0'));
  assert.ok(commandLine(rest).includes('isa-serial,chardev=serial0'));
  const both = commandLine({ ...SPEC, serial: { socketPath: '/s', logFile: '/l' } });
  assert.ok(both.includes('socket,id=serial0,path=/s,server=on,wait=off,logfile=/l,logappend=on'));
});

test('the geometry is one that every size has', () => {
  const geometry = (bytes: number) => {
    const line = commandLine({ ...SPEC, disks: [{ nbdSocket: '/s', exportName: 'd', bytes }] }).join(' ');
    return /cyls=(\d+)/.exec(line)?.[1];
  };
  assert.equal([512, 516_096, 1024 ** 4].map(geometry), ['1', '1', '16383']);
});

const refused: [string, Partial<MachineSpec>][] = [
  ['name', { name: 'a,b' }],
  ['memoryMB', { memoryMB: 0.5 }],
  ['cpus', { cpus: 0 }],
  ['machine', { machine: 'pc-q35-7.2,accel=kvm' }],
  ['cpuModel', { cpuModel: 'Nehalem,-enforce' }],
  ['disks', { disks: Array.from({ length: 9 }, () => ({ nbdSocket: '/s', exportName: 'd', bytes: 512 })) }],
  ['disk', { disks: [{ nbdSocket: '/s', exportName: 'd', bytes: 513 }] }],
  ['socket', { disks: [{ nbdSocket: 'relative', exportName: 'd', bytes: 512 }] }],
  ['mac', { nics: [{ mac: '52:54', tap: 't' }] }],
  ['tap', { nics: [{ mac: '52:54:00:00:00:01', tap: 'tap,vhost=on' }] }],
  ['runDirectory', { runDirectory: 'here' }],
  ['socket', { runDirectory: `/${'x'.repeat(100)}` }],
];

for (const [field, change] of refused) {
  test(`refused with a sentence: ${field} of ${JSON.stringify(change).slice(0, 60)}`, () => {
    try {
      commandLine({ ...SPEC, ...change });
    } catch (error) {
      assert.ok(error instanceof HypervisorError && error.code === 'BAD_SPEC');
      assert.match(error.message, field);
      return;
    }
    assert.unreachable('it was taken');
  });
}

test('a CPU model may name features', () => {
  assert.ok(commandLine({ ...SPEC, cpuModel: 'Haswell-noTSX,smap=off' }).includes('Haswell-noTSX,smap=off,enforce'));
});

test('a node name says which disk it is', () => {
  assert.is(diskIndex(diskNodeName(12)), 12);
  assert.is(diskIndex('#block123'), undefined);
});

test.run();
