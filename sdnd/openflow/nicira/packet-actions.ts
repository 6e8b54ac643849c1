// Nicira's other actions: resubmit, notes, tunnel ids, conjunctions, clones, and those without arguments.

import type { NiciraCodec } from './action-codec.ts';
import type {
  NxBareAction,
  NxClone,
  NxConjunction,
  NxFinTimeout,
  NxNote,
  NxOutputTrunc,
  NxResubmit,
  NxResubmitTable,
  NxSetTunnel,
  NxWriteMetadata,
} from './action-types.ts';

export const resubmitCodec: NiciraCodec<NxResubmit> = {
  subtype: 1,
  write: (writer, action) => writer.u16(action.inPort, 'resubmit inPort'),
  read: (body) => ({ type: 'nx-resubmit', inPort: body.u16() }),
};

export function resubmitTableCodec(type: NxResubmitTable['type'], subtype: number): NiciraCodec<NxResubmitTable> {
  return {
    subtype,
    write(writer, action) {
      writer.u16(action.inPort, 'resubmit inPort');
      writer.u8(action.tableId, 'resubmit tableId');
    },
    read: (body) => ({ type, inPort: body.u16(), tableId: body.u8() }),
  };
}

export const noteCodec: NiciraCodec<NxNote> = {
  subtype: 8,
  write: (writer, action) => writer.bytes(action.note),
  read: (body) => ({ type: 'nx-note', note: body.rest() }),
};

export function bareCodec(type: NxBareAction['type'], subtype: number): NiciraCodec<NxBareAction> {
  return { subtype, write: () => undefined, read: () => ({ type }) };
}

export const setTunnelCodec: NiciraCodec<Extract<NxSetTunnel, { type: 'nx-set-tunnel' }>> = {
  subtype: 2,
  write(writer, action) {
    writer.pad(2);
    writer.u32(action.tunnelId, 'tunnelId');
  },
  read(body) {
    body.skip(2);
    return { type: 'nx-set-tunnel', tunnelId: body.u32() };
  },
};

export const setTunnel64Codec: NiciraCodec<Extract<NxSetTunnel, { type: 'nx-set-tunnel64' }>> = {
  subtype: 9,
  write(writer, action) {
    writer.pad(6);
    writer.u64(action.tunnelId, 'tunnelId');
  },
  read(body) {
    body.skip(6);
    return { type: 'nx-set-tunnel64', tunnelId: body.u64() };
  },
};

export const writeMetadataCodec: NiciraCodec<NxWriteMetadata> = {
  subtype: 22,
  write(writer, action) {
    writer.pad(6);
    writer.u64(action.metadata, 'metadata');
    writer.u64(action.mask, 'metadata mask');
  },
  read(body) {
    body.skip(6);
    return { type: 'nx-write-metadata', metadata: body.u64(), mask: body.u64() };
  },
};

export const outputTruncCodec: NiciraCodec<NxOutputTrunc> = {
  subtype: 39,
  write(writer, action) {
    writer.u16(action.port, 'output-trunc port');
    writer.u32(action.maxBytes, 'output-trunc maxBytes');
  },
  read: (body) => ({ type: 'nx-output-trunc', port: body.u16(), maxBytes: body.u32() }),
};

export const conjunctionCodec: NiciraCodec<NxConjunction> = {
  subtype: 34,
  write(writer, action) {
    writer.u8(action.clause, 'conjunction clause');
    writer.u8(action.clauses, 'conjunction clauses');
    writer.u32(action.id, 'conjunction id');
  },
  read(body) {
    const clause = body.u8();
    const clauses = body.u8();
    return { type: 'nx-conjunction', id: body.u32(), clause, clauses };
  },
};

export const finTimeoutCodec: NiciraCodec<NxFinTimeout> = {
  subtype: 19,
  write(writer, action) {
    writer.u16(action.idleTimeoutSec, 'fin-timeout idleTimeoutSec');
    writer.u16(action.hardTimeoutSec, 'fin-timeout hardTimeoutSec');
  },
  read: (body) => ({ type: 'nx-fin-timeout', idleTimeoutSec: body.u16(), hardTimeoutSec: body.u16() }),
};

export const cloneCodec: NiciraCodec<NxClone> = {
  subtype: 42,
  write(writer, action, lists) {
    writer.pad(6);
    lists.write(writer, action.actions);
  },
  read(body, lists) {
    body.skip(6);
    return { type: 'nx-clone', actions: lists.read(body.part(body.left)) };
  },
};
