// What a switch is and how it treats packets as a whole: features, configuration, table-mod.

import type { MessageCodec } from './codec.ts';
import type { Writer } from './writer.ts';

/** Who the switch is and what it can do (OpenFlow 1.3.5, 7.3.1). */
export interface FeaturesReply {
  readonly type: 'features-reply';
  /** Lower 48 bits are a MAC address of the switch, the upper 16 its maker's choice. */
  readonly datapathId: bigint;
  /** Packets that the switch can buffer at once. */
  readonly bufferCount: number;
  readonly tableCount: number;
  /** 0 for the main connection. */
  readonly auxiliaryId: number;
  /** Bits of Capability. */
  readonly capabilities: number;
}

/** Bits of a switch's capabilities, OFPC_* (7.3.1). */
export const Capability = {
  flowStats: 1 << 0,
  tableStats: 1 << 1,
  portStats: 1 << 2,
  groupStats: 1 << 3,
  ipReassembly: 1 << 5,
  queueStats: 1 << 6,
  portBlocked: 1 << 8,
} as const;

export const featuresReplyCodec: MessageCodec<FeaturesReply> = {
  wireType: 6,
  write(writer, message) {
    writer.u64(message.datapathId, 'datapathId');
    writer.u32(message.bufferCount, 'bufferCount');
    writer.u8(message.tableCount, 'tableCount');
    writer.u8(message.auxiliaryId, 'auxiliaryId');
    writer.pad(2);
    writer.u32(message.capabilities, 'capabilities');
    writer.pad(4);
  },
  read(cursor) {
    const datapathId = cursor.u64();
    const bufferCount = cursor.u32();
    const tableCount = cursor.u8();
    const auxiliaryId = cursor.u8();
    cursor.skip(2);
    const capabilities = cursor.u32();
    cursor.skip(4);
    return { type: 'features-reply', datapathId, bufferCount, tableCount, auxiliaryId, capabilities };
  },
};

/** Treatment of IP fragments, low two bits of the flags, OFPC_FRAG_* (7.3.2). */
export const FragmentHandling = { normal: 0, drop: 1, reassemble: 2 } as const;

/** A switch's configuration, as asked, answered or set (7.3.2). */
export interface SwitchConfig {
  readonly type: 'get-config-reply' | 'set-config';
  /** One of FragmentHandling. */
  readonly flags: number;
  /** Bytes of a packet that packet-in carries when it is neither buffered nor asked for by an output action. */
  readonly missSendBytes: number;
}

function configCodec(type: SwitchConfig['type'], wireType: number): MessageCodec<SwitchConfig> {
  return {
    wireType,
    write(writer: Writer, message: SwitchConfig) {
      writer.u16(message.flags, 'flags');
      writer.u16(message.missSendBytes, 'missSendBytes');
    },
    read: (cursor) => ({ type, flags: cursor.u16(), missSendBytes: cursor.u16() }),
  };
}

export const getConfigReplyCodec = configCodec('get-config-reply', 8);
export const setConfigCodec = configCodec('set-config', 9);

/** Configures a flow table; 1.3 defines no bit that does anything (7.3.3). */
export interface TableMod {
  readonly type: 'table-mod';
  readonly tableId: number;
  readonly config: number;
}

export const tableModCodec: MessageCodec<TableMod> = {
  wireType: 17,
  write(writer, message) {
    writer.u8(message.tableId, 'tableId');
    writer.pad(3);
    writer.u32(message.config, 'config');
  },
  read(cursor) {
    const tableId = cursor.u8();
    cursor.skip(3);
    return { type: 'table-mod', tableId, config: cursor.u32() };
  },
};
