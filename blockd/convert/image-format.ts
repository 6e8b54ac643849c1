// Recognises the format of a disk file by its own bytes and looks through its headers before any other program does
// (promise X9). Never opens a file, and never believes a file's name.
import type { ImageFormat } from '../../wire/contracts/blockd.ts';
import { type ForeignBytes, refused } from './foreign-bytes.ts';
import { inspectQcow2 } from './qcow2-header.ts';
import { refuseOtherThanRaw } from './raw-marks.ts';
import { inspectVhd, inspectVhdx } from './vhd-header.ts';
import { inspectVmdk } from './vmdk-header.ts';

/** What a disk in one file may be; an OVA holds one of these. */
export type DiskFormat = Exclude<ImageFormat, 'ova'>;

interface Magic {
  readonly at: number;
  readonly bytes: string;
  readonly is: ImageFormat;
}

const MAGICS: readonly Magic[] = [
  { at: 0, bytes: 'QFI\xfb', is: 'qcow2' },
  { at: 0, bytes: 'KDMV', is: 'vmdk' },
  { at: 0, bytes: '# Disk DescriptorFile', is: 'vmdk' },
  { at: 0, bytes: 'vhdxfile', is: 'vhdx' },
  { at: 0, bytes: 'conectix', is: 'vhd' },
  { at: 257, bytes: 'ustar', is: 'ova' },
];

/** Files that are no disk as they are, and that nobody would want as a raw one. */
const OTHERS: readonly { readonly at: number; readonly bytes: string; readonly name: string }[] = [
  { at: 0, bytes: '\x1f\x8b', name: 'gzip' },
  { at: 0, bytes: '\xfd7zXZ\0', name: 'xz' },
  { at: 0, bytes: '\x28\xb5\x2f\xfd', name: 'zstd' },
  { at: 0, bytes: 'BZh', name: 'bzip2' },
  { at: 0, bytes: 'PK\x03\x04', name: 'zip' },
  { at: 0, bytes: 'QED\0', name: 'QED' },
  { at: 0, bytes: 'COWD', name: 'VMDK 3' },
  { at: 0, bytes: 'LUKS\xba\xbe', name: 'LUKS' },
  { at: 64, bytes: '\x7f\x10\xda\xbe', name: 'VDI' },
];
const START_BYTES = 512;
const FOOTER_BYTES = 512;

/** The format by the file's bytes; raw when it has the mark of none, and begins as a raw disk does. @throws OperationError IMAGE_REFUSED */
export async function recognise(source: ForeignBytes): Promise<ImageFormat> {
  const start = (await source.read(0, START_BYTES)).toString('latin1');
  const known = MAGICS.find(({ at, bytes }) => start.startsWith(bytes, at));
  if (known !== undefined) return known.is;
  const other = OTHERS.find(({ at, bytes }) => start.startsWith(bytes, at));
  if (other !== undefined) {
    throw refused(
      `it is a ${other.name} file, not a disk`,
      'Unpack it, or convert it with qemu-img convert; --format raw takes the file itself for the disk.',
    );
  }
  const end = await source.read(Math.max(0, source.bytes - FOOTER_BYTES), FOOTER_BYTES);
  if (end.toString('latin1', 0, 8) === 'conectix') return 'vhd';
  await refuseOtherThanRaw(source);
  return 'raw';
}

/** The disk's bytes of a file that is safe to convert. @throws OperationError IMAGE_REFUSED */
export function inspect(source: ForeignBytes, format: Exclude<DiskFormat, 'raw'>): Promise<number> {
  return INSPECTORS[format](source);
}

const INSPECTORS = { qcow2: inspectQcow2, vmdk: inspectVmdk, vhd: inspectVhd, vhdx: inspectVhdx } as const;
