// Frames of the simulation's hosts, and its ports as a switch describes them. Not a test itself.
import { type Port, PortState } from '@openflow/ofp';
import { ethOf } from '../../../../sdnd/alone/host-table.ts';
import type { SimSwitch } from './mesh-world.ts';
import type { FrameHead } from './sim-datapath.ts';

const FRAME_BYTES = 60;
export const HOST_ETHER_TYPE = 0x0800;

/** A frame with a number of its own. */
export function frameOf(from: number, to: number, number: number): Uint8Array {
  const frame = new Uint8Array(FRAME_BYTES);
  const view = new DataView(frame.buffer);
  for (const [at, mac] of [[0, to] as const, [6, from] as const]) {
    view.setUint16(at, Math.floor(mac / 2 ** 32));
    view.setUint32(at + 2, mac >>> 0);
  }
  view.setUint16(12, HOST_ETHER_TYPE);
  view.setUint32(14, number);
  return frame;
}

export function nextPort(one: SimSwitch, more = 0): number {
  return Math.max(0, ...one.ports.keys()) + 1 + more;
}

export function portDesc(one: SimSwitch, portNo: number): Port {
  const isUp = one.ports.get(portNo)?.isUp === true;
  const speeds = { current: 0, advertised: 0, supported: 0, peer: 0, currentKbps: 0, maxKbps: 0 };
  return {
    portNo,
    hwAddress: ethOf(portNo),
    name: `p${portNo}`,
    config: 0,
    state: isUp ? 0 : PortState.linkDown,
    ...speeds,
  };
}

export function numberOf(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(14);
}

export function headOf(data: Uint8Array): FrameHead {
  const hex = Buffer.from(data.buffer, data.byteOffset, 14).toString('hex');
  const eth = (at: number): string => hex.slice(at, at + 12).replace(/(..)(?=.)/g, '$1:');
  return { ethDst: eth(0), ethSrc: eth(12), ethType: Number.parseInt(hex.slice(24), 16) };
}
