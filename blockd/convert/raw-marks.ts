// What a raw disk looks like: it has no mark of its own, so a file that is none would become a disk of its bytes. It begins
// with zeros, or with something that a partitioning or formatting tool wrote. The places and values are those tools' own.
import { type ForeignBytes, refused } from './foreign-bytes.ts';

const SECTOR_BYTES = 512;
/** As far as the farthest mark reaches: btrfs' at 64 KiB. */
const LOOKED_AT_BYTES = 68 * 1024;

interface Mark {
  readonly at: number;
  readonly bytes: string;
  /** What it stands for; a person reads it in the source only. */
  readonly of: string;
}

const MARKS: readonly Mark[] = [
  { at: 510, bytes: '\x55\xaa', of: 'a boot sector or partition table, NTFS, FAT' },
  { at: 512, bytes: 'EFI PART', of: 'GPT' },
  { at: 4096, bytes: 'EFI PART', of: 'GPT with sectors of 4 KiB' },
  { at: 1080, bytes: '\x53\xef', of: 'ext2, ext3, ext4' },
  { at: 0, bytes: 'XFSB', of: 'XFS' },
  { at: 65_600, bytes: '_BHRfS_M', of: 'btrfs' },
  { at: 1024, bytes: '\x10\x20\xf5\xf2', of: 'F2FS' },
  { at: 512, bytes: 'LABELONE', of: 'LVM' },
  { at: 4096, bytes: '\xfc\x4e\x2b\xa9', of: 'Linux software RAID' },
  { at: 4086, bytes: 'SWAPSPACE2', of: 'swap' },
  { at: 0, bytes: 'hsqs', of: 'squashfs' },
  { at: 32_769, bytes: 'CD001', of: 'ISO 9660' },
  { at: 65_588, bytes: 'ReIsEr', of: 'ReiserFS' },
];

/** Lets pass what may be meant for a raw disk. @throws OperationError IMAGE_REFUSED */
export async function refuseOtherThanRaw(source: ForeignBytes): Promise<void> {
  if (source.bytes % SECTOR_BYTES === 0 && (await looksRaw(source))) return;
  throw refused(
    'it has the mark of no disk format known here, and does not begin as a raw disk does: with zeros, a partition table or a file system',
    'If it is a raw disk all the same, say --format raw.',
  );
}

async function looksRaw(source: ForeignBytes): Promise<boolean> {
  const bytes = await source.read(0, Math.min(LOOKED_AT_BYTES, source.bytes));
  const start = bytes.toString('latin1');
  return MARKS.some(({ at, bytes: mark }) => start.startsWith(mark, at)) || bytes.every((byte) => byte === 0);
}
