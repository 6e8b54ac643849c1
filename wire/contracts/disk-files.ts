// The formats of disk files that images are made of and written to. Shapes only.
import { Type } from '#typebox';
import { Bytes } from '../names.ts';

/** What a disk file that comes in may be. `vhd` is Microsoft's older format, `ova` a tar with one disk in it. */
export const ImageFormat = Type.Union([
  Type.Literal('raw'),
  Type.Literal('qcow2'),
  Type.Literal('vmdk'),
  Type.Literal('vhd'),
  Type.Literal('vhdx'),
  Type.Literal('ova'),
]);
export type ImageFormat = Type.Static<typeof ImageFormat>;

/** What a disk file that goes out may be: a `vmdk` is streamOptimized, a `vhd` fixed and of whole MiB. */
export const ExportFormat = Type.Union([
  Type.Literal('raw'),
  Type.Literal('qcow2'),
  Type.Literal('vmdk'),
  Type.Literal('vhd'),
]);
export type ExportFormat = Type.Static<typeof ExportFormat>;

/** A file that an image was written to, and the size of the disk in it. */
export const ExportedFile = Type.Object({ path: Type.String(), bytes: Bytes });
export type ExportedFile = Type.Static<typeof ExportedFile>;
