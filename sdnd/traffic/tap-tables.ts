// The tables by which the kernel counts what each guest sends (nftables, netdev family): at the guest's device, before any
// switch, by receiver. One table for each port, so that no guest's receivers crowd out another's; an entry of its own for each
// receiver, made by the frame that needs it and gone an hour after the last one. Text and JSON only; runs nothing.
// In the switch the same would take a flow for each pair: of 500 guests on 40 nodes each switch has 12 and would need 6,000.
import { Type } from '#typebox';
import { SchemaCheck } from '../../common/schema-check.ts';

const PREFIX = 'supercloud-';
const CHAIN = 'sent';
/** Receivers that are counted apart; while these are in use frames to more are counted by MAC address, as what is not IPv4 is. */
const RECEIVERS_MAX = 4_096;
const RECEIVER_LIFE = '1h';
/** Counters of this family begin behind it. */
const ETHERNET_HEADER_BYTES = 14;

/** What was counted for one receiver since its entry was made. */
export interface Counted {
  readonly to: string;
  /** Whole Ethernet frames. */
  readonly bytes: number;
  readonly frames: number;
}

/** One port's table as the kernel has it. One whose device is gone keeps what it has counted. */
export interface TapTable {
  readonly name: string;
  readonly counted: readonly Counted[];
}

/** What is counted at. */
export interface Tap {
  readonly device: string;
  /** By which it is told from an earlier device of its name, to which a table may be bound still. */
  readonly index: number;
  readonly mac: string;
}

/** A device that was made anew, or is for another MAC address, has another table. */
export function tapTableName({ device, index, mac }: Tap): string {
  return `${PREFIX}${device}-${index}-${mac.replaceAll(':', '')}`;
}

/**
 * Makes a port's table, with nothing counted. What the switch drops as spoofed is not counted, nor what goes to many at
 * once, which no switch forwards.
 */
export function makeTapTable(tap: Tap): string {
  const set = (name: string, type: string): string =>
    `  set ${name} { type ${type}; size ${RECEIVERS_MAX}; flags dynamic,timeout; timeout ${RECEIVER_LIFE}; counter; }`;
  return [
    `table netdev ${tapTableName(tap)} {`,
    set('by-ip', 'ipv4_addr'),
    set('by-ipv6', 'ipv6_addr'),
    set('by-mac', 'ether_addr'),
    `  chain ${CHAIN} {`,
    `    type filter hook ingress device "${tap.device}" priority 0; policy accept;`,
    `    ether saddr != ${tap.mac} accept`,
    '    ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 accept',
    '    ether type ip update @by-ip { ip daddr counter } accept',
    '    ether type ip6 update @by-ipv6 { ip6 daddr counter } accept',
    '    update @by-mac { ether daddr counter }',
    '  }',
    '}',
    '',
  ].join('\n');
}

export function deleteTapTable(name: string): string {
  return `delete table netdev ${name}\n`;
}

const Named = { family: Type.Literal('netdev'), name: Type.String() };
const Ruleset = new SchemaCheck(Type.Object({ nftables: Type.Array(Type.Record(Type.String(), Type.Unknown())) }));
const Table = new SchemaCheck(Type.Object(Named));
const Entries = new SchemaCheck(
  Type.Object({ ...Named, table: Type.String(), elem: Type.Optional(Type.Array(Type.Unknown())) }),
);
const Entry = new SchemaCheck(
  Type.Object({
    elem: Type.Object({
      val: Type.String(),
      counter: Type.Object({ packets: Type.Integer(), bytes: Type.Integer() }),
    }),
  }),
);

/** Our tables in what `nft -j list ruleset netdev` says. @throws SyntaxError of what is no such list */
export function readTapTables(json: string): TapTable[] {
  const list: unknown = JSON.parse(json);
  if (!Ruleset.accepts(list)) throw new SyntaxError(`nft said no ruleset: ${Ruleset.fault(list)}`);
  const objects = list.nftables;
  return objects.flatMap(({ table }) => {
    if (!Table.accepts(table) || !table.name.startsWith(PREFIX)) return [];
    const { name } = table;
    const counted = objects.flatMap(({ set }) => (Entries.accepts(set) && set.table === name ? entriesOf(set) : []));
    return [{ name, counted }];
  });
}

function entriesOf({ elem = [] }: { readonly elem?: readonly unknown[] }): Counted[] {
  return elem.flatMap((entry) => {
    if (!Entry.accepts(entry)) return [];
    const { val, counter } = entry.elem;
    return [{ to: val, bytes: counter.bytes + ETHERNET_HEADER_BYTES * counter.packets, frames: counter.packets }];
  });
}
