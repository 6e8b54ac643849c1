// The connections that a simulated switch remembers, by zone, and the translation of their addresses, as ovs-actions(7)
// says of ct and nat. A connection once remembered stays; its ports are the next that are free.
import { CtFlag, CtState, ipv4Text, NatFlag, type NxCt, type NxNat } from '@openflow/ofp';
import { ipv6Words } from '../../common/addresses/ipv6-address.ts';
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import type { Frame } from './net-switch.ts';

type Ends = readonly [source: unknown, port: unknown, destination: unknown, port: unknown];

interface Connection {
  readonly zone: number;
  /** As its first packet had them, and as they are on the other side. */
  readonly inside: Ends;
  readonly outside: Ends;
  mark: number;
}

export class Connections {
  readonly #all: Connection[] = [];

  /** A frame as it is once it has been looked up, and remembered if that is said. */
  track(frame: Frame, { flags, zone: from, actions }: NxCt): Frame {
    const zone = typeof from === 'number' ? from : Number(frame[from.field] ?? 0);
    const set = actions.find((one) => one.type === 'set-field' && one.field === 'ctMark');
    const mark = set?.type === 'set-field' ? Number(set.value) : 0;
    const ends = endsOf(frame);
    const nat = actions.find((one) => one.type === 'nx-nat');
    const own = this.#all.filter((one) => one.zone === zone);
    const answered = own.find(({ outside }) => isSame(reversed(outside), ends));
    if (answered !== undefined) {
      const state = CtState.tracked | CtState.established | CtState.reply;
      return { ...withEnds(frame, reversed(answered.inside), nat), ctState: state, ctMark: answered.mark };
    }
    const known = own.find(({ inside }) => isSame(inside, ends));
    const isCommitted = (flags & CtFlag.commit) !== 0;
    const added = known === undefined && isCommitted ? this.#add(zone, ends, nat, mark) : known;
    const age = known === undefined ? CtState.new : CtState.established;
    const isCalled = added !== undefined && added.outside[2] !== added.inside[2];
    const state = CtState.tracked | age | (isCalled ? CtState.destinationNat : 0);
    const changed = added === undefined ? frame : withEnds(frame, added.outside, nat);
    return { ...changed, ctState: state, ctMark: added?.mark ?? 0 };
  }

  /** Those of a zone whose ends have ports. */
  opened(zone: number): GuestConnection[] {
    return this.#all.flatMap(({ zone: own, inside: [source, port, destination, toPort], mark }) => {
      if (own !== zone || typeof port !== 'number' || typeof toPort !== 'number') return [];
      const [first, second] = [
        { address: textOf(source), port },
        { address: textOf(destination), port: toPort },
      ];
      const [from, to] = mark === 0 ? [first, second] : [second, first];
      return [{ protocol: 'tcp', from, to }];
    });
  }

  #add(zone: number, inside: Ends, nat: NxNat | undefined, mark: number): Connection {
    const [source, port, ...destination] = inside;
    const min = nat?.addresses?.family === 'ipv4' ? nat.addresses.min : undefined;
    if (nat !== undefined && (nat.flags & NatFlag.destination) !== 0) {
      const called: Ends = [source, port, min ?? destination[0], nat.ports?.min ?? destination[1]];
      const connection = { zone, inside, outside: called, mark };
      this.#all.push(connection);
      return connection;
    }
    const address = min ?? source;
    let outside: Ends = [address, port, ...destination];
    for (let other = Number(port); this.#all.some((one) => one.zone === zone && isSame(one.outside, outside)); )
      outside = [address, ++other, ...destination];
    const connection = { zone, inside, outside, mark };
    this.#all.push(connection);
    return connection;
  }
}

function endsOf({ ipv4Src, ipv6Src, tcpSrc, ipv4Dst, ipv6Dst, tcpDst }: Frame): Ends {
  return [ipv4Src ?? ipv6Src, tcpSrc, ipv4Dst ?? ipv6Dst, tcpDst];
}

/** Of IPv6 the number is text. */
function textOf(address: unknown): string {
  return typeof address === 'string' ? ipv6Words(BigInt(address)) : ipv4Text(Number(address));
}

function reversed([source, port, destination, toPort]: Ends): Ends {
  return [destination, toPort, source, port];
}

function isSame(a: Ends, b: Ends): boolean {
  return a.every((part, index) => part === b[index]);
}

/** Without nat the addresses stay. */
function withEnds(frame: Frame, [source, port, destination, toPort]: Ends, nat: NxNat | undefined): Frame {
  if (nat === undefined) return frame;
  const numbers = {
    ipv4Src: Number(source),
    tcpSrc: Number(port),
    ipv4Dst: Number(destination),
    tcpDst: Number(toPort),
  };
  return { ...frame, ...numbers };
}
