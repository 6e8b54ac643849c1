// The frames by which a lone controller finds how switches are wired: sent out of every port, reported by whichever switch
// they reach. What is told of a port is a number drawn for it in this round, which nobody knows who does not hear it there, so
// that no host can make up a link between other ports. Plain switches in between pass them on like any multicast.
//
//  offset  bytes  what
//  0       6      destination, 03:53:43:00:00:02    6  6  source, 02:53:43:00:00:03
//  12      2      Ethernet type 0x88b5 (IEEE 802, local experimental 1)
//  14      4      'SCL1'
//  18      6      the number
//  24      8      datapath id                       32 4  port number: for who looks on, never read
//  36             zeros up to 60
import { ethAddress } from '@openflow/ofp';

export const PROBE_ETHER_TYPE = 0x88b5;
export const PROBE_DESTINATION = ethAddress('03:53:43:00:00:02');
const MAGIC = 0x53434c31;
/** The shortest frame of Ethernet. */
const FRAME_BYTES = 60;
/** How many numbers there are. */
export const PROBE_NUMBERS = 2 ** 48;
const HEAD = Uint8Array.of(0x03, 0x53, 0x43, 0, 0, 2, 0x02, 0x53, 0x43, 0, 0, 3, 0x88, 0xb5);

/** A frame that tells the number, 0 to 2^48 - 1. */
export function encodePortProbe(number: number, datapathId: bigint, portNo: number): Uint8Array {
  const frame = new Uint8Array(FRAME_BYTES);
  const view = new DataView(frame.buffer);
  frame.set(HEAD);
  view.setUint32(14, MAGIC);
  view.setUint16(18, Math.floor(number / 2 ** 32));
  view.setUint32(20, number >>> 0);
  view.setBigUint64(24, datapathId);
  view.setUint32(32, portNo);
  return frame;
}

/** The number; undefined for everything that is no probe. */
export function decodePortProbe(frame: Uint8Array): number | undefined {
  if (frame.length < 24 || frame[12] !== 0x88 || frame[13] !== 0xb5 || frame[0] !== 0x03) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint32(14) !== MAGIC) return undefined;
  return view.getUint16(18) * 2 ** 32 + view.getUint32(20);
}
