// The table from one of Nicira's actions to its codec. A new action is a row here and a codec in the room of its concern.

import type { Cursor } from '../cursor.ts';
import { NX_EXPERIMENTER } from '../experimenter-errors.ts';
import type { Writer } from '../writer.ts';
import type { ActionLists, NiciraCodec } from './action-codec.ts';
import type { NiciraAction, NxNat } from './action-types.ts';
import { controller2Codec, controllerCodec, decTtlCodec } from './controller-actions.ts';
import { ctCodec, natCodec } from './ct-action.ts';
import {
  checkPacketLargerCodec,
  outputReg2Codec,
  outputRegCodec,
  regLoad2Codec,
  regLoadCodec,
  regMoveCodec,
  stackCodec,
} from './field-actions.ts';
import {
  bareCodec,
  cloneCodec,
  conjunctionCodec,
  finTimeoutCodec,
  noteCodec,
  outputTruncCodec,
  resubmitCodec,
  resubmitTableCodec,
  setTunnel64Codec,
  setTunnelCodec,
  writeMetadataCodec,
} from './packet-actions.ts';

type AnyNicira = NiciraAction | NxNat;

/** The union's member that has `T` among its types. */
type OfType<T, A extends AnyNicira = AnyNicira> = A extends unknown ? (T extends A['type'] ? A : never) : never;

const CODECS: { readonly [T in AnyNicira['type']]: NiciraCodec<OfType<T>> } = {
  'nx-resubmit': resubmitCodec,
  'nx-set-tunnel': setTunnelCodec,
  'nx-pop-queue': bareCodec('nx-pop-queue', 5),
  'nx-reg-move': regMoveCodec,
  'nx-reg-load': regLoadCodec,
  'nx-note': noteCodec,
  'nx-set-tunnel64': setTunnel64Codec,
  'nx-resubmit-table': resubmitTableCodec('nx-resubmit-table', 14),
  'nx-output-reg': outputRegCodec,
  'nx-exit': bareCodec('nx-exit', 17),
  'nx-fin-timeout': finTimeoutCodec,
  'nx-controller': controllerCodec,
  'nx-dec-ttl': decTtlCodec,
  'nx-write-metadata': writeMetadataCodec,
  'nx-stack-push': stackCodec('nx-stack-push', 27),
  'nx-stack-pop': stackCodec('nx-stack-pop', 28),
  'nx-output-reg2': outputReg2Codec,
  'nx-reg-load2': regLoad2Codec,
  'nx-conjunction': conjunctionCodec,
  'nx-ct': ctCodec,
  'nx-nat': natCodec,
  'nx-controller2': controller2Codec,
  'nx-output-trunc': outputTruncCodec,
  'nx-clone': cloneCodec,
  'nx-ct-clear': bareCodec('nx-ct-clear', 43),
  'nx-resubmit-table-ct': resubmitTableCodec('nx-resubmit-table-ct', 44),
  'nx-check-pkt-larger': checkPacketLargerCodec,
};

const CODEC_OF_SUBTYPE: ReadonlyMap<number, NiciraCodec<AnyNicira>> = new Map(
  Object.values<NiciraCodec<AnyNicira>>(CODECS).map((codec) => [codec.subtype, codec]),
);

/** Bytes that the header, the experimenter id and the subtype leave of an action's first 16. */
const FIRST_BODY_BYTES = 6;

/** Writes what follows the type and length; the padding to a multiple of 8 bytes is the caller's. */
export function writeNiciraAction(writer: Writer, action: AnyNicira, lists: ActionLists): void {
  const codec: NiciraCodec<AnyNicira> = CODECS[action.type];
  writer.u32(NX_EXPERIMENTER, 'experimenter');
  writer.u16(codec.subtype, 'subtype');
  const start = writer.at;
  codec.write(writer, action, lists);
  if (writer.at - start < FIRST_BODY_BYTES) writer.pad(FIRST_BODY_BYTES - (writer.at - start));
}

/**
 * Reads what follows the experimenter id, up to the cursor's end. Undefined, with the cursor where it was, when the
 * action is none of ours, names a field without a row or is longer than we know: then it is kept uninterpreted.
 */
export function readNiciraAction(body: Cursor, lists: ActionLists): AnyNicira | undefined {
  const attempt = body.fork();
  const action = CODEC_OF_SUBTYPE.get(attempt.u16())?.read(attempt, lists);
  if (action === undefined || attempt.left >= 8) return undefined;
  body.skip(body.left);
  return action;
}
