// The two messages that a controller is busy with, as bytes at their place: a pair's entry and a frame that is sent. Each is a
// copy of what the codec made once, with its numbers put in; whether that is what the codec would make now is a test.
import { encode, output, packetOut } from '@openflow/ofp';
import { hopMod } from './lone-flows.ts';
import { MeshSwitch } from './mesh-switch.ts';
import type { Hop } from './path.ts';

const NOWHERE: Hop = { at: new MeshSwitch(0n), inPort: 1, outPort: 2, from: 0, to: 0 };
const ENTRY = encode(hopMod(NOWHERE), 0);
const FRAME = encode(packetOut(new Uint8Array(0), [output(1)]), 0);
export const ENTRY_BYTES = ENTRY.length;
/** Of a packet-out before its frame. */
export const FRAME_HEAD_BYTES = FRAME.length;
/** Where in a message what lies (OpenFlow 1.3.5, 7.1, 7.2.3, 7.2.5, 7.3.4.1, 7.3.7). */
const AT = { length: 2, xid: 4 } as const;
const ENTRY_AT = { buffer: 32, inPort: 56, to: 64, from: 74, outPort: 92 } as const;
const FRAME_AT = { inPort: 12, outPort: 28 } as const;

/** Writes the flow-mod of a pair's entry; `outPort` is the action's, which may be OFPP_IN_PORT. */
export function writeEntry(into: Buffer, at: number, xid: number, hop: Omit<Hop, 'at'>, bufferId: number): void {
  into.set(ENTRY, at);
  put32(into, at + AT.xid, xid);
  put32(into, at + ENTRY_AT.buffer, bufferId);
  put32(into, at + ENTRY_AT.inPort, hop.inPort);
  putMac(into, at + ENTRY_AT.to, hop.to);
  putMac(into, at + ENTRY_AT.from, hop.from);
  put32(into, at + ENTRY_AT.outPort, hop.outPort);
}

/** Writes the packet-out of a frame that lies in no buffer. */
export function writeFrame(
  into: Buffer,
  at: number,
  xid: number,
  data: Uint8Array,
  way: Pick<Hop, 'inPort' | 'outPort'>,
): void {
  into.set(FRAME, at);
  const bytes = FRAME_HEAD_BYTES + data.length;
  into[at + AT.length] = bytes >>> 8;
  into[at + AT.length + 1] = bytes;
  put32(into, at + AT.xid, xid);
  put32(into, at + FRAME_AT.inPort, way.inPort);
  put32(into, at + FRAME_AT.outPort, way.outPort);
  into.set(data, at + FRAME_HEAD_BYTES);
}

function put32(into: Buffer, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

function putMac(into: Buffer, at: number, mac: number): void {
  const high = Math.floor(mac / 2 ** 32);
  into[at] = high >>> 8;
  into[at + 1] = high;
  put32(into, at + 2, mac >>> 0);
}
