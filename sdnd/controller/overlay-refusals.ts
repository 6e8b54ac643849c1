// Why a command to the overlay is refused, in words for a person.

import { ipv6Number } from '../../common/addresses/ipv6-address.ts';
import { OperationError } from '../../common/errors.ts';
import type { GuestNetworkPlan, GuestSubnet } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { tenantOf } from '../forwarding/view.ts';
import { UNIQUE_LOCAL } from '../packets/ipv6.ts';
import { egressZone, SERVICE_MAC } from '../pipeline.ts';

const MULTICAST_BIT = 1;
const BYTE_MAX = 255;

/** `tunnels`: the node's tunnel ports. @throws OperationError PORT_BAD, ADDRESS_BAD: not the place or the addresses of one host */
export function checkPlace({ owner, mac, ip, port }: Binding, tunnels: readonly string[]): void {
  if (tunnels.includes(port)) {
    throw new OperationError('PORT_BAD', `${owner} cannot be at port ${port}: that is the tunnels' own`);
  }
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & MULTICAST_BIT) === MULTICAST_BIT;
  const isIp = ip.split('.').every((part) => Number(part) <= BYTE_MAX) && ip !== '0.0.0.0';
  if (isGroup || !isIp || mac === SERVICE_MAC) {
    throw new OperationError('ADDRESS_BAD', `${owner} cannot be ${mac} ${ip}: not the addresses of one host`);
  }
}

/** @throws OperationError EPOCH_STALE, ADDRESS_BAD: not the same guest at another place */
export function checkMove(to: Binding, from: Binding): void {
  if (to.epoch <= from.epoch || to.node === from.node) throw stale(to, from);
  if (to.mac === from.mac && to.ip === from.ip && tenantOf(to) === tenantOf(from)) return;
  throw new OperationError('ADDRESS_BAD', `${to.owner} is ${from.mac} ${from.ip} and cannot become ${to.mac} ${to.ip}`);
}

/** @throws OperationError NETWORK_BAD: two networks that could be taken for each other, or subnets of one by their IPv6 prefix */
export function checkNetworks(networks: readonly GuestNetworkPlan[]): void {
  const seen = new Map<string, string>();
  for (const { tenant, name, subnets, egress, stubExits = [] } of networks) {
    checkPrefixes(name, subnets);
    const marks = new Set([`tenant ${tenant}`]);
    for (const exit of egress === undefined ? stubExits : [egress, ...stubExits]) {
      marks.add(`address ${exit.address}`).add(`zone ${egressZone(tenant)} of connections at ${exit.node}`);
    }
    for (const mark of marks) {
      const other = seen.get(mark);
      if (other !== undefined)
        throw new OperationError('NETWORK_BAD', `networks ${other} and ${name} have one ${mark}`);
      seen.set(mark, name);
    }
  }
}

// Flows are computed from what is kept, so nothing is kept that is no prefix.
function checkPrefixes(network: string, subnets: readonly GuestSubnet[]): void {
  const prefixes = subnets.flatMap(({ ipv6 }) => (ipv6 === undefined ? [] : [ipv6]));
  for (const prefix of prefixes) {
    const lowest = ipv6Number(prefix);
    const isPrefix = lowest !== undefined && BigInt.asUintN(64, lowest) === 0n;
    if (!isPrefix || (lowest & UNIQUE_LOCAL.mask) !== UNIQUE_LOCAL.value)
      throw new OperationError('NETWORK_BAD', `network ${network} cannot have ${prefix}/64: no unique local prefix`);
  }
  if (new Set(prefixes.map(ipv6Number)).size < prefixes.length)
    throw new OperationError('NETWORK_BAD', `two subnets of network ${network} have one IPv6 prefix`);
}

export function stale(binding: Binding, standing: Binding): OperationError {
  return new OperationError(
    'EPOCH_STALE',
    `${binding.owner} cannot be bound to ${binding.node} under epoch ${binding.epoch}: it is bound to ${standing.node} under epoch ${standing.epoch}`,
  );
}

export function taken(binding: Binding, other: Binding): OperationError {
  return new OperationError(
    'ADDRESS_TAKEN',
    `${binding.owner} cannot have ${binding.mac} ${binding.ip} at port ${binding.port} of ${binding.node}: ${other.owner} has ${other.mac} ${other.ip} at port ${other.port} of ${other.node}`,
    { remedy: 'Choose other addresses, or remove the other binding first.' },
  );
}

export function migrationBusy(migration: string, to: Binding, standing: Binding | undefined): OperationError {
  return new OperationError(
    'MIGRATION_BUSY',
    `migration ${migration} of ${to.owner} to ${to.node} cannot be prepared: ${standing?.owner ?? to.owner} is prepared for ${standing?.node ?? 'another node'}`,
    { remedy: 'Cancel that one first.' },
  );
}

export function unknown(migration: string): OperationError {
  return new OperationError('MIGRATION_UNKNOWN', `migration ${migration} was not prepared, or was cancelled`);
}

export function over(migration: string): OperationError {
  return new OperationError('MIGRATION_OVER', `migration ${migration} was completed or cancelled`);
}

/** A guest cannot move to a place whose switch is away, or has no port for it yet. */
export function notReady({ owner, node, port }: Binding, isConnected: boolean): OperationError {
  const what = isConnected ? `has no port ${port}` : 'is not connected';
  return new OperationError('DESTINATION_NOT_READY', `${owner} cannot move to ${node}: its switch ${what}`, {
    remedy: isConnected ? 'Attach the port at that node first.' : 'Check ovs-vswitchd and the network of that node.',
  });
}

/** Nor to one whose switch refuses its flows, or does not answer. */
export function notTaken({ owner, node }: Binding, why: string): OperationError {
  const what = `its switch does not take what the move needs: ${why}`;
  return new OperationError('DESTINATION_NOT_READY', `${owner} cannot move to ${node}: ${what}`, {
    remedy: 'See the log of ovs-vswitchd on that node, and how full its tables are; then move it again.',
  });
}
