// The one error of guest preparation. It must always name what failed and what the user can do about it.

/** `package`: a Debian package cannot be had; `tool`: a host command is missing or failed; `host`: this machine or the call does not fit. */
export type GuestErrorCode = 'package' | 'tool' | 'host';

export class GuestError extends Error {
  override readonly name = 'GuestError';
  readonly code: GuestErrorCode;

  constructor(code: GuestErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
