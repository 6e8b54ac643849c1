// What a failed QMP command means to the driver's caller.
import { HypervisorError, type HypervisorErrorCode } from '../driver.ts';
import { QmpError, type QmpErrorCode } from '../qmp/qmp-client.ts';

const CODES: Record<QmpErrorCode, HypervisorErrorCode> = {
  QMP_CONNECT: 'MACHINE_GONE',
  QMP_CLOSED: 'MACHINE_GONE',
  QMP_PROTOCOL: 'MACHINE_GONE',
  QMP_TIMEOUT: 'TIMEOUT',
  QMP_COMMAND: 'MACHINE_REFUSED',
};

/** A QmpError as a HypervisorError that names the machine and the operation; anything else (an abort) as it is. */
export function asHypervisorError(error: unknown, machine: string, operation: string): unknown {
  if (!(error instanceof QmpError)) return error;
  return new HypervisorError(CODES[error.code], `${operation} of ${machine}: ${error.message}`, { cause: error });
}
