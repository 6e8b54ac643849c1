// The names of experimenters' errors: ONF's, of the 1.4 features that its extensions brought to 1.3, and Open vSwitch's own
// (`ovs-ofctl print-error`). A table of facts.

/** ONF's experimenter id. */
export const ONF_EXPERIMENTER = 0x4f4e4600;

/** Nicira's experimenter id, NX_VENDOR_ID (nicira-ext.h of Open vSwitch). */
export const NX_EXPERIMENTER = 0x00002320;

/** Names of one type's codes by number, from the first one on. */
function codes(type: string, first: number, ...names: readonly string[]): [code: number, name: string][] {
  return names.map((name, i) => [first + i, `${type} ${name}`]);
}

const ONF_ERRORS: ReadonlyMap<number, string> = new Map([
  ...codes('BUNDLE_FAILED', 2300, 'UNKNOWN', 'EPERM', 'BAD_ID', 'BUNDLE_EXIST', 'BUNDLE_CLOSED', 'OUT_OF_BUNDLES'),
  ...codes('BUNDLE_FAILED', 2306, 'BAD_TYPE', 'BAD_FLAGS', 'MSG_BAD_LEN', 'MSG_BAD_XID', 'MSG_UNSUP', 'MSG_CONFLICT'),
  ...codes('BUNDLE_FAILED', 2312, 'MSG_TOO_MANY', 'MSG_FAILED', 'TIMEOUT', 'BUNDLE_IN_PROGRESS'),
  ...codes('FLOW_MOD_FAILED', 2360, 'BAD_PRIORITY'),
  ...codes('ASYNC_CONFIG_FAILED', 2370, 'INVALID', 'UNSUPPORTED', 'EPERM'),
  ...codes('BAD_PROPERTY', 4443, 'TOO_MANY', 'DUP_TYPE', 'BAD_EXPERIMENTER', 'BAD_EXP_TYPE', 'BAD_EXP_VALUE', 'EPERM'),
]);

const NICIRA_ERRORS: ReadonlyMap<number, string> = new Map([
  ...codes('BAD_REQUEST', 2, 'NXM_INVALID', 'NXM_BAD_TYPE', 'MUST_BE_ZERO', 'BAD_REASON'),
  ...codes('FLOW_MONITOR_FAILED', 6, 'MONITOR_EXISTS', 'BAD_FLAGS', 'UNKNOWN_MONITOR', 'FM_BAD_EVENT'),
  ...codes('BAD_REQUEST', 10, 'UNENCODABLE_ERROR'),
  ...codes('BAD_ACTION', 11, 'MUST_BE_ZERO'),
  ...codes('FLOW_MOD_FAILED', 12, 'HARDWARE', 'BAD_TABLE_ID'),
  ...codes('BAD_ACTION', 15, 'BAD_CONJUNCTION'),
  ...codes('TLV_TABLE_MOD_FAILED', 16, 'BAD_COMMAND', 'BAD_OPT_LEN', 'BAD_FIELD_IDX', 'TABLE_FULL', 'ALREADY_MAPPED'),
  ...codes('TLV_TABLE_MOD_FAILED', 21, 'DUP_ENTRY'),
  ...codes('RESUME_FAILED', 34, 'NOT_SUPPORTED', 'STALE'),
  ...codes('STATS_FAILED', 36, 'NOT_CONFIGURED'),
  ...codes('FLOW_MOD_FAILED', 37, 'INVALID_TLV_FIELD'),
  ...codes('TLV_TABLE_MOD_FAILED', 38, 'INVALID_TLV_DEL'),
  ...codes('BAD_ACTION', 39, 'BAD_HEADER_TYPE', 'UNKNOWN_ED_PROP', 'BAD_ED_PROP', 'CT_DATAPATH_SUPPORT'),
  ...codes('BAD_MATCH', 43, 'CT_DATAPATH_SUPPORT'),
  ...codes('TABLE_FEATURES_FAILED', 44, 'DUP_TABLE'),
]);

/** The name of an experimenter's error, where it is ONF's or Nicira's and has one. */
export function experimenterErrorName(errorCode: number, experimenter: number | undefined): string | undefined {
  if (experimenter === ONF_EXPERIMENTER) return ONF_ERRORS.get(errorCode);
  return experimenter === NX_EXPERIMENTER ? NICIRA_ERRORS.get(errorCode) : undefined;
}
