// What a node's services know of one tenant's network, as its agent has it cached: who is in it and by which addresses. A
// value that is looked into, never changed: news makes a new one.
import { type EthAddress, ipv4 } from '@openflow/ofp';
import { isInRange } from '../../common/addresses/ipv4-subnet.ts';
import { linkLocalOf } from '../packets/ipv6.ts';

/** Where guests everywhere ask for what their cloud knows of them. */
export const METADATA_IPV4 = ipv4('169.254.169.254');
/** Per host and family: an answer of DNS with all of them goes into the 1232 bytes that resolvers take. */
const ADDRESSES_MAX = 12;
const INTERFACE_BITS = 64n;

/** One VM of a network. The addresses are the orchestrator's: the guest is told them, and chooses none. */
export interface GuestHost {
  /** One label of DNS, lower case. */
  readonly name: string;
  readonly mac: EthAddress;
  /** The first is leased by DHCP. At most `ADDRESSES_MAX`. */
  readonly ipv4: readonly number[];
  /** At most `ADDRESSES_MAX`, without link-local ones. */
  readonly ipv6: readonly bigint[];
}

/** Addresses of guests that reach each other without a router. */
export interface GuestSubnet {
  /** The lowest of them. */
  readonly subnet: number;
  readonly bits: number;
  /** Where DHCP and DNS answer; of the subnet, and no VM's. */
  readonly services: number;
  readonly router?: number;
}

/** An address that stands for a resource which is not at this node, or one port of that address. */
export interface StubElsewhere {
  readonly name: string;
  readonly address: number;
  /** Absent: whatever is sent to the address. */
  readonly service?: { readonly protocol: 'tcp' | 'udp'; readonly port: number };
}

/** IPv6 addresses of guests that reach each other without a router. */
export interface GuestPrefix {
  /** The lowest of them; of 64 bits, which hosts expect (RFC 4291, 2.5.1). */
  readonly prefix: bigint;
  readonly router?: bigint;
}

/** One tenant's network. */
export interface GuestNetwork {
  readonly tenant: number;
  /** The names of its VMs are right below it, and it is searched: 'tenant.internal', lower case. */
  readonly domain: string;
  /** The one guest MTU of the cluster (SOUNDNESS C6). */
  readonly mtuBytes: number;
  /**
   * Of the services and of the router, the same at every node, so that a guest that has moved finds them where it left
   * them. Their IPv6 address is the link-local one that follows from it.
   */
  readonly serviceMac: EthAddress;
  /** None: the network has no IPv4. */
  readonly subnets: readonly GuestSubnet[];
  /** Who is asked for names outside, beside the services. Absent: nobody. */
  readonly resolvers?: readonly number[];
  /** None: of IPv6 it has link-local addresses alone. */
  readonly prefixes: readonly GuestPrefix[];
  /** Guests are told to have their IPv6 address from the services, and to form none. Absent: they form it. */
  readonly isIpv6Leased?: boolean;
  readonly hosts: readonly GuestHost[];
  /** Absent: none. */
  readonly stubs?: readonly StubElsewhere[];
}

/** A guest's port at this node: its number at the switch, the network and the one host that speaks there. */
export interface GuestServicePort {
  readonly portNo: number;
  readonly tenant: number;
  readonly host: GuestHost;
}

/** The IPv4 addresses that the services speak for themselves: theirs, the router's, the metadata's. */
export function serviceIpv4({ subnets }: GuestNetwork): number[] {
  const own = subnets.flatMap(({ services, router = services }) => [services, router]);
  return [...new Set([METADATA_IPV4, ...own])];
}

/** The addresses of the network's router, one in each subnet that has one. */
export function routerIpv4({ subnets }: GuestNetwork): number[] {
  return subnets.flatMap(({ router }) => (router === undefined ? [] : [router]));
}

/** The same of IPv6. */
export function routerIpv6({ prefixes }: GuestNetwork): bigint[] {
  return prefixes.flatMap(({ router }) => (router === undefined ? [] : [router]));
}

/** The prefix in which a host has an address. */
export function prefixOf({ prefixes }: GuestNetwork, { ipv6 }: GuestHost): GuestPrefix | undefined {
  return prefixes.find(({ prefix }) => ipv6.some((address) => address >> INTERFACE_BITS === prefix >> INTERFACE_BITS));
}

/** The subnet in which a host is given its address. */
export function subnetOf(network: GuestNetwork, { ipv4: [address] }: GuestHost): GuestSubnet | undefined {
  return address === undefined ? undefined : subnetAround(network, address);
}

/** The subnet that an address is in. */
export function subnetAround({ subnets }: GuestNetwork, address: number): GuestSubnet | undefined {
  return subnets.find(({ subnet, bits }) => isInRange({ lowest: subnet, bits }, address));
}

/** Looks a network's addresses and names up. */
export class NetworkDirectory {
  readonly network: GuestNetwork;
  /** The services' own IPv6 address. */
  readonly servicesIpv6: bigint;
  readonly #macs = new Map<number | bigint, EthAddress>();
  readonly #hosts = new Map<string, GuestHost>();
  readonly #names = new Map<number | bigint, string>();

  /** @throws RangeError of a host with more than `ADDRESSES_MAX` addresses of a family */
  constructor(network: GuestNetwork) {
    this.network = network;
    this.servicesIpv6 = linkLocalOf(network.serviceMac);
    for (const host of network.hosts) this.#add(host);
    // After the hosts: no VM takes the services' place, whatever its binding says.
    const own = [this.servicesIpv6, ...routerIpv6(network), ...serviceIpv4(network)];
    for (const address of own) this.#macs.set(address, network.serviceMac);
  }

  /** Who has an IPv4 address (a number) or an IPv6 address in this network. */
  macOf(address: number | bigint): EthAddress | undefined {
    return this.#macs.get(address);
  }

  /** By its label below the domain. */
  hostNamed(name: string): GuestHost | undefined {
    return this.#hosts.get(name);
  }

  /** The label of the host that has an address. */
  nameOf(address: number | bigint): string | undefined {
    return this.#names.get(address);
  }

  #add(host: GuestHost): void {
    if (Math.max(host.ipv4.length, host.ipv6.length) > ADDRESSES_MAX)
      throw new RangeError(`${host.name} has more than ${ADDRESSES_MAX} addresses of a family`);
    this.#hosts.set(host.name, host);
    for (const address of [...host.ipv4, ...host.ipv6]) {
      this.#macs.set(address, host.mac);
      this.#names.set(address, host.name);
    }
    this.#macs.set(linkLocalOf(host.mac), host.mac);
  }
}
