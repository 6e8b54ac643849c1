// Finds the one disk inside an OVA: a tar of an OVF description and the disks that it names (DMTF DSP0243). Nothing is
// unpacked: the disk is read where it lies, and no name in the archive is ever a path.
import { Header } from 'tar';
import { messageOf } from '../../common/errors.ts';
import { type ForeignBytes, refused } from './foreign-bytes.ts';

const RECORD_BYTES = 512;
/** An OVA has a description, a manifest, a certificate and its disks. */
const MEMBERS_MAX = 64;
/** A description of many machines has some 100 kB. */
const OVF_BYTES_MAX = 4 * 2 ** 20;
const FILE_NAME = /^(?!\.)[^/\\\0]{1,100}$/;

interface Member {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** The bytes of the archive's disk. @throws OperationError IMAGE_REFUSED */
export async function diskInOva(archive: ForeignBytes): Promise<ForeignBytes> {
  const members = await listMembers(archive);
  const description = members.find(({ name }) => name.endsWith('.ovf'));
  if (description === undefined) throw refused('it is a tar without an OVF description');
  if (description.bytes > OVF_BYTES_MAX) throw refused(`its OVF description has ${description.bytes} bytes`);
  const names = diskNames((await archive.read(description.offset, description.bytes)).toString('utf8'));
  const [name] = names;
  if (name === undefined) throw refused('its OVF description names no disk');
  if (names.length > 1) {
    throw refused(`it has ${names.length} disks (${names.join(', ')}), and an image is one`, 'Unpack it with tar.');
  }
  const disk = members.find((member) => member.name === name);
  if (disk === undefined) throw refused(`its OVF description names ${JSON.stringify(name)}, which is not in it`);
  return partOf(archive, disk);
}

async function listMembers(archive: ForeignBytes): Promise<Member[]> {
  const members: Member[] = [];
  for (let offset = 0; offset + RECORD_BYTES <= archive.bytes; ) {
    const member = memberAt(await archive.read(offset, RECORD_BYTES), offset);
    if (member === undefined) break;
    if (member.offset + member.bytes > archive.bytes) {
      throw refused(`${member.name} in it ends beyond the archive's end`, 'Fetch it again; it is cut off.');
    }
    if (members.push(member) > MEMBERS_MAX) throw refused(`it has more than ${MEMBERS_MAX} files`);
    offset = member.offset + Math.ceil(member.bytes / RECORD_BYTES) * RECORD_BYTES;
  }
  return members;
}

/** The member whose header this is; undefined at the archive's end. */
function memberAt(record: Buffer, offset: number): Member | undefined {
  if (record.every((byte) => byte === 0)) return undefined;
  const { cksumValid, type, path = '', size = -1 } = headerOf(record, offset);
  if (!cksumValid) throw refused(`its tar header at ${offset} is damaged`);
  if (type !== 'File' && type !== 'OldFile') throw refused(`${JSON.stringify(path)} in it is a ${type}, not a file`);
  if (!FILE_NAME.test(path)) throw refused(`${JSON.stringify(path)} in it is not a plain file name`);
  if (!Number.isSafeInteger(size) || size < 0) throw refused(`${path} in it has ${size} bytes`);
  return { name: path, offset: offset + RECORD_BYTES, bytes: size };
}

function headerOf(record: Buffer, offset: number): Header {
  try {
    return new Header(record, 0);
  } catch (error) {
    throw refused(`its tar header at ${offset} is damaged (${messageOf(error)})`);
  }
}

/** The files of the disks that the description lists. A wrong reading can only choose another member of the archive. */
function diskNames(ovf: string): string[] {
  const text = withoutComments(ovf);
  const files = new Map(tagsOf(text, 'File').map((tag) => [attribute(tag, 'id'), attribute(tag, 'href')]));
  const references = tagsOf(text, 'Disk').map((tag) => attribute(tag, 'fileRef'));
  return references.flatMap((reference) => (reference === undefined ? [] : (files.get(reference) ?? [])));
}

/** Steps grow with the text alone: this daemon's disks wait for it, and the text is a stranger's. */
function withoutComments(text: string): string {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    const begin = text.indexOf('<!--', at);
    const end = begin < 0 ? -1 : text.indexOf('-->', begin + '<!--'.length);
    if (end < 0) return parts.concat(text.slice(at)).join('');
    parts.push(text.slice(at, begin));
    at = end + '-->'.length;
  }
}

/** XML has no `<` within a tag, so no search for a tag's end goes beyond the next one. */
function tagsOf(text: string, tag: string): string[] {
  return text.match(new RegExp(`<(?:[\\w-]+:)?${tag}\\s[^<>]*>`, 'g')) ?? [];
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\s(?:[\\w-]+:)?${name}\\s*=\\s*["']([^"']*)["']`).exec(tag)?.[1];
}

function partOf(archive: ForeignBytes, { offset, bytes }: Member): ForeignBytes {
  return {
    bytes,
    read: (at, length) => archive.read(offset + at, Math.max(0, Math.min(length, bytes - at))),
  };
}
