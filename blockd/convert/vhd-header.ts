// The headers of VHD files (Microsoft, Virtual Hard Disk Image Format Specification) and VHDX files ([MS-VHDX]): taken
// when they are whole and have no parent.
import { diskBytes, type ForeignBytes, readHeader, refused } from './foreign-bytes.ts';

const FOOTER_BYTES = 512;
const COOKIE = 'conectix';
const FIXED = 2;
const DYNAMIC = 3;
const DIFFERENCING = 4;
const NAMES_ANOTHER = 'and an image may name no other file';

const REGION_TABLE_OFFSET = 192 * 1024;
const REGION_TABLE_BYTES = 64 * 1024;
/** [MS-VHDX] 2.2.3: a region table has at most 2,047 entries; 2.6.1: so has a metadata table. */
const ENTRIES_MAX = 2047;
const ENTRY_BYTES = 32;
const METADATA_TABLE_BYTES = 64 * 1024;
/** GUIDs as they lie in the file. */
const METADATA_REGION = '06a27c8b90479a4bb8fe575f050f886e';
const FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b';
const VIRTUAL_DISK_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8';
const PARENT_LOCATOR = '2d5fd3a80bb34d45abf7d3d84834ab0c';
const HAS_PARENT = 2;

/** The disk's bytes of a VHD. @throws OperationError IMAGE_REFUSED */
export async function inspectVhd(source: ForeignBytes): Promise<number> {
  const footer = await readHeader(source, source.bytes - FOOTER_BYTES, FOOTER_BYTES, 'footer');
  if (footer.toString('latin1', 0, 8) !== COOKIE) {
    throw refused('it has no VHD footer at its end', 'Fetch it again; it is cut off.');
  }
  const type = footer.readUInt32BE(60);
  if (type === DIFFERENCING) throw refused(`it is a differencing VHD, which has a parent, ${NAMES_ANOTHER}`);
  if (type !== FIXED && type !== DYNAMIC) throw refused(`it is a VHD of type ${type}; fixed and dynamic are taken`);
  const first = await source.read(0, FOOTER_BYTES);
  const hasCopy = first.toString('latin1', 0, 8) === COOKIE;
  if (hasCopy !== (type === DYNAMIC) || (hasCopy && !first.equals(footer))) {
    throw refused('its two footers do not agree');
  }
  return diskBytes(footer.readBigUInt64BE(48));
}

/** The disk's bytes of a VHDX. @throws OperationError IMAGE_REFUSED */
export async function inspectVhdx(source: ForeignBytes): Promise<number> {
  const regions = await readHeader(source, REGION_TABLE_OFFSET, REGION_TABLE_BYTES, 'region table');
  if (regions.toString('latin1', 0, 4) !== 'regi') throw refused('its region table is damaged');
  const at = entriesOf(regions, 16, regions.readUInt32LE(8)).get(METADATA_REGION)?.readBigUInt64LE(16);
  if (at === undefined) throw refused('it has no metadata');
  const metadata = await readHeader(source, Number(at), METADATA_TABLE_BYTES, 'metadata');
  if (metadata.toString('latin1', 0, 8) !== 'metadata') throw refused('its metadata are damaged');
  const items = entriesOf(metadata, 32, metadata.readUInt16LE(10));
  if (items.has(PARENT_LOCATOR)) throw refused(`it has a parent, ${NAMES_ANOTHER}`);
  const item = (guid: string, what: string): Promise<Buffer> => {
    const place = items.get(guid)?.readUInt32LE(16);
    if (place === undefined) throw refused(`its ${what} is missing`);
    return readHeader(source, Number(at) + place, 8, what);
  };
  const parameters = await item(FILE_PARAMETERS, 'list of file parameters');
  if ((parameters.readUInt32LE(4) & HAS_PARENT) !== 0) throw refused(`it has a parent, ${NAMES_ANOTHER}`);
  return diskBytes((await item(VIRTUAL_DISK_SIZE, 'disk size')).readBigUInt64LE(0));
}

/** Entries of a table by their GUID. */
function entriesOf(table: Buffer, first: number, count: number): Map<string, Buffer> {
  if (count > ENTRIES_MAX || first + count * ENTRY_BYTES > table.length) throw refused(`a table has ${count} entries`);
  const entries = new Map<string, Buffer>();
  for (let index = 0; index < count; index++) {
    const entry = table.subarray(first + index * ENTRY_BYTES, first + (index + 1) * ENTRY_BYTES);
    entries.set(entry.toString('hex', 0, 16), entry);
  }
  return entries;
}
