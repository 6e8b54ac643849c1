// Nicira's actions, which Open vSwitch understands beside the standard ones (ovs-actions(7)). Holds no bytes: each is
// written and read in a room of its concern in this folder.

import type { Action, ExperimenterAction, SetRawField } from '../action-types.ts';
import type { CtSettableField, FieldName, FieldValue, MaskableField } from '../fields.ts';
import type { Masked } from '../oxm.ts';

/** Bits of a field: `bits` of them from `bit` up; bit 0 is the least significant. */
export interface FieldBits {
  readonly field: FieldName;
  readonly bit: number;
  readonly bits: number;
}

/** Copies `bits` bits from one field to another; bit 0 is the least significant. NXAST_REG_MOVE (ovs-actions(7), move). */
export interface NxRegMove {
  readonly type: 'nx-reg-move';
  readonly from: FieldName;
  readonly fromBit: number;
  readonly to: FieldName;
  readonly toBit: number;
  readonly bits: number;
}

/** Writes the low `bits` (1..64) bits of `value` into a field from `toBit` up. NXAST_REG_LOAD (ovs-actions(7), load). */
export interface NxRegLoad {
  readonly type: 'nx-reg-load';
  readonly to: FieldName;
  readonly toBit: number;
  readonly bits: number;
  readonly value: bigint;
}

/** Writes a whole field or, under a mask, some of its bits. NXAST_REG_LOAD2 (ovs-actions(7), set_field). */
export type NxRegLoad2 = {
  [F in FieldName]: {
    readonly type: 'nx-reg-load2';
    readonly field: F;
    readonly value: FieldValue<F> | (F extends MaskableField ? Masked<FieldValue<F>> : never);
  };
}[FieldName];

/** Looks the packet up again in this table as if it came in by `inPort`, 16 bits wide. NXAST_RESUBMIT. */
export interface NxResubmit {
  readonly type: 'nx-resubmit';
  readonly inPort: number;
}

/**
 * Looks the packet up in table `tableId` (255: this one); `inPort` NX_RESUBMIT_IN_PORT keeps the packet's own port. The
 * `-ct` form looks it up with the connection's original addresses. NXAST_RESUBMIT_TABLE, NXAST_RESUBMIT_TABLE_CT.
 */
export interface NxResubmitTable {
  readonly type: 'nx-resubmit-table' | 'nx-resubmit-table-ct';
  readonly inPort: number;
  readonly tableId: number;
}

/** Bytes without an effect, for people who read flow tables. Written zero-filled to 6, 14, 22, ... bytes. NXAST_NOTE. */
export interface NxNote {
  readonly type: 'nx-note';
  readonly note: Uint8Array;
}

/**
 * Actions that carry nothing but their name: the end of this flow entry's actions, the queue as it was, the packet as if
 * it had never been tracked. NXAST_EXIT, NXAST_POP_QUEUE, NXAST_CT_CLEAR.
 */
export interface NxBareAction {
  readonly type: 'nx-exit' | 'nx-pop-queue' | 'nx-ct-clear';
}

/** Decrements the IP TTL; a packet whose TTL is spent goes to these controllers. NXAST_DEC_TTL_CNT_IDS. */
export interface NxDecTtl {
  readonly type: 'nx-dec-ttl';
  /** Ids that controllers have set; 0 is everyone's at first. At least one. */
  readonly controllerIds: readonly number[];
}

/** Sets the tunnel id, 32 or 64 bits wide. NXAST_SET_TUNNEL, NXAST_SET_TUNNEL64. */
export type NxSetTunnel =
  | { readonly type: 'nx-set-tunnel'; readonly tunnelId: number }
  | { readonly type: 'nx-set-tunnel64'; readonly tunnelId: bigint };

/** Writes the bits of `metadata` set in `mask`, as an action. NXAST_WRITE_METADATA. */
export interface NxWriteMetadata {
  readonly type: 'nx-write-metadata';
  readonly metadata: bigint;
  readonly mask: bigint;
}

/** Sends to the port whose number stands in some bits of a field. NXAST_OUTPUT_REG2 and the older NXAST_OUTPUT_REG. */
export interface NxOutputReg extends FieldBits {
  readonly type: 'nx-output-reg' | 'nx-output-reg2';
  /** As in `output`. */
  readonly maxBytes: number;
}

/** Sends at most `maxBytes` of the packet to a port, 16 bits wide. NXAST_OUTPUT_TRUNC. */
export interface NxOutputTrunc {
  readonly type: 'nx-output-trunc';
  readonly port: number;
  readonly maxBytes: number;
}

/** Puts some bits of a field on the packet's stack, or takes them from it. NXAST_STACK_PUSH, NXAST_STACK_POP. */
export interface NxStack extends FieldBits {
  readonly type: 'nx-stack-push' | 'nx-stack-pop';
}

/** Makes the entry the clause `clause` (0 to `clauses` - 1) of conjunctive match `id`. NXAST_CONJUNCTION. */
export interface NxConjunction {
  readonly type: 'nx-conjunction';
  readonly id: number;
  readonly clause: number;
  /** 2 to 64. */
  readonly clauses: number;
}

/** Shortens the entry's timeouts when a TCP connection ends. NXAST_FIN_TIMEOUT. */
export interface NxFinTimeout {
  readonly type: 'nx-fin-timeout';
  readonly idleTimeoutSec: number;
  readonly hardTimeoutSec: number;
}

/** Sets one bit of a field to whether the packet is over `packetBytes` long. NXAST_CHECK_PKT_LARGER. */
export interface NxCheckPacketLarger {
  readonly type: 'nx-check-pkt-larger';
  readonly packetBytes: number;
  readonly field: FieldName;
  readonly bit: number;
}

/** Sends the packet to one controller. NXAST_CONTROLLER. */
export interface NxController {
  readonly type: 'nx-controller';
  readonly maxBytes: number;
  readonly controllerId: number;
  /** Number of the packet-in reason: 0 no match, 1 action, 2 invalid TTL. */
  readonly reason: number;
}

/** Sends the packet to one controller, with data of the flow's; absent parts keep their defaults. NXAST_CONTROLLER2. */
export interface NxController2 {
  readonly type: 'nx-controller2';
  readonly maxBytes?: number;
  readonly controllerId?: number;
  readonly reason?: number;
  /** Comes back in the packet-in2, if the controller has asked for that format. */
  readonly userdata?: Uint8Array;
  /** The packet waits for an nx-resume. */
  readonly pause?: true;
}

/** Does actions on a copy of the packet. NXAST_CLONE. */
export interface NxClone {
  readonly type: 'nx-clone';
  readonly actions: readonly Action[];
}

/** An address and port range of a translation; the upper end may be left out. */
export type NatRange =
  | { readonly family: 'ipv4'; readonly min: number; readonly max?: number }
  | { readonly family: 'ipv6'; readonly min: bigint; readonly max?: bigint };

/**
 * Translates addresses of a connection that is committed, or, without a direction, those of one that already is. Bits
 * beside the direction: NatFlag. Only within nx-ct. NXAST_NAT (ovs-actions(7), ct, nat).
 */
export interface NxNat {
  readonly type: 'nx-nat';
  /** Bits of NatFlag. */
  readonly flags: number;
  readonly addresses?: NatRange;
  readonly ports?: { readonly min: number; readonly max?: number };
}

/** A set-field of a field that only the actions within nx-ct may write. */
export type SetCtField = {
  [F in CtSettableField]: { readonly type: 'set-field'; readonly field: F; readonly value: FieldValue<F> };
}[CtSettableField];

/** What may stand within nx-ct: nat, and writes of the connection's mark and label. */
export type CtNested =
  | NxNat
  | SetCtField
  | (NxRegMove & { readonly to: CtSettableField })
  | (NxRegLoad & { readonly to: CtSettableField })
  | Extract<NxRegLoad2, { readonly field: CtSettableField }>
  | SetRawField
  | ExperimenterAction;

/** Where a connection's zone comes from: a number, or 16 bits of a field. */
export type CtZone = number | FieldBits;

/** Tracks the packet's connection (ovs-actions(7), ct). NXAST_CT. */
export interface NxCt {
  readonly type: 'nx-ct';
  /** Bits of CtFlag. */
  readonly flags: number;
  readonly zone: CtZone;
  /** The packet goes on in this table once it is tracked; NX_CT_NO_TABLE: it does not. */
  readonly recircTable: number;
  /** Well-known port of the protocol whose related connections are to be followed, 21 for FTP; 0 for none. */
  readonly alg: number;
  readonly actions: readonly CtNested[];
}

/** One of Nicira's actions; nx-nat stands within nx-ct only. */
export type NiciraAction =
  | NxRegMove
  | NxRegLoad
  | NxRegLoad2
  | NxResubmit
  | NxResubmitTable
  | NxNote
  | NxBareAction
  | NxDecTtl
  | NxSetTunnel
  | NxWriteMetadata
  | NxOutputReg
  | NxOutputTrunc
  | NxStack
  | NxConjunction
  | NxFinTimeout
  | NxCheckPacketLarger
  | NxController
  | NxController2
  | NxClone
  | NxCt;
