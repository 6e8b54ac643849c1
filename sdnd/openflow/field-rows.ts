// How a row of the table of match fields is made: formats, masks, and the numbers of an OXM header. Holds no field.

/**
 * How a value is held and how wide it is: up to 32 bits a number, 64 and 128 bits a bigint, Ethernet addresses text.
 * `bits` count; `bytes` are what the value takes on the wire.
 */
interface Format {
  readonly kind: 'number' | 'bigint' | 'eth';
  readonly bits: number;
  readonly bytes: number;
}

export const U8 = { kind: 'number', bits: 8, bytes: 1 } as const satisfies Format;
export const U16 = { kind: 'number', bits: 16, bytes: 2 } as const satisfies Format;
export const U24 = { kind: 'number', bits: 24, bytes: 3 } as const satisfies Format;
export const U32 = { kind: 'number', bits: 32, bytes: 4 } as const satisfies Format;
export const U64 = { kind: 'bigint', bits: 64, bytes: 8 } as const satisfies Format;
export const U128 = { kind: 'bigint', bits: 128, bytes: 16 } as const satisfies Format;
export const ETH = { kind: 'eth', bits: 48, bytes: 6 } as const satisfies Format;

/** A number of fewer bits than its bytes hold. */
export function narrow(bits: number, bytes: number) {
  return { kind: 'number', bits, bytes } as const satisfies Format;
}

// Whether a match may mask the field, and where a set-field action may write it.
export const MASKABLE = true;
export const WHOLE = false;
export const SETTABLE = 'anywhere';
/** Within a ct action only. */
export const IN_CT = 'in-ct';
export const READ_ONLY = 'nowhere';

type Settable = typeof SETTABLE | typeof IN_CT | typeof READ_ONLY;

/** OXM classes (OpenFlow 1.3.5, 7.2.3.3), packet registers (1.5.1, 7.2.3.7) and Nicira's (ovs-fields(7)). */
export const OXM_CLASS = {
  openflowBasic: 0x8000,
  packetRegisters: 0x8001,
  niciraOf: 0x0000,
  nicira: 0x0001,
  experimenter: 0xffff,
} as const;

/** A field's class and number as they stand in an OXM header, mask bit and length zero (7.2.3.2). */
export function fieldCode(oxmClass: number, id: number): number {
  return oxmClass * 2 ** 16 + id * 2 ** 9;
}

/** Rows of the fields of one class; of an experimenter's fields, whose id follows the header, also of one experimenter. */
export function rowsOf<X extends number | undefined>(oxmClass: number, experimenter: X) {
  return <F extends Format, M extends boolean, S extends Settable>(
    id: number,
    format: F,
    maskable: M,
    settable: S,
    name: string,
  ) => ({ code: fieldCode(oxmClass, id), experimenter, ...format, maskable, settable, name });
}
