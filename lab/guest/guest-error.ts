// The one error of guest preparation. It must always name what failed and what the user can do about it.

/** `package`: a Debian package cannot be had; `tool`: a host command is missing or failed; `host`: this machine or the call does not fit. */
export type GuestErrorCode = 'package' | 'tool' | 'host';

/** How the programs that make a guest say that the disk is full. */
export const FULL_DISK = /No space left on device|enough free space|ENOSPC/;

export class GuestError extends Error {
  override readonly name = 'GuestError';
  readonly code: GuestErrorCode;
  /** What a person can do about it, where the message does not say. */
  readonly remedy: string;

  constructor(code: GuestErrorCode, message: string, cause?: unknown, remedy = '') {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.remedy = remedy;
  }
}
