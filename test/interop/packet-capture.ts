// A packet capture of messages on one TCP connection, each in a packet of its own, as a file for tshark (pcap, RFC draft
// gharris-opsawg-pcap: little-endian, link type 101 for bare IP).
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const IP_HEADER_BYTES = 20;
const TCP_HEADER_BYTES = 20;

/** The port of OpenFlow controllers (OpenFlow 1.3.5, 6.3.3). */
export const OPENFLOW_PORT = 6653;

function fileHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 0x40000, true);
  view.setUint32(20, 101, true);
  return new Uint8Array(view.buffer);
}

/** Record, IPv4 and TCP headers, checksums left out, and the message. */
function packet(message: Uint8Array, sequence: number): Uint8Array {
  const bytes = IP_HEADER_BYTES + TCP_HEADER_BYTES + message.length;
  const view = new DataView(new ArrayBuffer(RECORD_HEADER_BYTES + bytes));
  view.setUint32(8, bytes, true);
  view.setUint32(12, bytes, true);
  const ip = RECORD_HEADER_BYTES;
  view.setUint16(ip, 0x4500);
  view.setUint16(ip + 2, bytes);
  view.setUint16(ip + 8, 0x4006);
  view.setUint32(ip + 12, 0x7f000001);
  view.setUint32(ip + 16, 0x7f000002);
  const tcp = ip + IP_HEADER_BYTES;
  view.setUint16(tcp, 40_000);
  view.setUint16(tcp + 2, OPENFLOW_PORT);
  view.setUint32(tcp + 4, sequence);
  view.setUint16(tcp + 12, 0x5018);
  view.setUint16(tcp + 14, 0xffff);
  const all = new Uint8Array(view.buffer);
  all.set(message, tcp + TCP_HEADER_BYTES);
  return all;
}

export function capture(messages: readonly Uint8Array[]): Uint8Array {
  let sequence = 1;
  const packets = messages.map((message) => {
    const made = packet(message, sequence);
    sequence += message.length;
    return made;
  });
  return Buffer.concat([fileHeader(), ...packets]);
}
