// Bundles: several messages that a switch takes all at once or not at all. Of OpenFlow 1.4 (7.3.9), in the form in which
// ONF's extension 230 brings them to 1.3. Must not know the messages in a bundle: they are bytes here.

import { EXPERIMENTER_TYPE, type Extension, type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { ONF_EXPERIMENTER } from './experimenter-errors.ts';

// enum ofp_bundle_ctrl_type (OpenFlow 1.4, 7.3.9.1).
const BUNDLE_CONTROLS = [
  'open-request',
  'open-reply',
  'close-request',
  'close-reply',
  'commit-request',
  'commit-reply',
  'discard-request',
  'discard-reply',
] as const;

export type BundleControlType = (typeof BUNDLE_CONTROLS)[number];

/** Bits of a bundle's flags, OFPBF_*: all or none also as packets see it; in the order of the messages. */
export const BundleFlag = { atomic: 1 << 0, ordered: 1 << 1 } as const;

/** Opens, closes, commits or discards a bundle, or confirms it. */
export interface OnfBundleControl {
  readonly type: 'onf-bundle-control';
  readonly bundleId: number;
  readonly control: BundleControlType;
  /** Bits of BundleFlag, the same in all messages of a bundle. */
  readonly flags: number;
  /** The properties, uninterpreted. */
  readonly properties: Uint8Array;
}

/** Puts one message into an open bundle. */
export interface OnfBundleAdd {
  readonly type: 'onf-bundle-add';
  readonly bundleId: number;
  /** Bits of BundleFlag. */
  readonly flags: number;
  /** The whole message as `encode` gives it, with the xid of the message around it; `decode` reads it. */
  readonly message: Uint8Array;
  /** The properties behind the message, uninterpreted. */
  readonly properties: Uint8Array;
}

function onfMessage(experimenterType: number): { readonly wireType: number; readonly extension: Extension } {
  return { wireType: EXPERIMENTER_TYPE, extension: { experimenter: ONF_EXPERIMENTER, experimenterType } };
}

export const bundleControlCodec: MessageCodec<OnfBundleControl> = {
  ...onfMessage(2300),
  write(writer, message) {
    writer.u32(message.bundleId, 'bundleId');
    writer.u16(numberOf(BUNDLE_CONTROLS, message.control, 'bundle control'), 'bundle control');
    writer.u16(message.flags, 'bundle flags');
    writer.bytes(message.properties);
  },
  read: (cursor) => ({
    type: 'onf-bundle-control',
    bundleId: cursor.u32(),
    control: wordOf(BUNDLE_CONTROLS, cursor.u16(), 'bundle control'),
    flags: cursor.u16(),
    properties: cursor.rest(),
  }),
};

export const bundleAddCodec: MessageCodec<OnfBundleAdd> = {
  ...onfMessage(2301),
  write(writer, message) {
    writer.u32(message.bundleId, 'bundleId');
    writer.pad(2);
    writer.u16(message.flags, 'bundle flags');
    writer.bytes(message.message);
    writer.bytes(message.properties);
  },
  read(cursor) {
    const bundleId = cursor.u32();
    cursor.skip(2);
    const flags = cursor.u16();
    return { type: 'onf-bundle-add', bundleId, flags, message: readWhole(cursor), properties: cursor.rest() };
  },
};

/** Bytes of a message's header. */
const HEADER_BYTES = 8;

/** The bytes of the message at the cursor, by its own length. */
function readWhole(cursor: Cursor): Uint8Array {
  const header = cursor.fork();
  header.skip(2);
  const length = header.u16();
  if (length < HEADER_BYTES) throw cursor.fault('bad-size', `a message in a bundle is ${length} bytes long`);
  return cursor.bytes(length);
}
