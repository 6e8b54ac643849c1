// The one kind of error that crosses between daemons and reaches a person: a stable code, a sentence, a remedy.
// Never a stack and never a secret: what is in here is shown to whoever called.

/** What a person can do about it, and the error that led here (which stays in this process). */
export interface ErrorDetail {
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** An operation that failed for a reason that its caller can understand; travels over rpc with all but its cause. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  /** Stable, upper case with underscores: programs compare this, never the message. */
  readonly code: string;
  /** One sentence for a person, or empty. */
  readonly remedy: string;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.remedy = detail.remedy ?? '';
  }
}

/** The code of an `OperationError` or of an error of the operating system (`ENOENT`), else undefined. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What an unknown thrown value says of itself, in one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
