// Random messages of queues, tables, counters and wishes that Open vSwitch takes, each with what ovs-ofctl must say
// of it, in that order.
import { PortNumber, QUEUE_ALL, type TlvMapping } from '@openflow/ofp';
import { portSays, randomOvsPort, type Saying, type SayingMaker } from './ovs-messages.ts';
import {
  durationSaid,
  hex,
  listOf,
  reply,
  request,
  someCount,
  someDuration,
  someName,
  somePort,
} from './ovs-sayings.ts';

const queueConfig: SayingMaker = (r) => {
  const portNo = somePort(r);
  const queues = listOf(r, 3, () => {
    const [minimum, maximum] = [r.below(1000), r.below(1000)];
    const properties = [
      { type: 'min-rate', rate: minimum },
      { type: 'max-rate', rate: maximum },
    ] as const;
    return { queueId: r.below(0xfffffffe), portNo, properties };
  });
  // Every rate in tenths of a percent.
  const percent = (rate = 0): string => `${Math.floor(rate / 10)}.${rate % 10}%`;
  return {
    message: { type: 'queue-get-config-reply', portNo, queues },
    says: [
      `port=${portNo}\n`,
      // Open vSwitch prints them in the order of their numbers.
      ...queues
        .toSorted((a, b) => a.queueId - b.queueId)
        .map(
          ({ queueId, properties: [minimum, maximum] }) =>
            `queue ${queueId}: min_rate:${percent(minimum.rate)} max_rate:${percent(maximum.rate)}`,
        ),
    ],
  };
};

const queueStats: SayingMaker = (r) => {
  const queues = listOf(r, 4, () => ({
    ...{ portNo: somePort(r), queueId: r.below(999), txBytes: someCount(r), txPackets: someCount(r) },
    ...{ txErrors: someCount(r), ...someDuration(r) },
  }));
  return {
    message: reply({ part: 'queue-stats', queues }),
    says: queues.map(
      (queue) =>
        `port ${queue.portNo} queue ${queue.queueId}: bytes=${queue.txBytes}, pkts=${queue.txPackets}, ` +
        `errors=${queue.txErrors}, duration=${durationSaid(queue)}`,
    ),
  };
};

const portStats: SayingMaker = (r) => {
  const ports = listOf(r, 4, () => ({
    ...{ portNo: somePort(r), rxPackets: someCount(r), txPackets: someCount(r), rxBytes: someCount(r) },
    ...{ txBytes: someCount(r), rxDropped: someCount(r), txDropped: someCount(r), rxErrors: someCount(r) },
    ...{ txErrors: someCount(r), rxFrameErrors: someCount(r), rxOverErrors: someCount(r) },
    ...{ rxCrcErrors: 0xffff_ffff_ffff_ffffn, collisions: someCount(r), ...someDuration(r) },
  }));
  return {
    message: reply({ part: 'port-stats', ports }),
    says: ports.flatMap((port) => [
      `${port.portNo}: rx pkts=${port.rxPackets}, bytes=${port.rxBytes}, drop=${port.rxDropped}, errs=${port.rxErrors}`,
      `frame=${port.rxFrameErrors}, over=${port.rxOverErrors}, crc=?`,
      `tx pkts=${port.txPackets}, bytes=${port.txBytes}, drop=${port.txDropped}, errs=${port.txErrors}`,
      `coll=${port.collisions}`,
      `duration=${durationSaid(port)}`,
    ]),
  };
};

const tableStats: SayingMaker = (r) => {
  // In ascending order and unlike each other: tables with the same counters are printed together.
  const tables = [3, 9].map((tableId) => ({
    ...{ tableId, activeCount: r.bits(32), lookupCount: someCount(r), matchedCount: someCount(r) },
  }));
  return {
    message: reply({ part: 'table', tables }),
    says: tables.flatMap((table) => [
      `table ${table.tableId}:`,
      `active=${table.activeCount}, lookup=${table.lookupCount}, matched=${table.matchedCount}`,
    ]),
  };
};

const aggregate: SayingMaker = (r) => {
  const [packetCount, byteCount, flowCount] = [someCount(r), someCount(r), r.bits(32)];
  return {
    message: reply({ part: 'aggregate', packetCount, byteCount, flowCount }),
    says: [`packet_count=${packetCount} byte_count=${byteCount} flow_count=${flowCount}`],
  };
};

const portDesc: SayingMaker = (r) => {
  const ports = listOf(r, 3, () => randomOvsPort(r));
  // Open vSwitch prints them in the order of their numbers.
  const says = ports.toSorted((a, b) => a.portNo - b.portNo).flatMap(portSays);
  return { message: reply({ part: 'port-desc', ports }), says };
};

const desc: SayingMaker = (r) => {
  const name = () => someName(r, 31);
  const body = { manufacturer: name(), hardware: name(), software: name(), serialNumber: name(), datapath: name() };
  return {
    message: reply({ part: 'desc', ...body }),
    says: [
      `Manufacturer: ${body.manufacturer}\nHardware: ${body.hardware}\nSoftware: ${body.software}\n`,
      `Serial Num: ${body.serialNumber}\nDP Description: ${body.datapath}`,
    ],
  };
};

/** Requests with what is asked for, or for all. */
const requests: SayingMaker = (r): Saying => {
  const [portNo, number] = [somePort(r), r.below(9999)];
  return r.pick<Saying>([
    { message: request({ part: 'port-stats', portNo }), says: [`OFPST_PORT request`, `port_no=${portNo}`] },
    { message: request({ part: 'port-stats', portNo: PortNumber.any }), says: ['port_no=ANY'] },
    { message: request({ part: 'queue-stats', portNo, queueId: number }), says: [`port=${portNo} queue=${number}`] },
    {
      message: request({ part: 'queue-stats', portNo: PortNumber.any, queueId: QUEUE_ALL }),
      says: ['port=ANY queue=ALL'],
    },
    { message: request({ part: 'group-stats', groupId: number }), says: [`OFPST_GROUP request`, `group_id=${number}`] },
    { message: request({ part: 'meter-stats', meterId: number }), says: ['OFPST_METER request', `meter=${number}`] },
    { message: request({ part: 'meter-config', meterId: number }), says: ['METER_CONFIG request', `meter=${number}`] },
    { message: request({ part: 'group-desc' }), says: ['OFPST_GROUP_DESC request'] },
    { message: request({ part: 'group-features' }), says: ['OFPST_GROUP_FEATURES request'] },
    { message: request({ part: 'meter-features' }), says: ['OFPST_METER_FEATURES request'] },
    { message: request({ part: 'table-features', tables: [] }), says: ['OFPST_TABLE_FEATURES request'] },
    { message: request({ part: 'port-desc' }), says: ['OFPST_PORT_DESC request'] },
    { message: request({ part: 'table' }), says: ['OFPST_TABLE request'] },
    { message: request({ part: 'desc' }), says: ['OFPST_DESC request'] },
    { message: { type: 'queue-get-config-request', portNo }, says: [`QUEUE_GET_CONFIG_REQUEST`, `port=${portNo}`] },
  ]);
};

const tableFeatures: SayingMaker = (r) => {
  const name = someName(r, 31);
  const [tableId, maxEntries] = [r.below(250), 1 + r.bits(31)];
  const [metadataMatch, metadataWrite] = [r.bigBits(64), r.bigBits(64)];
  const next = tableId + 1 + r.below(4);
  return {
    message: reply({
      part: 'table-features',
      tables: [
        {
          ...{ tableId, name, metadataMatch, metadataWrite, config: 0, maxEntries },
          properties: [
            { type: 'instructions', miss: false, instructions: ['apply-actions', 'goto-table'] },
            { type: 'instructions', miss: true, instructions: ['apply-actions'] },
            { type: 'next-tables', miss: false, tableIds: [next] },
            { type: 'write-actions', miss: false, actions: ['output', 'group', 'set-field'] },
            { type: 'apply-actions', miss: false, actions: ['output', 'push-vlan', 'dec-nw-ttl'] },
            { type: 'match', fields: [{ field: 'reg3', masked: true }] },
            { type: 'wildcards', fields: [{ field: 'reg3', masked: false }] },
            { type: 'write-setfield', miss: false, fields: [{ field: 'ethDst', masked: false }] },
            { type: 'apply-setfield', miss: false, fields: [{ field: 'xreg2', masked: false }] },
          ],
        },
      ],
    }),
    says: [
      `table ${tableId} ("${name}"):\n    metadata: match=${hex(metadataMatch)} write=${hex(metadataWrite)}\n`,
      `max_entries=${maxEntries}\n`,
      `next tables: ${next}\n      instructions: apply_actions goto_table\n`,
      'actions: output group set_field\n        supported on Set-Field: eth_dst\n',
      'actions: output push_vlan dec_ttl\n        supported on Set-Field: xreg2\n',
      'instructions (table miss):\n',
      'instructions: apply_actions\n',
      'arbitrary mask: reg3',
    ],
  };
};

const tlvTable: SayingMaker = (r) => {
  const mappings: TlvMapping[] = listOf(r, 3, () => ({
    ...{ optionClass: r.bits(16), optionType: r.bits(8), optionBytes: 4 * (1 + r.below(31)), index: r.below(64) },
  }));
  const command = r.pick(['add', 'delete'] as const);
  return {
    message: { type: 'nx-tlv-table-mod', command, mappings },
    says: [
      command === 'add' ? 'ADD mapping table' : 'DEL mapping table',
      ...mappings.map(({ optionBytes, index }) => `  ${optionBytes}  tun_metadata${index}`),
    ],
  };
};

const asyncConfig2: SayingMaker = (r) => {
  const [packetIn, portStatus] = [r.below(4), r.below(8)];
  const packetInSaid = ['(off)', 'no_match', 'action', 'no_match action'][packetIn];
  const said = ['add', 'delete', 'modify'].filter((_, i) => ((portStatus >> i) & 1) === 1).join(' ') || '(off)';
  return {
    message: {
      type: 'nx-set-async-config2',
      wishes: [
        { message: 'packet-in', role: 'master', reasons: packetIn },
        { message: 'port-status', role: 'slave', reasons: portStatus },
        { message: 'requestforward', role: 'slave', reasons: 1 },
      ],
    },
    says: [
      ...['primary:', `PACKET_IN: ${packetInSaid}\n`, 'PORT_STATUS: (off)\n'],
      ...['secondary:', 'PACKET_IN: (off)\n', `PORT_STATUS: ${said}\n`, 'REQUESTFORWARD: group_mod_request'],
    ],
  };
};

export const STATS_MAKERS: readonly SayingMaker[] = [
  queueConfig,
  queueStats,
  portStats,
  tableStats,
  aggregate,
  portDesc,
  desc,
  requests,
  requests,
  tableFeatures,
  tlvTable,
  asyncConfig2,
];
