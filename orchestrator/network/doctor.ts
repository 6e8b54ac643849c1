// Has two nodes look at one another, both at the same time, and judges what they find. Changes nothing. Bytes are sent for
// it only where no migration needs the link.
import { messageOf, OperationError } from '../../common/errors.ts';
import type { DoctorReport, DoctorRequest, PairEnd } from '../../wire/contracts/doctor.ts';
import type { Cluster } from '../cluster.ts';
import { isEnded } from '../migration/migration-journal.ts';
import type { MemberRecord, State } from '../state.ts';
import { judge } from './doctor-judge.ts';

type Missing = { readonly missing: string };

export class Doctor {
  readonly #cluster: Pick<Cluster, 'clients' | 'nodeOf'>;
  readonly #state: Pick<State, 'all'>;

  constructor({ cluster, state }: { cluster: Pick<Cluster, 'clients' | 'nodeOf'>; state: Pick<State, 'all'> }) {
    this.#cluster = cluster;
    this.#state = state;
  }

  /** @throws OperationError CLOUD_UNKNOWN, SAME_NODE, LINK_BUSY */
  async examine(request: DoctorRequest): Promise<DoctorReport> {
    const [a, b] = [this.#cluster.nodeOf(request.a), this.#cluster.nodeOf(request.b)];
    if (a.node === b.node)
      throw new OperationError('SAME_NODE', `${request.a} and ${request.b} are one node`, { remedy: 'Name two.' });
    if (request.bandwidth && !request.force) this.#refuseBetween(a.node, b.node);
    const places = new Map(this.#state.all('underlay').map((place) => [place.node, place]));
    const [placeA, placeB] = [places.get(a.node), places.get(b.node)];
    const pathTo = (from: typeof placeA, to: typeof placeA, { address }: MemberRecord): string | null => {
      if (from === undefined || to === undefined) return address;
      return (from.cloud === to.cloud ? to.inner : to.outer)?.address ?? null;
    };
    const looked = await Promise.all([
      this.#look(a, b, pathTo(placeA, placeB, b)),
      this.#look(b, a, pathTo(placeB, placeA, a)),
    ]);
    // One direction after the other, or each would have half of the way.
    const toA = request.bandwidth ? await this.#rate(looked[0], b) : null;
    const toB = request.bandwidth ? await this.#rate(looked[1], a) : null;
    const ends: DoctorReport['ends'] = [
      { ...looked[0], rate: toA },
      { ...looked[1], rate: toB },
    ];
    const isEncrypted = placeA !== undefined && placeB !== undefined;
    return { findings: judge({ ends, isEncrypted }), ends, isEncrypted };
  }

  #refuseBetween(one: string, other: string): void {
    const pair = [one, other];
    const busy = this.#state
      .all('migrations')
      .find((record) => !isEnded(record) && pair.includes(record.from) && pair.includes(record.to));
    if (busy !== undefined)
      throw new OperationError('LINK_BUSY', `VM ${busy.vm} migrates between ${one} and ${other} now`, {
        remedy: 'Say --no-bandwidth, or --force to take its bandwidth for some seconds.',
      });
  }

  async #look(at: MemberRecord, other: MemberRecord, path: string | null): Promise<Omit<PairEnd, 'rate'>> {
    const { hypervisor, switchAgent } = this.#cluster.clients(at.node);
    const peer = { node: other.node, address: other.address };
    const isController = other.role === 'controller';
    const [found, link] = await Promise.all([
      hypervisor.call('peer.look', { peer, isController, path }).catch(missing),
      switchAgent.call('link.look', { peer: other.node }).catch(missing),
    ]);
    return { node: at.node, address: at.address, peer: found, link };
  }

  async #rate({ node, peer }: Omit<PairEnd, 'rate'>, other: MemberRecord): Promise<PairEnd['rate']> {
    if ('missing' in peer || peer.roundTrip === null) return { missing: 'its agent is not reached' };
    const { hypervisor } = this.#cluster.clients(node);
    return hypervisor.call('peer.rate', { peer: { node: other.node, address: other.address } }).catch(missing);
  }
}

function missing(error: unknown): Missing {
  return { missing: messageOf(error) };
}
