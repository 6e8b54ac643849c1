// Who may come to a node's NBD port: members of the cluster, by their certificates; an operator's opens no disk.
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../../common/errors.ts';
import type { Identity, Peer } from '../../common/membership/identity.ts';
import { peerOfSocket, serverTls } from '../../common/membership/tls.ts';
import type { NbdPortParts } from './nbd-port.ts';

/** The port's TLS for members alone. */
export function memberTls(identity: Identity): Pick<NbdPortParts, 'tls' | 'refusalOf'> {
  return { tls: serverTls(identity), refusalOf };
}

function refusalOf(inside: TLSSocket): string | undefined {
  let peer: Peer;
  try {
    peer = peerOfSocket(inside);
  } catch (error) {
    return messageOf(error);
  }
  return peer.role === 'operator' ? `${peer.node} is an operator` : undefined;
}
