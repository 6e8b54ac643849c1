// The tables of Open vSwitch's database that are used here, with the columns that are used (ovs-vswitchd.conf.db(5)).
// `schema-check.ts` compares them with what a server says before anything is asked of it.
import { one, optional, reference, references, set, table, textMap } from './table.ts';

/** The name of the database. */
export const OPEN_VSWITCH = 'Open_vSwitch';

/** The one row from which all else is reached. */
export const OpenVswitchTable = table('Open_vSwitch', {
  bridges: references('Bridge'),
  manager_options: references('Manager'),
  ssl: reference('SSL'),
  other_config: textMap,
  external_ids: textMap,
  /** Raised by who changes something; the switch repeats it in `cur_cfg` when it has obeyed. */
  next_cfg: one('integer'),
  cur_cfg: one('integer'),
  ovs_version: optional('string'),
});

export const BridgeTable = table('Bridge', {
  name: one('string'),
  datapath_type: one('string'),
  datapath_id: optional('string'),
  fail_mode: optional('string'),
  protocols: set('string'),
  ports: references('Port'),
  controller: references('Controller'),
  other_config: textMap,
  external_ids: textMap,
});

export const PortTable = table('Port', {
  name: one('string'),
  interfaces: references('Interface'),
  external_ids: textMap,
});

export const InterfaceTable = table('Interface', {
  name: one('string'),
  type: one('string'),
  options: textMap,
  ofport_request: optional('integer'),
  /** The switch's: the number that it gave, -1 where it could not make the port, none before it looked. */
  ofport: optional('integer'),
  /** The switch's: why it could not make the port. */
  error: optional('string'),
  external_ids: textMap,
});

export const ControllerTable = table('Controller', {
  target: one('string'),
  connection_mode: optional('string'),
  /** In ms, 1000 at the least. */
  max_backoff: optional('integer'),
  /** In ms; 0 is never. */
  inactivity_probe: optional('integer'),
  is_connected: one('boolean'),
  /** The switch's: `master`, `slave` or `other`. */
  role: optional('string'),
  external_ids: textMap,
});

export const ManagerTable = table('Manager', {
  target: one('string'),
  connection_mode: optional('string'),
  is_connected: one('boolean'),
  external_ids: textMap,
});

/** The files (PEM) by which the switch proves itself on every connection, and knows the others. */
export const SslTable = table('SSL', {
  private_key: one('string'),
  certificate: one('string'),
  ca_cert: one('string'),
  bootstrap_ca_cert: one('boolean'),
  external_ids: textMap,
});

export const TABLES = [
  OpenVswitchTable,
  BridgeTable,
  PortTable,
  InterfaceTable,
  ControllerTable,
  ManagerTable,
  SslTable,
] as const;
