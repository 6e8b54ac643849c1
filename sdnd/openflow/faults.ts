// The codec's two kinds of fault: rubbish from a peer, a value with a code, and a message of our own that cannot be
// written, an error. Holds no knowledge of any single message.

import type { WireError } from './error-codes.ts';

/** Why bytes of a peer are not a message we understand. Stable: callers may switch on it. */
export type BadCode =
  /** The header says a version other than 1.3 in a message other than HELLO and ERROR (OFPBRC_BAD_VERSION). */
  | 'bad-version'
  /** The header's length is under 8 bytes or over the reader's cap (OFPBRC_BAD_LEN). */
  | 'bad-length'
  /** The header's type is none that this package knows (OFPBRC_BAD_TYPE). */
  | 'unknown-type'
  /** A structure runs past the end of the message or of the structure it lies in. */
  | 'truncated'
  /** Bytes are left where the structure must end, or a length field contradicts the structure's size. */
  | 'bad-size'
  /** A number that the specification gives no meaning in that place. */
  | 'bad-value'
  /** A match that is no OXM match, names a field twice, or has value bits outside its mask (OFPET_BAD_MATCH). */
  | 'bad-match'
  /** An action type outside the specification (OFPBAC_BAD_TYPE). */
  | 'unknown-action'
  /** An instruction type outside the specification (OFPBIC_UNKNOWN_INST). */
  | 'unknown-instruction'
  /** Actions within actions deeper than NESTED_ACTIONS_MAX (OFPBAC_TOO_MANY). */
  | 'too-deep';

/** The structure that a reading position lies in: it decides which OFPT_ERROR answers a fault there. */
export type Place = 'message' | 'match' | 'action' | 'instruction' | 'table-features';

/** Thrown inside the codec only: `decode` turns it into a `Bad`. */
export class Malformed extends Error {
  readonly code: BadCode;
  readonly place: Place;
  /** The answer, where the code and the place alone do not say it. */
  readonly answer: WireError | undefined;
  constructor(code: BadCode, detail: string, place: Place = 'message', answer?: WireError) {
    super(detail);
    this.code = code;
    this.place = place;
    this.answer = answer;
  }
}

/** Why a message of ours cannot be written. */
export type EncodeCode =
  | 'out-of-range'
  | 'wrong-type'
  | 'message-too-long'
  | 'unknown-field'
  | 'value-outside-mask'
  | 'bad-address'
  | 'too-deep'
  | 'no-message';

/** A caller asked for a message that OpenFlow 1.3 cannot express: a fault of the program, not of a peer. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError';
  readonly code: EncodeCode;
  constructor(code: EncodeCode, detail: string) {
    super(detail);
    this.code = code;
  }
}
