// Multipart messages as os-ken writes them in JSON.
import type {
  FlowStats,
  GroupDesc,
  GroupStats,
  MeterConfig,
  MeterStats,
  MultipartReply,
  MultipartRequest,
  PerGroupType,
  PortStats,
  QueueStats,
} from '@openflow/ofp';
import { bytesForm, instructionForm, numbers } from './os-ken-actions.ts';
import { type Form, matchForm } from './os-ken-fields.ts';
import { bandForm, bucketForm, ordinal, portForm } from './os-ken-parts.ts';
import { tableForm } from './os-ken-tables.ts';

const REQUESTS: Readonly<Record<string, string>> = {
  desc: 'OFPDescStatsRequest',
  flow: 'OFPFlowStatsRequest',
  aggregate: 'OFPAggregateStatsRequest',
  table: 'OFPTableStatsRequest',
  'port-stats': 'OFPPortStatsRequest',
  'queue-stats': 'OFPQueueStatsRequest',
  'group-stats': 'OFPGroupStatsRequest',
  'group-desc': 'OFPGroupDescStatsRequest',
  'group-features': 'OFPGroupFeaturesStatsRequest',
  'meter-stats': 'OFPMeterStatsRequest',
  'meter-config': 'OFPMeterConfigStatsRequest',
  'meter-features': 'OFPMeterFeaturesStatsRequest',
  'table-features': 'OFPTableFeaturesStatsRequest',
  'port-desc': 'OFPPortDescStatsRequest',
  experimenter: 'OFPExperimenterStatsRequest',
};

export function requestForm(message: MultipartRequest): Form {
  return { [REQUESTS[message.part] ?? '']: { flags: message.more ? '1' : '0', ...requestBody(message) } };
}

function requestBody(message: MultipartRequest): { readonly [key: string]: Form } {
  switch (message.part) {
    case 'flow':
    case 'aggregate':
      return {
        ...numbers({
          table_id: message.tableId,
          out_port: message.outPort,
          out_group: message.outGroup,
          cookie: message.cookie,
          cookie_mask: message.cookieMask,
        }),
        match: matchForm(message.match),
      };
    case 'port-stats':
      return numbers({ port_no: message.portNo });
    case 'queue-stats':
      return numbers({ port_no: message.portNo, queue_id: message.queueId });
    case 'group-stats':
      return numbers({ group_id: message.groupId });
    case 'meter-stats':
    case 'meter-config':
      return numbers({ meter_id: message.meterId });
    case 'table-features':
      return { body: message.tables.map(tableForm) };
    case 'experimenter':
      return {
        ...numbers({ experimenter: message.experimenter, exp_type: message.experimenterType }),
        data: bytesForm(message.data),
      };
    default:
      return {};
  }
}

export function replyForm(message: MultipartReply): Form {
  const name = (REQUESTS[message.part] ?? '').replace('Request', 'Reply');
  return { [name]: { flags: message.more ? '1' : '0', body: replyBody(message) } };
}

function replyBody(message: MultipartReply): Form {
  switch (message.part) {
    case 'desc':
      return {
        OFPDescStats: {
          mfr_desc: message.manufacturer,
          hw_desc: message.hardware,
          sw_desc: message.software,
          serial_num: message.serialNumber,
          dp_desc: message.datapath,
        },
      };
    case 'flow':
      return message.flows.map(flowForm);
    case 'aggregate':
      return {
        OFPAggregateStats: numbers({
          packet_count: message.packetCount,
          byte_count: message.byteCount,
          flow_count: message.flowCount,
        }),
      };
    case 'table':
      return message.tables.map((table) => ({
        OFPTableStats: numbers({
          table_id: table.tableId,
          active_count: table.activeCount,
          lookup_count: table.lookupCount,
          matched_count: table.matchedCount,
        }),
      }));
    case 'port-stats':
      return message.ports.map(portStatsForm);
    case 'queue-stats':
      return message.queues.map(queueStatsForm);
    case 'group-stats':
      return message.groups.map(groupStatsForm);
    case 'group-desc':
      return message.groups.map(groupDescForm);
    case 'group-features':
      return {
        OFPGroupFeaturesStats: {
          ...numbers({ types: message.types, capabilities: message.capabilities }),
          max_groups: perType(message.maxGroups),
          actions: perType(message.actions),
        },
      };
    case 'meter-stats':
      return message.meters.map(meterStatsForm);
    case 'meter-config':
      return message.meters.map(meterConfigForm);
    case 'meter-features':
      return [
        {
          OFPMeterFeaturesStats: numbers({
            max_meter: message.maxMeters,
            band_types: message.bandTypes,
            capabilities: message.capabilities,
            max_bands: message.maxBands,
            max_color: message.maxColor,
          }),
        },
      ];
    case 'table-features':
      return message.tables.map(tableForm);
    case 'port-desc':
      return message.ports.map(portForm);
    case 'experimenter':
      return {
        OFPExperimenterMultipart: {
          ...numbers({ experimenter: message.experimenter, exp_type: message.experimenterType }),
          data: bytesForm(message.data),
        },
      };
    case 'raw':
      throw new Error('a raw part has no form in os-ken');
  }
}

function duration({ durationSec, durationNsec }: { durationSec: number; durationNsec: number }) {
  return numbers({ duration_sec: durationSec, duration_nsec: durationNsec });
}

function flowForm(flow: FlowStats): Form {
  return {
    OFPFlowStats: {
      ...duration(flow),
      ...numbers({
        table_id: flow.tableId,
        priority: flow.priority,
        idle_timeout: flow.idleTimeoutSec,
        hard_timeout: flow.hardTimeoutSec,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: flow.packetCount,
        byte_count: flow.byteCount,
      }),
      match: matchForm(flow.match),
      instructions: flow.instructions.map(instructionForm),
    },
  };
}

function portStatsForm(port: PortStats): Form {
  return {
    OFPPortStats: {
      ...duration(port),
      ...numbers({
        port_no: port.portNo,
        rx_packets: port.rxPackets,
        tx_packets: port.txPackets,
        rx_bytes: port.rxBytes,
        tx_bytes: port.txBytes,
        rx_dropped: port.rxDropped,
        tx_dropped: port.txDropped,
        rx_errors: port.rxErrors,
        tx_errors: port.txErrors,
        rx_frame_err: port.rxFrameErrors,
        rx_over_err: port.rxOverErrors,
        rx_crc_err: port.rxCrcErrors,
        collisions: port.collisions,
      }),
    },
  };
}

function queueStatsForm(queue: QueueStats): Form {
  return {
    OFPQueueStats: {
      ...duration(queue),
      ...numbers({
        port_no: queue.portNo,
        queue_id: queue.queueId,
        tx_bytes: queue.txBytes,
        tx_packets: queue.txPackets,
        tx_errors: queue.txErrors,
      }),
    },
  };
}

function counts({ packetCount, byteCount }: { packetCount: bigint; byteCount: bigint }) {
  return numbers({ packet_count: packetCount, byte_count: byteCount });
}

function groupStatsForm(group: GroupStats): Form {
  return {
    OFPGroupStats: {
      ...duration(group),
      ...counts(group),
      ...numbers({ group_id: group.groupId, ref_count: group.refCount }),
      bucket_stats: group.buckets.map((bucket) => ({ OFPBucketCounter: counts(bucket) })),
    },
  };
}

const GROUP_TYPES = ['all', 'select', 'indirect', 'fast-failover'] as const;

function groupDescForm({ groupType, groupId, buckets }: GroupDesc): Form {
  return {
    OFPGroupDescStats: {
      type: ordinal(GROUP_TYPES, groupType),
      group_id: String(groupId),
      buckets: buckets.map(bucketForm),
    },
  };
}

function perType(of: PerGroupType): Form {
  return GROUP_TYPES.map((type) => String(of[type]));
}

function meterStatsForm(meter: MeterStats): Form {
  return {
    OFPMeterStats: {
      ...duration(meter),
      ...numbers({
        meter_id: meter.meterId,
        flow_count: meter.flowCount,
        packet_in_count: meter.packetInCount,
        byte_in_count: meter.byteInCount,
      }),
      band_stats: meter.bands.map((band) => ({
        OFPMeterBandStats: numbers({ packet_band_count: band.packetCount, byte_band_count: band.byteCount }),
      })),
    },
  };
}

function meterConfigForm({ flags, meterId, bands }: MeterConfig): Form {
  return { OFPMeterConfigStats: { ...numbers({ flags, meter_id: meterId }), bands: bands.map(bandForm) } };
}
