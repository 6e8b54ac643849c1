// Random messages that Open vSwitch takes, each with what ovs-ofctl must say of it, in that order.
import { encode, flowMod, type Message, type Port } from '@openflow/ofp';
import type { Random } from '../unit/openflow/random.ts';
import { randomEth } from '../unit/openflow/random-field.ts';
import {
  bitsSaid,
  CAPABILITIES,
  durationSaid,
  FEATURES,
  hex,
  PORT_CONFIG,
  PORT_STATE,
  someBits,
  someCount,
  someDuration,
  someName,
  somePort,
} from './ovs-sayings.ts';

/** A message, and the texts that its print must hold in this order. */
export interface Saying {
  readonly message: Message;
  readonly says: readonly string[];
}

/** Makes a message; `xid` will be its transaction id. */
export type SayingMaker = (random: Random, xid: number) => Saying;

const NOTHING = new Uint8Array(0);
export function randomOvsPort(random: Random): Port {
  return {
    portNo: somePort(random),
    hwAddress: randomEth(random),
    name: someName(random, 15),
    config: someBits(random, PORT_CONFIG),
    state: someBits(random, PORT_STATE),
    current: 1 + someBits(random, { ...FEATURES, names: FEATURES.names.slice(1) }),
    advertised: 1 + someBits(random, { ...FEATURES, names: FEATURES.names.slice(1) }),
    supported: 1 + someBits(random, { ...FEATURES, names: FEATURES.names.slice(1) }),
    peer: 1 + someBits(random, { ...FEATURES, names: FEATURES.names.slice(1) }),
    currentKbps: random.bits(32),
    maxKbps: random.bits(32),
  };
}

export function portSays(port: Port): string[] {
  return [
    `${port.portNo}(${port.name}): addr:${port.hwAddress}\n`,
    `config:     ${bitsSaid(port.config, PORT_CONFIG)}\n`,
    `state:      ${bitsSaid(port.state, PORT_STATE)}\n`,
    `current:    ${bitsSaid(port.current, FEATURES)}\n`,
    `advertised: ${bitsSaid(port.advertised, FEATURES)}\n`,
    `supported:  ${bitsSaid(port.supported, FEATURES)}\n`,
    `peer:       ${bitsSaid(port.peer, FEATURES)}\n`,
    `speed: ${Math.floor(port.currentKbps / 1000)} Mbps now, ${Math.floor(port.maxKbps / 1000)} Mbps max`,
  ];
}

const ROLE_SAID = { 'no-change': 'nochange', equal: 'equal', master: 'primary', slave: 'secondary' } as const;
const FRAGMENTS_SAID = ['normal', 'drop', 'reassemble'];

function configuration(type: 'set-config' | 'get-config-reply'): SayingMaker {
  return (r) => {
    const flags = r.below(3);
    const missSendBytes = r.bits(16);
    return {
      message: { type, flags, missSendBytes },
      says: [`frags=${FRAGMENTS_SAID[flags]} miss_send_len=${missSendBytes}`],
    };
  };
}

function role(type: 'role-request' | 'role-reply'): SayingMaker {
  return (r) => {
    const wish = r.pick(['equal', 'master', 'slave'] as const);
    const generationId = r.bigBits(63);
    const generation = wish === 'equal' && type === 'role-request' ? '' : ` generation_id=${generationId}`;
    return { message: { type, role: wish, generationId }, says: [`role=${ROLE_SAID[wish]}${generation}`] };
  };
}

const PACKET_IN_SAID = ['no_match', 'action', 'invalid_ttl'];
const PORT_STATUS_SAID = ['add', 'delete', 'modify'];
const FLOW_REMOVED_SAID = ['idle', 'hard', 'delete', 'group_delete'];

function reasons(bits: number, names: readonly string[]): string {
  return bitsSaid(bits, { names: names.map((name, i) => [1 << i, name]), none: '(off)' });
}

function asyncMessage(type: 'set-async' | 'get-async-reply' | 'nx-set-async-config'): SayingMaker {
  return (r) => {
    const masks = (bits: number) => ({ master: r.bits(bits), slave: r.bits(bits) });
    const [packetIn, portStatus, flowRemoved] = [masks(3), masks(3), masks(4)];
    const says = (['master', 'slave'] as const).flatMap((side) => [
      side === 'master' ? 'primary:' : 'secondary:',
      `PACKET_IN: ${reasons(packetIn[side], PACKET_IN_SAID)}\n`,
      `PORT_STATUS: ${reasons(portStatus[side], PORT_STATUS_SAID)}\n`,
      `FLOW_REMOVED: ${reasons(flowRemoved[side], FLOW_REMOVED_SAID)}\n`,
    ]);
    return { message: { type, packetIn, portStatus, flowRemoved }, says };
  };
}

function echo(type: 'echo-request' | 'echo-reply'): SayingMaker {
  return (r) => {
    const data = r.bytes(r.below(99));
    return { message: { type, data }, says: [`: ${data.length} bytes of payload`] };
  };
}

const BARE = {
  'features-request': 'OFPT_FEATURES_REQUEST',
  'get-config-request': 'OFPT_GET_CONFIG_REQUEST',
  'barrier-request': 'OFPT_BARRIER_REQUEST',
  'barrier-reply': 'OFPT_BARRIER_REPLY',
  'get-async-request': 'OFPT_GET_ASYNC_REQUEST',
  'nx-tlv-table-request': 'NXT_TLV_TABLE_REQUEST',
} as const;

const bare: SayingMaker = (r) => {
  const type = r.pick(Object.keys(BARE) as (keyof typeof BARE)[]);
  return { message: { type }, says: [`${BARE[type]} (OF1.3)`] };
};

const features: SayingMaker = (r) => {
  const datapathId = r.bigBits(64);
  const [bufferCount, tableCount, auxiliaryId] = [r.bits(32), r.bits(8), r.bits(8)];
  const capabilities = someBits(r, CAPABILITIES);
  return {
    message: { type: 'features-reply', datapathId, bufferCount, tableCount, auxiliaryId, capabilities },
    says: [
      `dpid:${datapathId.toString(16).padStart(16, '0')}\n`,
      `n_tables:${tableCount}, n_buffers:${bufferCount}${auxiliaryId === 0 ? '' : `, auxiliary_id:${auxiliaryId}`}\n`,
      `capabilities: ${bitsSaid(capabilities, CAPABILITIES)}`,
    ],
  };
};

const portStatus: SayingMaker = (r) => {
  const port = randomOvsPort(r);
  const reason = r.pick(['add', 'delete', 'modify'] as const);
  const said = { add: 'ADD', delete: 'DEL', modify: 'MOD' }[reason];
  return { message: { type: 'port-status', reason, port }, says: [`${said}: `, ...portSays(port)] };
};

const portMod: SayingMaker = (r) => {
  const [config, mask] = [someBits(r, PORT_CONFIG), someBits(r, PORT_CONFIG)];
  const advertise = someBits(r, FEATURES);
  const [portNo, hwAddress] = [somePort(r), randomEth(r)];
  return {
    message: { type: 'port-mod', portNo, hwAddress, config, mask, advertise },
    says: [
      `port: ${portNo}: addr:${hwAddress}\n`,
      `config: ${bitsSaid(config & mask, PORT_CONFIG)}\n`,
      `mask:   ${bitsSaid(mask, PORT_CONFIG)}\n`,
      `advertise: ${bitsSaid(advertise, { ...FEATURES, none: 'UNCHANGED' })}`,
    ],
  };
};

const flowRemoved: SayingMaker = (r) => {
  const reason = r.pick(['idle-timeout', 'hard-timeout', 'delete', 'group-delete', 'meter-delete'] as const);
  const said = { 'idle-timeout': 'idle', 'hard-timeout': 'hard', delete: 'delete' }[reason as string];
  const [inPort, tableId] = [somePort(r), r.below(255)];
  const [idleTimeoutSec, hardTimeoutSec] = [1 + r.below(65_000), 1 + r.below(65_000)];
  const [packetCount, byteCount] = [someCount(r), someCount(r)];
  const cookie = 1n + r.bigBits(60);
  const durations = someDuration(r);
  const counts = { packetCount, byteCount };
  return {
    message: {
      type: 'flow-removed',
      ...{ cookie, priority: 7, reason, tableId, idleTimeoutSec, hardTimeoutSec, ...durations, ...counts },
      match: { inPort },
    },
    says: [
      `priority=7,in_port=${inPort} reason=${said ?? reason.replace('-', '_')} table_id=${tableId} cookie:${hex(cookie)}`,
      `duration${durationSaid(durations)} idle${idleTimeoutSec} hard${hardTimeoutSec} pkts${packetCount} bytes${byteCount}`,
    ],
  };
};

const packetIn: SayingMaker = (r) => {
  const reason = r.pick(['no-match', 'action', 'invalid-ttl'] as const);
  const [inPort, reg4, tunnelId, tableId] = [somePort(r), 1 + r.below(99), 1n + r.bigBits(30), 1 + r.below(250)];
  const data = new Uint8Array(14 + r.below(99));
  const bufferId = r.chance(0.5) ? 0xffff_ffff : r.below(999);
  const cookie = 1n + r.bigBits(60);
  const buffer = bufferId === 0xffff_ffff ? '(unbuffered)' : `buffer=0x${bufferId.toString(16).padStart(8, '0')}`;
  return {
    message: {
      type: 'packet-in',
      ...{ bufferId, totalBytes: data.length, reason, tableId, cookie, data },
      match: { inPort, tunnelId, reg4 },
    },
    says: [
      `table_id=${tableId} cookie=${hex(cookie)} total_len=${data.length} `,
      `reg4=${hex(reg4)},`,
      `tun_id=${hex(tunnelId)},in_port=${inPort} (via ${reason.replace('-', '_')}) data_len=${data.length} ${buffer}`,
    ],
  };
};

const packetIn2: SayingMaker = (r) => {
  const type = r.pick(['nx-packet-in2', 'nx-resume'] as const);
  const [inPort, reg4, tableId, reason] = [somePort(r), 1 + r.below(99), r.below(254) + 1, r.below(3)];
  const data = new Uint8Array(14 + r.below(99));
  const totalBytes = data.length + r.below(99);
  const cookie = 1n + r.bigBits(60);
  const userdata = r.bytes(1 + r.below(9));
  return {
    message: {
      type,
      ...{ data, totalBytes, bufferId: 77, tableId, cookie, reason, userdata },
      metadata: { inPort, reg4 },
    },
    says: [
      type === 'nx-resume' ? 'NXT_RESUME' : 'NXT_PACKET_IN2',
      `table_id=${tableId} cookie=${hex(cookie)} total_len=${totalBytes} reg4=${hex(reg4)},in_port=${inPort}`,
      `(via ${PACKET_IN_SAID[reason]}) data_len=${data.length} buffer=0x0000004d\n`,
      `userdata=${[...userdata].map((byte) => byte.toString(16).padStart(2, '0')).join('.')}\n`,
    ],
  };
};

const bundleControl: SayingMaker = (r) => {
  const control = r.pick(['open-request', 'open-reply', 'close-request', 'commit-reply', 'discard-request'] as const);
  const [bundleId, flags] = [r.bits(32), r.below(4)];
  const flagsSaid = ['0', 'atomic', 'ordered', 'atomic ordered'][flags];
  const said = control.toUpperCase().replace('-', '_');
  return {
    message: { type: 'onf-bundle-control', bundleId, control, flags, properties: NOTHING },
    says: [`bundle_id=${hex(bundleId)} type=${said} flags=${flagsSaid}`],
  };
};

const bundleAdd: SayingMaker = (r, xid) => {
  const [bundleId, inPort] = [r.bits(32), somePort(r)];
  const message = encode(flowMod({ command: 'add', match: { inPort } }), xid);
  return {
    message: { type: 'onf-bundle-add', bundleId, flags: 3, message, properties: NOTHING },
    says: [`bundle_id=${hex(bundleId)} flags=atomic ordered\n`, 'OFPT_FLOW_MOD', `in_port=${inPort} actions=drop`],
  };
};

/** Makers of all messages but those of groups, meters, queues and multipart ones, and of flows in their whole breadth. */
export const MAKERS: readonly SayingMaker[] = [
  (r) => {
    const versions = [1, 2, 3, 4, 5, 6].filter(() => r.chance(0.7));
    const said = versions.map((version) => `0x0${version}`).join(', ');
    return {
      message: { type: 'hello', versions },
      says: versions.length === 0 ? ['OFPT_HELLO'] : [`version bitmap: ${said}`],
    };
  },
  echo('echo-request'),
  echo('echo-reply'),
  bare,
  features,
  configuration('set-config'),
  configuration('get-config-reply'),
  role('role-request'),
  role('role-reply'),
  asyncMessage('set-async'),
  asyncMessage('get-async-reply'),
  asyncMessage('nx-set-async-config'),
  portStatus,
  portMod,
  flowRemoved,
  packetIn,
  packetIn2,
  bundleControl,
  bundleAdd,
  (r) => {
    const tableId = r.below(255);
    return { message: { type: 'table-mod', tableId, config: 0 }, says: [`table_id=${tableId}`] };
  },
  (r) => {
    const format = r.pick(['standard', 'nxt-packet-in', 'nxt-packet-in2'] as const);
    return {
      message: { type: 'nx-set-packet-in-format', format },
      says: [`format=${format.replaceAll('-', '_')}`],
    };
  },
  (r) => {
    const controllerId = r.bits(16);
    return { message: { type: 'nx-set-controller-id', controllerId }, says: [`id=${controllerId}`] };
  },
  (r) => {
    const zone = r.bits(16);
    return { message: { type: 'nx-ct-flush-zone', zone }, says: [`zone_id=${zone}`] };
  },
];
