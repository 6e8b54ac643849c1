// The connections of one zone out of the text of `dpctl/dump-conntrack` (ovs-dpctl(8)). Pure.
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import { TURNED } from './policy-flows.ts';

/** States of a TCP connection that is over; the names are Open vSwitch's. */
const OVER = new Set(['CLOSED', 'CLOSING', 'LAST_ACK', 'TIME_WAIT']);
const LINE = /^(tcp|udp),orig=\(src=([^,]+),dst=([^,]+),sport=(\d+),dport=(\d+)\),.*?,zone=(\d+)(.*)$/;

/** Those of TCP and UDP that are not over, each from the end that opened it, and how many more there were than `most`. */
export function connectionsIn(
  dump: string,
  zone: number,
  most: number,
): { connections: GuestConnection[]; left: number } {
  const all = dump.split('\n').flatMap((line) => connectionOf(line, zone) ?? []);
  return { connections: all.slice(0, most), left: Math.max(0, all.length - most) };
}

function connectionOf(line: string, zone: number): GuestConnection | undefined {
  const [, protocol, source, destination, sourcePort, destinationPort, lineZone, rest = ''] = LINE.exec(line) ?? [];
  if (protocol === undefined || source === undefined || destination === undefined || Number(lineZone) !== zone) return;
  const tcpState = /state=([A-Z_0-9]+)/.exec(rest)?.[1];
  if (tcpState !== undefined && OVER.has(tcpState)) return;
  const [first, second] = [
    { address: source, port: Number(sourcePort) },
    { address: destination, port: Number(destinationPort) },
  ];
  const isTurned = Number(/,mark=(\d+)/.exec(rest)?.[1] ?? 0) === TURNED;
  const [from, to] = isTurned ? [second, first] : [first, second];
  return { protocol: protocol === 'tcp' ? 'tcp' : 'udp', from, to };
}
