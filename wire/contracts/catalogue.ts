// The calls of the catalogue (the data view, TOCS 2017 3.2.1): one head per image, changed by one commit at a time.
import { Type } from 'typebox';
import { contract, method } from '../contract.ts';
import { Bytes, Epoch, MigrationId, Name } from '../names.ts';
import { Closing } from './blockd.ts';

const Empty = Type.Object({});

/** An image's head: the newest granted epoch, who may write under it, how the earlier ones ended. */
export const Head = Type.Object({
  image: Name,
  bytes: Bytes,
  epoch: Epoch,
  /** The node that may write now; none while the image is closed. */
  writer: Type.Union([Name, Type.Null()]),
  /** The store whose table the last closing describes: where the next opener gets it. */
  holder: Name,
  /** How the newest closed epoch ended (SOUNDNESS A7: versions of an epoch beyond its closing are discarded). */
  last: Closing,
  closings: Type.Array(Type.Object({ epoch: Epoch, lastSequence: Type.Integer({ minimum: 0 }) })),
  /** While a transfer stands, no other open is granted (SOUNDNESS B3). */
  transfer: Type.Union([Type.Object({ migration: MigrationId, from: Name, to: Name, epoch: Epoch }), Type.Null()]),
});
export type Head = Type.Static<typeof Head>;

/** The catalogue's calls. */
export const catalogueContract = contract('catalogue', {
  'image.add': method(['controller'], Type.Object({ image: Name, bytes: Bytes, holder: Name, closing: Closing }), Head),
  'image.remove': method(['controller'], Type.Object({ image: Name }), Empty),
  'image.list': method(['controller'], Empty, Type.Object({ heads: Type.Array(Head) })),
  'image.head': method(['controller'], Type.Object({ image: Name }), Head),
  /** Grants the next epoch to one node; refused while another holds it or a transfer stands. */
  'epoch.open': method(['controller'], Type.Object({ image: Name, node: Name }), Head),
  /** Records how an epoch ended; refused unless that epoch is the head's and the node its writer. */
  'epoch.close': method(['controller'], Type.Object({ image: Name, node: Name, closing: Closing }), Head),
  /** Gives an epoch back that its node never wrote under: the head's closing and holder stay, the number is burnt. */
  'epoch.abandon': method(['controller'], Type.Object({ image: Name, node: Name, epoch: Epoch }), Head),
  /** Commits all images of one VM to a transfer in one transaction (SOUNDNESS B5); grants epoch e+1 to `to`. */
  'transfer.begin': method(
    ['controller'],
    Type.Object({ migration: MigrationId, images: Type.Array(Name), from: Name, to: Name }),
    Type.Object({ heads: Type.Array(Head) }),
  ),
  /** The destination's record decided: moved (with the source's closings) or stayed. Repeating it changes nothing. */
  'transfer.finish': method(
    ['controller'],
    Type.Object({ migration: MigrationId, moved: Type.Boolean(), closings: Type.Array(Closing) }),
    Type.Object({ heads: Type.Array(Head) }),
  ),
});
