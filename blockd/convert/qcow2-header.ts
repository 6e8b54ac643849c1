// The header of a qcow2 file (QEMU, docs/interop/qcow2.txt): refuses one that names another file, is encrypted or wants
// something that is not known here.
import { diskBytes, type ForeignBytes, readHeader, refused } from './foreign-bytes.ts';

const HEADER_V2_BYTES = 72;
const HEADER_V3_BYTES = 104;
/** The smallest and largest cluster that QEMU makes: 512 B and 2 MiB. */
const CLUSTER_BITS = { min: 9, max: 21 } as const;
/** Incompatible features that change nothing about which files are read: dirty, compression type, extended L2. */
const KNOWN_FEATURES = (1n << 0n) | (1n << 3n) | (1n << 4n);
const CORRUPT = 1n << 1n;
const EXTERNAL_DATA = 1n << 2n;
const EXTENSION_END = 0;
const EXTENSION_DATA_FILE = 0x44415441;
/** QEMU writes five. */
const EXTENSIONS_MAX = 32;

/** The disk's bytes. @throws OperationError IMAGE_REFUSED */
export async function inspectQcow2(source: ForeignBytes): Promise<number> {
  const header = await readHeader(source, 0, HEADER_V2_BYTES, 'header');
  const version = header.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refused(`it is qcow version ${version}; versions 2 and 3 are taken`);
  if (header.readBigUInt64BE(8) !== 0n) throw refused('it has a backing file, and an image may name no other file');
  const clusterBits = header.readUInt32BE(20);
  if (clusterBits < CLUSTER_BITS.min || clusterBits > CLUSTER_BITS.max) {
    throw refused(`its clusters have 2^${clusterBits} bytes; 2^${CLUSTER_BITS.min} to 2^${CLUSTER_BITS.max} are taken`);
  }
  if (header.readUInt32BE(32) !== 0) throw refused('it is encrypted', 'Decrypt it where it was made.');
  const headerBytes = version === 2 ? HEADER_V2_BYTES : await inspectVersion3(source);
  await inspectExtensions(source, headerBytes, 2 ** clusterBits);
  return diskBytes(header.readBigUInt64BE(24));
}

/** How long the header is. */
async function inspectVersion3(source: ForeignBytes): Promise<number> {
  const header = await readHeader(source, 0, HEADER_V3_BYTES, 'header');
  const features = header.readBigUInt64BE(72);
  if ((features & EXTERNAL_DATA) !== 0n) throw refused('it has a data file, and an image may name no other file');
  if ((features & CORRUPT) !== 0n) throw refused('it says itself that it is corrupt', 'Repair it where it was made.');
  const unknown = features & ~KNOWN_FEATURES;
  if (unknown !== 0n) throw refused(`it needs features that are not known here (0x${unknown.toString(16)})`);
  return header.readUInt32BE(100);
}

async function inspectExtensions(source: ForeignBytes, headerBytes: number, clusterBytes: number): Promise<void> {
  let offset = headerBytes;
  for (let seen = 0; offset + 8 <= clusterBytes; seen++) {
    const extension = await readHeader(source, offset, 8, 'header extension');
    const type = extension.readUInt32BE(0);
    if (type === EXTENSION_END) return;
    if (type === EXTENSION_DATA_FILE) throw refused('it names a data file, and an image may name no other file');
    if (seen === EXTENSIONS_MAX) throw refused(`it has more than ${EXTENSIONS_MAX} header extensions`);
    offset += 8 + Math.ceil(extension.readUInt32BE(4) / 8) * 8;
  }
}
