// qemu-img, the one program that knows the formats of others, as it is run here: in the sandbox, with the format said
// and never guessed, reading from a socket of this daemon. It never opens a file by a name that a file contains.
import { OperationError } from '../../common/errors.ts';
import type { ExportFormat } from '../../wire/contracts/blockd.ts';
import type { DiskFormat } from './image-format.ts';
import { FILE_INSIDE, runInSandbox, SOCKET_INSIDE } from './sandbox.ts';

/** qemu-img's own names. */
const DRIVERS = { raw: 'raw', qcow2: 'qcow2', vmdk: 'vmdk', vhd: 'vpc', vhdx: 'vhdx' } as const;
/** Azure takes nothing but a fixed VHD whose size is said exactly; a stream-optimized VMDK is what an OVA has. */
const OPTIONS: Record<ExportFormat, readonly string[]> = {
  raw: [],
  qcow2: ['-o', 'compat=1.1'],
  vmdk: ['-o', 'subformat=streamOptimized'],
  vhd: ['-o', 'subformat=fixed,force_size=on'],
};
/** What `qemu-img check` says of a format that it cannot check. */
const CHECK_UNSUPPORTED = 63;
/** Lost clusters waste room and harm no content. */
const CHECK_LEAKS = 3;

/** One conversion. The source is a running NBD export of this daemon. */
export interface ConvertJob {
  readonly socket: string;
  /** The export's name, and the format of what it serves. */
  readonly name: string;
  readonly from: DiskFormat;
  /** The file to fill; it is there and empty. */
  readonly path: string;
  readonly to: ExportFormat;
  /** Hears the share that is done, 0 to 1. */
  readonly progress: (share: number) => void;
  readonly signal: AbortSignal;
}

type Source = Pick<ConvertJob, 'socket' | 'name' | 'from' | 'signal'>;

/** Fills the file. @throws OperationError IMAGE_REFUSED, ENOSPC, CANCELLED, TOOL_MISSING */
export async function convert(job: ConvertJob): Promise<void> {
  const words = ['convert', '-p', '-t', 'writeback', '-T', 'writeback', '-S', '4k', '--image-opts'];
  const command = ['qemu-img', ...words, sourceWords(job), '-O', DRIVERS[job.to], ...OPTIONS[job.to], FILE_INSIDE];
  const heard = (text: string): void => {
    const share = /\((\d+\.\d+)\/100%\)[^(]*$/.exec(text)?.[1];
    if (share !== undefined) job.progress(Number(share) / 100);
  };
  const { socket, path: file, signal } = job;
  const { code, output } = await runInSandbox({ socket, file, command, signal, heard });
  if (code !== 0) throw failed(code, output);
}

/** Finds out whether all that the tables speak of is there. @throws OperationError IMAGE_REFUSED */
export async function check({ socket, signal, ...source }: Source): Promise<void> {
  const command = ['qemu-img', 'check', '-q', '-U', '--image-opts', sourceWords(source)];
  const { code, output } = await runInSandbox({ socket, signal, command });
  if (code !== 0 && code !== CHECK_LEAKS && code !== CHECK_UNSUPPORTED) throw failed(code, output);
}

/** About how many bytes its content needs. @throws OperationError IMAGE_REFUSED */
export async function measure({ socket, signal, ...source }: Source): Promise<number> {
  const words = ['measure', '-U', '--output', 'json', '-O', 'qcow2', '--image-opts', sourceWords(source)];
  const { code, output } = await runInSandbox({ socket, signal, command: ['qemu-img', ...words] });
  const required = /"required":\s*(\d+)/.exec(output)?.[1];
  if (code !== 0 || required === undefined) throw failed(code, output);
  return Number(required);
}

function sourceWords({ name, from }: Pick<Source, 'name' | 'from'>): string {
  return `driver=${DRIVERS[from]},file.driver=nbd,file.server.type=unix,file.server.path=${SOCKET_INSIDE},file.export=${name}`;
}

function failed(code: number | null, output: string): OperationError {
  const lines = output.split(/[\r\n]/).filter((line) => line.trim() !== '' && !line.includes('/100%)'));
  const said = lines[0]?.replace(/^qemu-img: /, '').trim() ?? `it ended with ${code ?? 'a signal'}`;
  if (/No space left/.test(output)) {
    return new OperationError('ENOSPC', 'the disk that the conversion writes to is full', {
      remedy: 'Make room there, or choose another node or directory.',
    });
  }
  return new OperationError('IMAGE_REFUSED', `qemu-img does not take the file: ${said}`, {
    remedy: 'Look at the file with qemu-img check where it was made.',
  });
}
