// Disk files for tests of conversions: some honest, most hostile, made by hand. Not a test itself.

const MIB = 2 ** 20;
const SECTOR = 512;

/** A qcow2 header of version 3 and a table of one empty cluster; the file it names follows the header. */
export function qcow2(change: { backing?: string; features?: bigint; dataFile?: string; bytes?: bigint } = {}): Buffer {
  const file = Buffer.alloc(4 * 65536);
  file.write('QFI\xfb', 'latin1');
  file.writeUInt32BE(3, 4);
  file.writeUInt32BE(16, 20);
  file.writeBigUInt64BE(change.bytes ?? BigInt(MIB), 24);
  file.writeUInt32BE(1, 36);
  file.writeBigUInt64BE(3n * 65536n, 40);
  file.writeBigUInt64BE(65536n, 48);
  file.writeUInt32BE(1, 56);
  file.writeBigUInt64BE(change.features ?? 0n, 72);
  file.writeUInt32BE(4, 96);
  file.writeUInt32BE(104, 100);
  if (change.dataFile !== undefined) {
    file.writeUInt32BE(0x44415441, 104);
    file.writeUInt32BE(change.dataFile.length, 108);
    file.write(change.dataFile, 112);
  }
  if (change.backing !== undefined) {
    file.writeBigUInt64BE(512n, 8);
    file.writeUInt32BE(change.backing.length, 16);
    file.write(change.backing, 512);
  }
  file.writeBigUInt64BE(2n * 65536n, 65536);
  for (let cluster = 0; cluster < 4; cluster++) file.writeUInt16BE(1, 2 * 65536 + 2 * cluster);
  return file;
}

/** The descriptor of a disk whose extent is another file. */
export function vmdkDescriptor(extent: string, parent = ''): string {
  const lines = ['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'parentCID=ffffffff'];
  return [...lines, 'createType="monolithicFlat"', parent, `RW 2 FLAT "${extent}" 0`, ''].join('\n');
}

/** A sparse VMDK with that descriptor in it; with no capacity it is only a wrapping of it. */
export function vmdk(descriptor: string, capacity = 2048n): Buffer {
  const file = Buffer.alloc(64 * 1024);
  file.write('KDMV');
  file.writeUInt32LE(1, 4);
  file.writeUInt32LE(3, 8);
  file.writeBigUInt64LE(capacity, 12);
  file.writeBigUInt64LE(128n, 20);
  file.writeBigUInt64LE(1n, 28);
  file.writeBigUInt64LE(20n, 36);
  file.writeUInt32LE(512, 44);
  file.writeBigUInt64LE(32n, 48);
  file.writeBigUInt64LE(64n, 56);
  file.write(descriptor, SECTOR);
  return file;
}

/** A VHD's footer. */
export function vhdFooter(type: number, bytes = BigInt(MIB)): Buffer {
  const footer = Buffer.alloc(SECTOR);
  footer.write('conectix');
  footer.writeBigUInt64BE(bytes, 48);
  footer.writeUInt32BE(type, 60);
  return footer;
}

/** A tar of these files, by their names. `type` is the tar's: 0 a file, 2 a symbolic link. */
export function tar(
  files: readonly { readonly name: string; readonly bytes: Buffer; readonly type?: string }[],
): Buffer {
  const parts = files.flatMap(({ name, bytes, type = '0' }) => {
    const header = Buffer.alloc(SECTOR);
    header.write(name);
    header.write('0000644\x000000000\x000000000\0', 100);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0        ', 136);
    header.write(type, 156);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc(-bytes.length & (SECTOR - 1))];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * SECTOR)]);
}

/** An OVF description of disks in these files. */
export function ovf(...names: readonly string[]): Buffer {
  const files = names.map((name, index) => `<File ovf:href="${name}" ovf:id="file${index}"/>`);
  const disks = names.map((_, index) => `<Disk ovf:diskId="disk${index}" ovf:fileRef="file${index}"/>`);
  const inner = `<References>${files.join('')}</References><DiskSection>${disks.join('')}</DiskSection>`;
  return Buffer.from(
    `<?xml version="1.0"?><Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">${inner}</Envelope>`,
  );
}
