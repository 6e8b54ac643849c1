// What a guest is told of itself by HTTP, as guests' software asks for it in other clouds: the tree of EC2's instance metadata and
// the file of OpenStack's, as far as something is known (EC2 user guide, "Instance metadata categories"; Nova, "Metadata
// service"). Each answer is one text of a few hundred bytes.
import { ipv4Text } from '@openflow/ofp';
import { ipv6Words } from '../../common/addresses/ipv6-address.ts';
import { xxh64 } from '../../common/xxhash.ts';
import type { GuestHost } from './guest-network.ts';

/** EC2's first and its newest, which cloud-init asks for, and any other day. */
const EC2_VERSIONS = ['2009-04-04', 'latest'];
const EC2_VERSION = /^(latest|\d{4}-\d{2}-\d{2})$/;
const OPENSTACK_VERSIONS = ['2012-08-10', 'latest'];
/** A request's method and target; the rest of it says nothing that changes the answer. */
const REQUEST_LINE = /^([A-Z]{3,7}) (\/[!-~]*) HTTP\/1\.[01]\r?\n/;
const BEGINS_REQUEST = /^[A-Z]{3,7} /;
const TOKEN_PATH = '/latest/api/token';
const REASONS = { 200: 'OK', 404: 'Not Found', 405: 'Method Not Allowed', 414: 'URI Too Long' } as const;

/** Who asks. */
export interface MetadataSubject {
  readonly host: GuestHost;
  /** Of its network. */
  readonly domain: string;
}

/** The whole response to what begins with a request; undefined of bytes that begin none. The connection ends with it. */
export function respond(subject: MetadataSubject, bytes: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  if (!BEGINS_REQUEST.test(text)) return undefined;
  const [, method = '', target = ''] = REQUEST_LINE.exec(text) ?? [];
  if (method === '') return response(414, '');
  const [path = ''] = target.split('?');
  // EC2's newer way asks for a word first and says it again in each request; anybody here may have it.
  if (path === TOKEN_PATH) return method === 'PUT' ? response(200, digestOf(subject)) : response(405, '');
  if (method !== 'GET' && method !== 'HEAD') return response(405, '');
  const body = bodyAt(subject, path);
  const whole = body === undefined ? response(404, '') : response(200, body);
  return method === 'HEAD' ? whole.subarray(0, whole.length - Buffer.byteLength(body ?? '')) : whole;
}

function bodyAt(subject: MetadataSubject, path: string): string | undefined {
  const steps = path.split('/').filter((step) => step !== '');
  const [first, second, ...rest] = steps;
  if (first === undefined) return EC2_VERSIONS.join('\n');
  if (first === 'openstack') return rest.length > 1 ? undefined : openStack(subject, second, rest[0]);
  if (!EC2_VERSION.test(first)) return undefined;
  if (second === undefined) return 'meta-data/';
  if (second !== 'meta-data' || rest.length > 1) return undefined;
  const items = ec2Items(subject);
  const [name] = rest;
  return name === undefined ? [...items.keys()].join('\n') : items.get(name);
}

function ec2Items({ host, domain }: MetadataSubject): ReadonlyMap<string, string> {
  const name = `${host.name}.${domain}`;
  const [address] = host.ipv4;
  const [address6] = host.ipv6;
  return new Map([
    ['hostname', name],
    ['instance-id', `i-${digestOf({ host, domain }).slice(0, 17)}`],
    ...(address6 === undefined ? [] : [['ipv6', ipv6Words(address6)] as const]),
    ['local-hostname', name],
    ...(address === undefined ? [] : [['local-ipv4', ipv4Text(address)] as const]),
    ['mac', host.mac],
  ]);
}

function openStack(
  subject: MetadataSubject,
  version: string | undefined,
  file: string | undefined,
): string | undefined {
  if (version === undefined) return OPENSTACK_VERSIONS.join('\n');
  if (!OPENSTACK_VERSIONS.includes(version)) return undefined;
  if (file === undefined) return 'meta_data.json';
  if (file !== 'meta_data.json') return undefined;
  const { host, domain } = subject;
  const id = { uuid: uuidOf(digestOf(subject)), name: host.name, hostname: `${host.name}.${domain}` };
  return JSON.stringify({ ...id, launch_index: 0 });
}

/** Of one VM the same wherever it is, and another one's for each other; 32 hexadecimal digits, secret to nobody. */
function digestOf({ host, domain }: MetadataSubject): string {
  const half = (which: 1 | 2): string =>
    xxh64(Buffer.from(`${which} ${domain} ${host.name} ${host.mac}`))
      .toString(16)
      .padStart(16, '0');
  return half(1) + half(2);
}

/** Of a kind of its own (RFC 9562, 5.8). */
function uuidOf(digest: string): string {
  const digits = `${digest.slice(0, 12)}8${digest.slice(13, 16)}8${digest.slice(17)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function response(status: keyof typeof REASONS, body: string): Uint8Array {
  const type = body.startsWith('{') ? 'application/json' : 'text/plain';
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    ...[`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', ''],
  ];
  return Buffer.from(head.join('\r\n') + body, 'latin1');
}
