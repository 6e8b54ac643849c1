// Random messages of Nicira's and of ONF's bundles.
import { encode, type Message, type NxPacketIn2, type TlvMapping } from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomMatch } from './random-match.ts';

export function reasonMasks(random: Random): { master: number; slave: number } {
  return { master: random.bits(32), slave: random.bits(32) };
}

export function asyncReasons(random: Random) {
  return { packetIn: reasonMasks(random), portStatus: reasonMasks(random), flowRemoved: reasonMasks(random) };
}

function mappings(random: Random): TlvMapping[] {
  return random.list(4, () => ({
    optionClass: random.bits(16),
    optionType: random.bits(8),
    optionBytes: random.bits(8),
    index: random.bits(16),
  }));
}

function packetIn2<T extends NxPacketIn2['type']>(random: Random, type: T) {
  return {
    type,
    ...(random.chance(0.8) && { data: random.bytes(random.below(99)) }),
    ...(random.chance(0.5) && { totalBytes: random.bits(32) }),
    ...(random.chance(0.5) && { bufferId: random.bits(32) }),
    ...(random.chance(0.5) && { tableId: random.bits(8) }),
    ...(random.chance(0.5) && { cookie: random.bigBits(64) }),
    ...(random.chance(0.5) && { reason: random.bits(8) }),
    ...(random.chance(0.5) && { metadata: randomMatch(random) }),
    ...(random.chance(0.5) && { userdata: random.bytes(random.below(20)) }),
    ...(random.chance(0.5) && { continuation: random.bytes(random.below(20)) }),
  };
}

type ExtensionType = Extract<Message['type'], `nx-${string}` | `onf-${string}`>;

export const EXTENSION_MAKERS: {
  readonly [T in ExtensionType]: (random: Random) => Message & { readonly type: T };
} = {
  'nx-set-packet-in-format': (r) => ({
    type: 'nx-set-packet-in-format',
    format: r.pick(['standard', 'nxt-packet-in', 'nxt-packet-in2']),
  }),
  'nx-set-controller-id': (r) => ({ type: 'nx-set-controller-id', controllerId: r.bits(16) }),
  'nx-set-async-config': (r) => ({ type: 'nx-set-async-config', ...asyncReasons(r) }),
  'nx-set-async-config2': (r) => ({
    type: 'nx-set-async-config2',
    wishes: r.list(6, () => ({
      message: r.pick(['packet-in', 'port-status', 'flow-removed', 'role-status', 'table-status', 'requestforward']),
      role: r.pick(['slave', 'master']),
      reasons: r.bits(32),
    })),
  }),
  'nx-packet-in2': (r) => packetIn2(r, 'nx-packet-in2'),
  'nx-resume': (r) => packetIn2(r, 'nx-resume'),
  'nx-tlv-table-mod': (r) => ({
    type: 'nx-tlv-table-mod',
    command: r.pick(['add', 'delete', 'clear']),
    mappings: mappings(r),
  }),
  'nx-tlv-table-request': () => ({ type: 'nx-tlv-table-request' }),
  'nx-tlv-table-reply': (r) => ({
    type: 'nx-tlv-table-reply',
    maxOptionBytes: r.bits(32),
    maxFields: r.bits(16),
    mappings: mappings(r),
  }),
  'nx-ct-flush-zone': (r) => ({ type: 'nx-ct-flush-zone', zone: r.bits(16) }),
  'onf-bundle-control': (r) => ({
    type: 'onf-bundle-control',
    bundleId: r.bits(32),
    control: r.pick(['open-request', 'open-reply', 'close-request', 'commit-request', 'commit-reply', 'discard-reply']),
    flags: r.bits(16),
    properties: r.bytes(8 * r.below(3)),
  }),
  'onf-bundle-add': (r) => ({
    type: 'onf-bundle-add',
    bundleId: r.bits(32),
    flags: r.bits(16),
    message: encode({ type: 'echo-request', data: r.bytes(r.below(30)) }, r.bits(32)),
    properties: r.bytes(8 * r.below(3)),
  }),
};
