// What the exports of images and snapshots are asked for with.
import { InvalidArgumentError, Option } from 'commander';
import { ExportFormat } from '../../wire/contracts/blockd.ts';

const FORMATS = ExportFormat.anyOf.map((format) => format.const);

/** A VHD has a fixed size, as Azure takes it; what begins it is the disk's own first block, so that its format is to be said. */
export function exportFormat(): Option {
  const what = 'what it shall be (a vhd is of fixed size: qemu-img reads it with -f vpc)';
  return new Option('--format <format>', what).choices(FORMATS).default('raw');
}

/** The name of a file that is to be made. */
export function newFile(text: string): string {
  if (text !== '-') return text;
  throw new InvalidArgumentError("'-' is no file; an export goes into a new file of the node.");
}
