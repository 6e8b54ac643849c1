// Messages of DNS for a server that answers with authority or not at all: strict about what came before the library
// `dns-packet` reads it, since that takes labels with dots in them and as many records as a header promises.
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type OptAnswer,
  type Question,
  RECURSION_DESIRED,
  type StringAnswer,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { OctetReader } from '../packets/octets.ts';

const HEADER_BYTES = 12;
const RESPONSE_BIT = 0x8000;
const OPCODE_BITS = 0x7800;
/** Of a client that says nothing of EDNS (RFC 1035, 4.2.1). */
const PLAIN_BYTES_MAX = 512;
/** What goes through every path in one piece, below the guest MTU too. */
const EDNS_BYTES_MAX = 1232;
/** A question, and what EDNS may put beside it. */
const QUERY_BYTES_MAX = 1232;
/** How long it may be believed that there is no such name (RFC 2308). */
const NEGATIVE_TTL_S = 5;

/** RFC 1035 4.1.1; BADVERS (RFC 6891) has its upper bits in the OPT record. */
const RCODES = {
  none: 0,
  'format-error': 1,
  'no-such-name': 3,
  'not-implemented': 4,
  refused: 5,
  'bad-version': 16,
} as const;
export type DnsRcode = keyof typeof RCODES;

export interface DnsQuery {
  readonly id: number;
  /** As the query's header has it, to be said again. */
  readonly opcodeBits: number;
  readonly isRecursive: boolean;
  /** Absent where it cannot be read. */
  readonly question?: Question;
  readonly isInternet: boolean;
  /** The client speaks EDNS and takes so many bytes. */
  readonly ednsBytes?: number;
}

/** A query, and why it cannot be answered if that is so; undefined: it asks nothing. */
export interface DecodedQuery {
  readonly query: DnsQuery;
  readonly rcode?: DnsRcode;
}

/** Never throws: what cannot be read is answered with an error, once it is long enough to have an id. */
export function decodeDnsQuery(payload: Uint8Array): DecodedQuery | undefined {
  if (payload.length < HEADER_BYTES) return undefined;
  const header = new OctetReader('dns', payload);
  const id = header.u16();
  const flags = header.u16();
  if ((flags & RESPONSE_BIT) !== 0) return undefined;
  const opcodeBits = flags & OPCODE_BITS;
  const query = { id, opcodeBits, isRecursive: (flags & RECURSION_DESIRED) !== 0, isInternet: false };
  if (opcodeBits !== 0) return { query, rcode: 'not-implemented' };
  const isOneQuestion = header.u16() === 1 && header.u16() === 0 && header.u16() === 0 && header.u16() <= 1;
  if (!isOneQuestion || payload.length > QUERY_BYTES_MAX) return { query, rcode: 'format-error' };
  return decodeQuestion(query, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
}

function decodeQuestion(query: DnsQuery, payload: Buffer): DecodedQuery {
  try {
    const { questions: [question] = [], additionals: [additional] = [] } = decode(payload);
    if (question === undefined || !isSaidAgain(question, payload)) return { query, rcode: 'format-error' };
    const known = { ...query, question, isInternet: question.class === 'IN' };
    if (additional === undefined) return { query: known };
    if (!isOpt(additional) || additional.name !== '.') return { query: known, rcode: 'format-error' };
    const ednsBytes = Math.min(Math.max(additional.udpPayloadSize, PLAIN_BYTES_MAX), EDNS_BYTES_MAX);
    const rcode: { rcode?: DnsRcode } = additional.ednsVersion === 0 ? {} : { rcode: 'bad-version' };
    return { query: { ...known, ednsBytes }, ...rcode };
  } catch {
    // The library throws plain errors, all of them about what it was given.
    return { query, rcode: 'format-error' };
  }
}

function isOpt(answer: Answer): answer is OptAnswer {
  return answer.type === 'OPT';
}

/** Whether the question is written as it was read: so it is without pointers, dots in labels and what is no text. */
function isSaidAgain(question: Question, payload: Buffer): boolean {
  const again = encode({ type: 'query', questions: [question] });
  // The library knows no number of a class that it has no name for.
  const isOddClass = String(question.class).startsWith('UNKNOWN');
  const end = again.length - (isOddClass ? 2 : 0);
  return again.subarray(HEADER_BYTES, end).equals(payload.subarray(HEADER_BYTES, end));
}

export interface DnsAnswer {
  readonly rcode: DnsRcode;
  readonly answers: readonly StringAnswer[];
  /** With authority over this zone; its SOA is said where there is no answer (RFC 2308). */
  readonly zone?: string;
}

/** The answer as it is sent; one that the client would not take whole says so and has no records. */
export function encodeDnsAnswer(query: DnsQuery, answer: DnsAnswer): Uint8Array {
  const whole = encodeWhole(query, answer, 0);
  if (whole.length <= (query.ednsBytes ?? PLAIN_BYTES_MAX)) return whole;
  return encodeWhole(query, { ...answer, answers: [] }, TRUNCATED_RESPONSE);
}

function encodeWhole(query: DnsQuery, { rcode, answers, zone }: DnsAnswer, truncated: number): Uint8Array {
  const number = RCODES[rcode];
  const authority = zone === undefined ? 0 : AUTHORITATIVE_ANSWER;
  const recursion = query.isRecursive ? RECURSION_DESIRED : 0;
  const isEmpty = answers.length === 0 && truncated === 0;
  return encode({
    type: 'response',
    id: query.id,
    flags: query.opcodeBits | authority | truncated | recursion | (number & 0xf),
    questions: query.question === undefined ? [] : [query.question],
    answers: [...answers],
    authorities: zone === undefined || !isEmpty ? [] : [startOfAuthority(zone)],
    additionals: query.ednsBytes === undefined ? [] : [opt(number)],
  });
}

function startOfAuthority(zone: string): Answer {
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: NEGATIVE_TTL_S };
  const data = { mname: zone, rname: `nobody.${zone}`, ...times };
  return { type: 'SOA', name: zone, ttl: NEGATIVE_TTL_S, data };
}

function opt(rcode: number): OptAnswer {
  const common = { type: 'OPT', name: '.', flags: 0, flag_do: false, ednsVersion: 0, options: [] } as const;
  return { ...common, options: [], udpPayloadSize: EDNS_BYTES_MAX, extendedRcode: rcode >> 4 };
}
