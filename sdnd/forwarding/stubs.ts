// Addresses of a tenant's network that stand for a resource in one place (stubs; TOCS 2017, 3.3). ARP for one is answered in the
// router's name. Where the resource is, a guest's packets for it get its address (ct, nat) and leave by that node's port to the
// outside, and what answers is the stub's again. Elsewhere they are for that node's agent, by its own flows behind the port's
// meter (`service-flows`), and go no further: no frame for a stub ever crosses a tunnel.
import { type Action, CtState, ethAddress, type Instruction, ipv4, type Match, NatFlag, setField } from '@openflow/ofp';
import type { NetworkStub } from '../../wire/contracts/guest-network.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import type { StubElsewhere } from '../guest-services/guest-network.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { Origin, Priority, SERVICE_MAC, stubZone, Table } from '../pipeline.ts';
import { ARP_REQUEST, ETH_TYPE_ARP, ETH_TYPE_IPV4 } from './admission.ts';
import { replyTo } from './arp.ts';
import { type Exit, entering, exitAt, leave, left, states, track, translation } from './egress.ts';
import { act, row } from './flow-row.ts';
import type { HeldTenant } from './guest.ts';
import type { SwitchView } from './view.ts';

/** What a switch does with a tenant's frames for its stubs. */
export function stubFlows(cookie: bigint, view: SwitchView, tenant: HeldTenant): Flow[] {
  const { network, isHere } = tenant;
  if (network?.stubs === undefined || !isHere) return [];
  const asked = network.stubs.map((stub) => arpAnswer(cookie, tenant, stub));
  // Several may have one address, or lead to one resource.
  return [...flowsByKey([...asked, ...localFlows(cookie, view, tenant)]).values()];
}

function arpAnswer(cookie: bigint, { tenant }: HeldTenant, { address }: NetworkStub): Flow {
  const match: Match = { reg2: tenant, ethType: ETH_TYPE_ARP, arpOp: ARP_REQUEST, arpTpa: ipv4(address) };
  return row(cookie, Table.arp, Priority.normal, match, replyTo(SERVICE_MAC, ipv4(address)));
}

// The ways back before the ways there: nobody is answered in the resource's own name.
function localFlows(cookie: bigint, view: SwitchView, tenant: HeldTenant): Flow[] {
  const { network } = tenant;
  const stubs = network?.stubs?.filter(({ nodes }) => nodes.includes(view.node)) ?? [];
  const egress = exitAt(view, tenant);
  const portNo = egress === undefined ? undefined : view.ports.get(egress.port);
  if (stubs.length === 0 || egress === undefined || portNo === undefined) return [];
  const exit = { cookie, tenant, egress };
  // Where the network's own way out is, its room says this.
  const isShared = network?.egress?.node === view.node;
  return [
    ...(isShared ? [] : [...entering(exit, portNo), left(exit, portNo)]),
    ...stubs.map((stub) => answers(exit, portNo, stub)),
    related(exit, portNo),
    leaves(exit, portNo),
    ...stubs.map((stub) => calls(exit, portNo, stub)),
  ];
}

/** A guest here gets the resource's address in the stub's place. Above the agent's flow, which may not have heard of it yet. */
function calls({ cookie, tenant: { tenant }, egress }: Exit, portNo: number, stub: NetworkStub): Flow {
  const { to, service } = stub;
  const asked = stubMatch({ ...stub, address: ipv4(stub.address) });
  const match: Match = { reg0: Origin.guest, reg2: tenant, ...asked };
  const actions: Action[] = [
    { type: 'dec-nw-ttl' },
    // For nobody in the overlay from now on, whatever becomes of it.
    setField('ethDst', ethAddress(egress.nextHop)),
    setField('reg1', portNo),
    track(stubZone(tenant), Table.forward, translation(NatFlag.destination, ipv4(to), service?.toPort)),
  ];
  return row(cookie, Table.route, Priority.detour, match, act(...actions));
}

function leaves(exit: Exit, portNo: number): Flow {
  const { cookie, tenant, egress } = exit;
  const called: Match = { reg0: Origin.guest, reg1: portNo, reg2: tenant.tenant, ethType: ETH_TYPE_IPV4 };
  const match: Match = { ...called, ethDst: ethAddress(egress.nextHop), ctState: states(CtState.destinationNat) };
  return row(cookie, Table.forward, Priority.own, match, act(...leave(exit, portNo)));
}

// What comes from the resource is looked up among the guests' calls; of none it goes on as it is, since a guest may have
// called the resource by its own address too.
function answers({ cookie, tenant: { tenant } }: Exit, inPort: number, { to, service }: NetworkStub): Flow {
  const from = service === undefined ? {} : fromPort(service);
  const answered: Match = { inPort, ethType: ETH_TYPE_IPV4, reg2: tenant, ipv4Src: ipv4(to), ...from };
  const ctState = states(CtState.established);
  return row(cookie, Table.ingress, Priority.detour, { ...answered, ctState }, intoCalls(tenant));
}

/** What tells of a call comes from anywhere on the way. */
function related({ cookie, tenant: { tenant } }: Exit, inPort: number): Flow {
  const ctState = states(CtState.related, CtState.established);
  const match: Match = { inPort, ethType: ETH_TYPE_IPV4, reg2: tenant, ctState };
  return row(cookie, Table.ingress, Priority.detour, match, intoCalls(tenant));
}

function intoCalls(tenant: number): readonly Instruction[] {
  const router = [setField('ethSrc', SERVICE_MAC), setField('ethDst', SERVICE_MAC)];
  return act(...router, track(stubZone(tenant), Table.route));
}

/** What a guest sends to a stub, by way of its router. */
export function stubMatch({ address, service }: Pick<StubElsewhere, 'address' | 'service'>): Match {
  const match: Match = { ethDst: SERVICE_MAC, ethType: ETH_TYPE_IPV4, ipv4Dst: address };
  return service === undefined ? match : { ...match, ...toPort(service) };
}

function toPort({ protocol, port }: NonNullable<StubElsewhere['service']>): Match {
  return protocol === 'tcp' ? { ipProto: IpProtocol.tcp, tcpDst: port } : { ipProto: IpProtocol.udp, udpDst: port };
}

function fromPort({ protocol, toPort }: NonNullable<NetworkStub['service']>): Match {
  return protocol === 'tcp' ? { ipProto: IpProtocol.tcp, tcpSrc: toPort } : { ipProto: IpProtocol.udp, udpSrc: toPort };
}
