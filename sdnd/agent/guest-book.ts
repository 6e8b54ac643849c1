// What a node's agent was told of its guests' networks, kept on its disk: guests are answered by it while the controller is
// away and after a restart of the agent (SOUNDNESS C9). Answers nothing itself.
import { ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import {
  type GuestNetworkPlan,
  GuestNews,
  type GuestSubnet as GuestSubnetPlan,
  type NetworkGuest,
  type NetworkStub,
} from '../../wire/contracts/guest-network.ts';
import { routedIpv6, routerIpv6Of } from '../forwarding/ipv6-addresses.ts';
import type {
  GuestHost,
  GuestNetwork,
  GuestPrefix,
  GuestServicePort,
  GuestSubnet,
  StubElsewhere,
} from '../guest-services/guest-network.ts';
import { GUEST_MTU_BYTES, SERVICE_MAC } from '../pipeline.ts';
import type { HostPort } from './host-ports.ts';

const CHECK = new SchemaCheck(GuestNews);
const NOTHING: GuestNews = { term: 0, revision: 0, networks: [] };

export class GuestBook {
  readonly #disk: Pick<Disk, 'replace'>;
  readonly #path: string;
  readonly #node: string;
  #news: GuestNews;

  private constructor(disk: Pick<Disk, 'replace'>, path: string, node: string, news: GuestNews) {
    this.#disk = disk;
    this.#path = path;
    this.#node = node;
    this.#news = news;
  }

  /** What was kept at a node. A file that is not there, or is damaged, is nothing: the controller tells it again. */
  static async open(disk: Pick<Disk, 'replace' | 'readWhole'>, path: string, node: string): Promise<GuestBook> {
    return new GuestBook(disk, path, node, (await readNews(disk, path)) ?? NOTHING);
  }

  /** Durable after the answer; the same again is nothing. One call at a time. @throws OperationError TERM_STALE */
  async keep(news: GuestNews): Promise<void> {
    const order = news.term - this.#news.term || news.revision - this.#news.revision;
    if (order === 0) return;
    if (order < 0) throw stale(news, this.#news);
    await this.#disk.replace(this.#path, new TextEncoder().encode(JSON.stringify(news)));
    this.#news = news;
  }

  /** What the services are to know, with those of the ports whose guests are known. */
  served(ports: readonly HostPort[]): { networks: GuestNetwork[]; ports: GuestServicePort[] } {
    const networks = this.#news.networks.map((network): GuestNetwork => {
      const { tenant, name, subnets, guests, stubs = [], egress, ipv6Addresses } = network;
      return {
        ...{ tenant, domain: `${name}.internal`, mtuBytes: GUEST_MTU_BYTES, serviceMac: SERVICE_MAC },
        subnets: subnets.map(subnetOf),
        ...(egress?.resolvers === undefined ? {} : { resolvers: egress.resolvers.map(ipv4) }),
        hosts: [...stubs.map(standIn), ...guests.map((guest) => hostOf(network, guest))],
        stubs: stubs.filter(({ nodes }) => !nodes.includes(this.#node)).map(elsewhere),
        prefixes: subnets.flatMap(prefixesOf),
        isIpv6Leased: ipv6Addresses === 'leased',
      };
    });
    return { networks, ports: ports.flatMap((port) => servicePorts(networks, port)) };
  }
}

async function readNews(disk: Pick<Disk, 'readWhole'>, path: string): Promise<GuestNews | undefined> {
  try {
    const news: unknown = JSON.parse(new TextDecoder().decode(await disk.readWhole(path)));
    return CHECK.accepts(news) ? news : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The router is where the services are. */
function subnetOf({ subnet, bits, services }: GuestSubnetPlan): GuestSubnet {
  return { subnet: ipv4(subnet), bits, services: ipv4(services), router: ipv4(services) };
}

function prefixesOf({ ipv6: prefix }: GuestSubnetPlan): GuestPrefix[] {
  return prefix === undefined ? [] : [{ prefix: ipv6(prefix), router: routerIpv6Of(prefix) }];
}

function hostOf(network: Pick<GuestNetworkPlan, 'subnets'>, guest: NetworkGuest): GuestHost {
  const { owner, mac, ip } = guest;
  const routed = routedIpv6(network, guest);
  return { name: owner, mac: ethAddress(mac), ipv4: [ipv4(ip)], ipv6: routed === undefined ? [] : [routed] };
}

/** A stub is found by its name, and is where the router is; a guest of that name comes before it. */
function standIn({ name, address }: NetworkStub): GuestHost {
  return { name, mac: SERVICE_MAC, ipv4: [ipv4(address)], ipv6: [] };
}

function elsewhere({ name, address, service }: NetworkStub): StubElsewhere {
  return { name, address: ipv4(address), ...(service !== undefined && { service }) };
}

// By owner and MAC address: a port that was made for a guest of other addresses is not that guest's.
function servicePorts(networks: readonly GuestNetwork[], { portNo, owner, mac }: HostPort): GuestServicePort[] {
  for (const { tenant, hosts } of networks) {
    const host = hosts.find((one) => one.name === owner && one.mac === ethAddress(mac));
    if (host !== undefined) return [{ portNo, tenant, host }];
  }
  return [];
}

function stale(news: GuestNews, kept: GuestNews): OperationError {
  return new OperationError(
    'TERM_STALE',
    `this node's agent was told of its guests under term ${kept.term}, revision ${kept.revision}, and does not go back to ${news.term}, ${news.revision}`,
  );
}
