// The inspection of strangers' disk files: what names another file, or claims what no image can be, is refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ForeignBytes, refused } from '../../../blockd/convert/foreign-bytes.ts';
import { inspect, recognise } from '../../../blockd/convert/image-format.ts';
import { diskInOva } from '../../../blockd/convert/ova-archive.ts';
import { messageOf } from '../../../common/errors.ts';
import { ovf, qcow2, tar, vhdFooter, vmdk, vmdkDescriptor } from '../../interop/convert-files.ts';

const MIB = 2 ** 20;
const SPARSE = 'createType="monolithicSparse"\nparentCID=ffffffff\nRW 2048 SPARSE "disk.vmdk"\n';

function bytesOf(file: Buffer): ForeignBytes {
  return { bytes: file.length, read: async (offset, length) => file.subarray(offset, offset + length) };
}

/** What is said of a file that is refused. */
async function refusal(file: Buffer): Promise<string> {
  try {
    const format = await recognise(bytesOf(file));
    const inner = format === 'ova' ? await diskInOva(bytesOf(file)) : bytesOf(file);
    if (format === 'raw' || format === 'ova') return `taken as ${format}`;
    return `taken with ${await inspect(inner, format)} bytes`;
  } catch (error) {
    assert.is(refused('').code, error instanceof Error && 'code' in error ? error.code : '');
    return messageOf(error);
  }
}

const CASES: readonly (readonly [string, Buffer, RegExp])[] = [
  ['an honest qcow2', qcow2(), /taken with 1048576 bytes/],
  ['a dirty qcow2', qcow2({ features: 1n }), /taken/],
  ['a qcow2 with a backing file', qcow2({ backing: '/etc/passwd' }), /backing file/],
  ['a qcow2 with a json: backing file', qcow2({ backing: 'json:{"driver":"raw"}' }), /backing file/],
  ['a qcow2 with a data file', qcow2({ features: 4n, dataFile: '/etc/passwd' }), /data file/],
  ['a qcow2 that only names a data file', qcow2({ dataFile: '/etc/passwd' }), /names a data file/],
  ['a qcow2 that is corrupt', qcow2({ features: 2n }), /corrupt/],
  ['a qcow2 of the future', qcow2({ features: 1n << 40n }), /not known here \(0x10000000000\)/],
  ['a qcow2 of 8 EiB', qcow2({ bytes: 1n << 63n }), /9223372036854775808 bytes; an image has 1 to/],
  ['a qcow2 of nothing', qcow2({ bytes: 0n }), /its disk has 0 bytes/],
  ['a qcow2 that is cut off', qcow2().subarray(0, 50), /beyond its end \(50 bytes\)/],
  ['an honest vmdk', vmdk(SPARSE), /taken with 1048576 bytes/],
  ['a vmdk descriptor', Buffer.from(vmdkDescriptor('/etc/shadow')), /descriptor of a disk in other files/],
  ['a vmdk that wraps a descriptor', vmdk(vmdkDescriptor('/etc/shadow'), 0n), /only the descriptor/],
  ['a vmdk of another type', vmdk(vmdkDescriptor('/etc/shadow')), /type monolithicFlat/],
  ['a vmdk with a path', vmdk(SPARSE.replace('disk.vmdk', '/etc/shadow')), /extents, not one/],
  ['a vmdk with a second extent', vmdk(`${SPARSE}RW 1 FLAT "/etc/shadow" 0\n`), /2 extents/],
  ['a vmdk with a parent', vmdk(`${SPARSE}parentFileNameHint="/etc/shadow"\n`), /it has a parent/],
  ['a vmdk with a hidden parent', vmdk(`${SPARSE}\0parentFileNameHint="/etc/shadow"\n`), /it has a parent/],
  ['a vmdk of 8 EiB', vmdk(SPARSE, 1n << 54n), /an image has 1 to/],
  ['a fixed vhd', Buffer.concat([Buffer.alloc(MIB), vhdFooter(2)]), /taken with 1048576 bytes/],
  ['a differencing vhd', Buffer.concat([vhdFooter(4), Buffer.alloc(MIB), vhdFooter(4)]), /differencing/],
  ['a dynamic vhd that is cut off', Buffer.concat([vhdFooter(3), Buffer.alloc(MIB)]), /no VHD footer/],
  ['a vhd with two minds', Buffer.concat([vhdFooter(3), Buffer.alloc(MIB), vhdFooter(3, 5n)]), /do not agree/],
  ['a vhdx that is cut off', Buffer.from(`vhdxfile${'\0'.repeat(1000)}`), /region table at 196608 is beyond/],
  ['a gzip file', Buffer.from('\x1f\x8b\x08', 'latin1'), /gzip file, not a disk/],
  ['a VDI', Buffer.concat([Buffer.alloc(64), Buffer.from('\x7f\x10\xda\xbe', 'latin1')]), /VDI/],
  ['a text', Buffer.from('anything'), /no disk format known here/],
  ['noise in whole sectors', Buffer.alloc(MIB, 'noise'), /no disk format known here/],
  ['zeros that are no whole sectors', Buffer.alloc(MIB + 1), /no disk format known here/],
  ['nothing at all', Buffer.alloc(0), /taken as raw/],
  ['an empty disk', Buffer.alloc(MIB), /taken as raw/],
  ['a disk with partitions', marked(510, '\x55\xaa'), /taken as raw/],
  ['a disk with a GPT', marked(512, 'EFI PART'), /taken as raw/],
  ['an ext4', marked(1080, '\x53\xef'), /taken as raw/],
  ['a btrfs', marked(65_600, '_BHRfS_M'), /taken as raw/],
  ['a mark at another place', marked(1081, '\x53\xef'), /no disk format known here/],
  ['an honest ova', ova('disk.vmdk', 'disk.vmdk'), /taken as ova/],
  ['an ova with ../ in a name', ova('../disk.vmdk', '../disk.vmdk'), /not a plain file name/],
  ['an ova with an absolute name', ova('/etc/shadow', '/etc/shadow'), /not a plain file name/],
  ['an ova that names another file', ova('disk.vmdk', '/etc/shadow'), /names "\/etc\/shadow", which is not in it/],
  ['an ova with a link', tar([{ name: 'd.vmdk', bytes: Buffer.alloc(0), type: '2' }]), /is a SymbolicLink, not a file/],
  ['an ova with two disks', twoDisks(), /it has 2 disks/],
  ['an ova without a description', tar([{ name: 'd.vmdk', bytes: vmdk(SPARSE) }]), /without an OVF/],
  // A search that begins anew at each of these would take hours, in which nobody's disk answers.
  ['an ova of comments without an end', ovaOf('<!--'.repeat(MIB)), /names no disk/],
  ['an ova of tags without an end', ovaOf('<File '.repeat(MIB / 2)), /names no disk/],
  ['an ova with comments', ovaOf(`<!-- <Disk -->${ovf('disk.vmdk').toString()}<!-- -->`), /taken as ova/],
  ['an ova that is cut off', ova('disk.vmdk', 'disk.vmdk').subarray(0, 8000), /beyond the archive's end/],
];

/** A disk of noise but for a tool's mark. */
function marked(at: number, mark: string): Buffer {
  const disk = Buffer.alloc(MIB, 'noise');
  disk.write(mark, at, 'latin1');
  return disk;
}

function ova(name: string, named: string): Buffer {
  return tar([
    { name: 'vm.ovf', bytes: ovf(named) },
    { name, bytes: vmdk(SPARSE) },
  ]);
}

function ovaOf(description: string): Buffer {
  return tar([
    { name: 'vm.ovf', bytes: Buffer.from(description) },
    { name: 'disk.vmdk', bytes: vmdk(SPARSE) },
  ]);
}

function twoDisks(): Buffer {
  const disk = { bytes: vmdk(SPARSE) };
  return tar([
    { name: 'vm.ovf', bytes: ovf('a.vmdk', 'b.vmdk') },
    { name: 'a.vmdk', ...disk },
    { name: 'b.vmdk', ...disk },
  ]);
}

for (const [name, file, said] of CASES) test(name, async () => assert.match(await refusal(file), said));

test('a file cut off anywhere is judged, never crashed on', async () => {
  for (const file of [qcow2(), vmdk(SPARSE), ova('d.vmdk', 'd.vmdk')]) {
    for (let length = 0; length < 2048; length += 7) assert.type(await refusal(file.subarray(0, length)), 'string');
  }
});

test('changed headers are judged, never crashed on', async () => {
  for (const file of [qcow2(), vmdk(SPARSE), ova('d.vmdk', 'd.vmdk')]) {
    for (let at = 0; at < 1024; at++) {
      const changed = Buffer.from(file);
      changed[at] = changed.readUInt8(at) ^ 0xff;
      assert.type(await refusal(changed), 'string');
    }
  }
});

test.run();
