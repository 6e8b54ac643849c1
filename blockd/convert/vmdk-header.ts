// The headers and the descriptor of a VMDK file (VMware, Virtual Disk Format 5.0): taken when all of the disk is in this
// one file. A descriptor is text that may name any file, so it is read here before any program that would follow it.
import { diskBytes, type ForeignBytes, readHeader, refused } from './foreign-bytes.ts';

const SECTOR_BYTES = 512;
const MAGIC = 'KDMV';
const DESCRIPTOR_MAGIC = '# Disk DescriptorFile';
const VERSION_MAX = 3;
/** A grain directory "at the end": the header is repeated in the second-last sector. */
const AT_END = 0xffff_ffff_ffff_ffffn;
/** VMware writes 20 sectors. */
const DESCRIPTOR_SECTORS_MAX = 128n;
/** QEMU looks for the parent here, wherever the header says that the descriptor is. */
const USUAL_DESCRIPTOR = { offset: SECTOR_BYTES, length: 20 * SECTOR_BYTES } as const;
const TYPES: readonly string[] = ['monolithicSparse', 'streamOptimized'];
const NAMES_ANOTHER = 'and an image may name no other file';

/** The disk's bytes. @throws OperationError IMAGE_REFUSED */
export async function inspectVmdk(source: ForeignBytes): Promise<number> {
  const begin = (await source.read(0, DESCRIPTOR_MAGIC.length)).toString('latin1');
  if (begin === DESCRIPTOR_MAGIC) throw refused(`it is only the descriptor of a disk in other files, ${NAMES_ANOTHER}`);
  if (!begin.startsWith(MAGIC)) throw refused('it does not begin as a VMDK file does');
  const header = await readHeader(source, 0, SECTOR_BYTES, 'header');
  const capacity = inspectSparseHeader(header);
  if (header.readBigUInt64LE(56) === AT_END) await inspectFooter(source, header);
  const sectors = header.readBigUInt64LE(36);
  if (sectors === 0n || sectors > DESCRIPTOR_SECTORS_MAX) throw refused(`its descriptor has ${sectors} sectors`);
  const at = Number(header.readBigUInt64LE(28)) * SECTOR_BYTES;
  inspectDescriptor(await readHeader(source, at, Number(sectors) * SECTOR_BYTES, 'descriptor'));
  refuseParent(await source.read(USUAL_DESCRIPTOR.offset, USUAL_DESCRIPTOR.length));
  return diskBytes(capacity * BigInt(SECTOR_BYTES));
}

/** Sectors of the disk. One without any is, to QEMU, a descriptor that may name files. */
function inspectSparseHeader(header: Buffer): bigint {
  const version = header.readUInt32LE(4);
  if (version < 1 || version > VERSION_MAX)
    throw refused(`it is VMDK version ${version}; 1 to ${VERSION_MAX} are taken`);
  const capacity = header.readBigUInt64LE(12);
  if (capacity === 0n) throw refused(`it holds only the descriptor of a disk in other files, ${NAMES_ANOTHER}`);
  return capacity;
}

async function inspectFooter(source: ForeignBytes, header: Buffer): Promise<void> {
  const footer = await readHeader(source, source.bytes - 2 * SECTOR_BYTES, SECTOR_BYTES, 'footer');
  if (footer.toString('latin1', 0, 4) !== MAGIC)
    throw refused('its footer is missing', 'Fetch it again; it is cut off.');
  const isSame = inspectSparseHeader(footer) === header.readBigUInt64LE(12);
  const samePlace = [0n, header.readBigUInt64LE(28)].includes(footer.readBigUInt64LE(28));
  if (!isSame || !samePlace) throw refused('its footer and its header do not agree');
}

function inspectDescriptor(bytes: Buffer): void {
  refuseParent(bytes);
  const [text = ''] = bytes.toString('latin1').split('\0', 1);
  const type = /^[ \t]*createType[ \t]*=[ \t]*"([^"]*)"/im.exec(text)?.[1] ?? 'none';
  if (!TYPES.includes(type)) throw refused(`it is a VMDK of type ${type}; ${TYPES.join(' and ')} are taken`);
  const extents = text.split('\n').filter((line) => /^\s*(RW|RDONLY|NOACCESS)\s/i.test(line));
  const [extent = ''] = extents;
  const isItself = /^\s*RW\s+\d+\s+SPARSE\s+"[^"/\\:]+"\s*$/i.test(extent);
  if (extents.length !== 1 || !isItself) {
    throw refused(`its descriptor has ${extents.length} extents, not one that is the file itself, ${NAMES_ANOTHER}`);
  }
}

function refuseParent(descriptor: Buffer): void {
  if (/parentFileNameHint/i.test(descriptor.toString('latin1'))) throw refused(`it has a parent, ${NAMES_ANOTHER}`);
}
