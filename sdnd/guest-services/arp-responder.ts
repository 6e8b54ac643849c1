// Answers ARP requests of a guest for everyone whom its network knows, so that none is ever flooded. Silent for the guest's
// own address: who asks for it wants to hear of another owner (RFC 5227, 2.1.1), and there is none.
import { ArpOperation, decodeArp, encodeArp } from '../packets/arp.ts';
import { EtherType } from '../packets/ethernet.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER, refusal } from './answers.ts';

/** A probe for an address (RFC 5227) comes from none. */
const UNSPECIFIED = 0;

/** @throws BadPacket */
export function answerArp(asker: Asker, bytes: Uint8Array): Answer {
  const { host, directory } = asker;
  const { operation, senderMac, senderIp, targetIp } = decodeArp(bytes);
  if (senderMac !== host.mac) return refusal(asker, 'not-own-mac');
  if (senderIp !== UNSPECIFIED && !host.ipv4.includes(senderIp)) return refusal(asker, 'not-own-address');
  const mac = directory.macOf(targetIp);
  if (operation !== ArpOperation.request || mac === undefined || host.ipv4.includes(targetIp)) return NO_ANSWER;
  const reply = encodeArp({
    operation: ArpOperation.reply,
    senderMac: mac,
    senderIp: targetIp,
    targetMac: host.mac,
    targetIp: senderIp,
  });
  return { frames: [frameFor(asker, host.mac, EtherType.arp, reply)], events: [] };
}
