// Answers a guest's questions of DNS for its own network (RFC 1035): VMs by name, names by address, and with authority that
// there is none (RFC 2308). Other names are refused: whoever is asked for them is a name server of its own (`lease-options.ts`).

import { ipv4Text, ipv6Text } from '@openflow/ofp';
import type { Question, StringAnswer } from 'dns-packet';
import { type DnsAnswer, type DnsQuery, decodeDnsQuery, encodeDnsAnswer } from './dns-message.ts';
import { type GuestHost, type NetworkDirectory, subnetAround } from './guest-network.ts';
import { addressOfReverse } from './zone-names.ts';

/** A binding changes with its VM's life, not with its moves; an address that was taken away is asked for again soon. */
const TTL_S = 30;

/** What was found for a question. */
interface Finding {
  readonly rcode: DnsAnswer['rcode'];
  /** The zone of this network that the name is in: the answer has authority. */
  readonly zone?: string;
  readonly answers?: readonly StringAnswer[];
}

export interface DnsReply {
  readonly payload: Uint8Array;
  /** The question, where its name is outside of the network. */
  readonly beyond?: Question;
}

/** What is answered to the payload of a datagram; undefined: nothing, since it is an answer itself or no DNS at all. */
export function answerDns(directory: NetworkDirectory, payload: Uint8Array): DnsReply | undefined {
  const decoded = decodeDnsQuery(payload);
  if (decoded === undefined) return undefined;
  const { query, rcode } = decoded;
  if (rcode !== undefined || query.question === undefined)
    return { payload: encodeDnsAnswer(query, { rcode: rcode ?? 'format-error', answers: [] }) };
  const { question } = query;
  const { zone, answers = [], rcode: found } = find(directory, query, question);
  const reply = { payload: encodeDnsAnswer(query, { rcode: found, answers, ...(zone === undefined ? {} : { zone }) }) };
  return found === 'refused' ? { ...reply, beyond: question } : reply;
}

function find(directory: NetworkDirectory, { isInternet }: DnsQuery, question: Question): Finding {
  const { domain } = directory.network;
  const name = question.name.toLowerCase();
  if (!isInternet) return { rcode: 'refused' };
  const address = addressOfReverse(name);
  if (address !== undefined) return findName(directory, address, question);
  if (name === domain) return { rcode: 'none', zone: domain };
  if (!name.endsWith(`.${domain}`)) return { rcode: 'refused' };
  const host = directory.hostNamed(name.slice(0, -domain.length - 1));
  if (host === undefined) return { rcode: 'no-such-name', zone: domain };
  return { rcode: 'none', zone: domain, answers: addressRecords(host, question) };
}

/** One kind of record is enough for who asks for any (RFC 8482). */
function addressRecords(host: GuestHost, { name, type: asked }: Question): StringAnswer[] {
  const type: string = asked;
  const record = (kind: 'A' | 'AAAA', data: string): StringAnswer => ({ type: kind, name, ttl: TTL_S, data });
  const isForAny = type === 'ANY';
  const four = host.ipv4.map((address) => record('A', ipv4Text(address)));
  const six = host.ipv6.map((address) => record('AAAA', ipv6Text(address)));
  if (type === 'A' || (isForAny && four.length > 0)) return four;
  return type === 'AAAA' || isForAny ? six : [];
}

/** Addresses of the network's own prefixes are its zone; of others it knows nothing. */
function findName(directory: NetworkDirectory, address: number | bigint, { name, type: asked }: Question): Finding {
  const type: string = asked;
  const zone = zoneOf(directory, address);
  if (zone === undefined) return { rcode: 'refused' };
  const label = directory.nameOf(address);
  if (label === undefined) return { rcode: 'no-such-name', zone };
  const answer = { type: 'PTR' as const, name, ttl: TTL_S, data: `${label}.${directory.network.domain}` };
  return { rcode: 'none', zone, answers: type === 'PTR' || type === 'ANY' ? [answer] : [] };
}

function zoneOf({ network }: NetworkDirectory, address: number | bigint): string | undefined {
  if (typeof address === 'bigint') {
    const own = network.prefixes.find(({ prefix }) => prefix >> 64n === address >> 64n);
    if (own === undefined) return undefined;
    const digits = (own.prefix >> 64n).toString(16).padStart(16, '0');
    return `${[...digits].reverse().join('.')}.ip6.arpa`;
  }
  const subnet = subnetAround(network, address);
  if (subnet === undefined) return undefined;
  const octets = ipv4Text(subnet.subnet)
    .split('.')
    .slice(0, Math.floor(subnet.bits / 8));
  return `${octets.reverse().concat('in-addr').join('.')}.arpa`;
}
