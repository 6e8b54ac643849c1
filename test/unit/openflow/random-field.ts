// Random values of match fields, each over its whole range, and under masks.
import { type EthAddress, ethAddress, FIELDS, type FieldName } from '@openflow/ofp';
import type { Random } from './random.ts';

export function randomEth(random: Random): EthAddress {
  return ethAddress(Array.from(random.bytes(6), (byte) => byte.toString(16).padStart(2, '0')).join(':'));
}

export function randomValue(random: Random, name: FieldName): number | bigint | EthAddress {
  const { kind, bits } = FIELDS[name];
  if (kind === 'eth') return randomEth(random);
  return kind === 'number' ? random.bits(bits) : random.bigBits(bits);
}

function and(value: number | bigint | EthAddress, mask: number | bigint | EthAddress): number | bigint | EthAddress {
  if (typeof value === 'number' && typeof mask === 'number') return (value & mask) >>> 0;
  if (typeof value === 'bigint' && typeof mask === 'bigint') return value & mask;
  const maskBytes = String(mask).split(':');
  const bytes = String(value)
    .split(':')
    .map((byte, i) => Number.parseInt(byte, 16) & Number.parseInt(maskBytes[i] ?? '0', 16));
  return ethAddress(bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
}

/** A value, or a value under a mask, of a field. */
export function randomField(random: Random, name: FieldName, masked: boolean): unknown {
  const value = randomValue(random, name);
  if (!masked || !FIELDS[name].maskable) return value;
  const mask = randomValue(random, name);
  return { value: and(value, mask), mask };
}
