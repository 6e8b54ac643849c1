// What becomes of a program whose terminal, or whose reader, goes away. A closed terminal (SIGHUP) asks it to stop as SIGTERM
// does, unless it was started to outlive it (nohup). Output that nobody takes any more ends a program that only prints,
// without a word, and never one that serves.

/** A shell shows a program that SIGPIPE has ended as 128 + 13. */
const EXIT_UNREAD = 141;
const EXIT_FAILED = 1;
/** The reader of a pipe has gone (write(2)); the terminal has (EIO). */
const UNREAD: readonly unknown[] = ['EPIPE', 'EIO'];

// Node forgets at its start which signals were ignored; the launcher has seen it.
const outlives = process.env.SUPERCLOUD_OUTLIVES_TERMINAL !== undefined;
let serves = false;

if (outlives) process.on('SIGHUP', () => undefined);
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    const isUnread = UNREAD.includes(error.code);
    if (serves && isUnread) return;
    if (!isUnread && stream === process.stdout) process.stderr.write(`error standard output fails: ${error.message}\n`);
    process.exit(isUnread ? EXIT_UNREAD : EXIT_FAILED);
  });
}

/** The signals that ask this program to stop. */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = outlives
  ? ['SIGINT', 'SIGTERM']
  : ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** From now on this program goes on though nobody takes what it says: it has something to serve, or to take down. */
export function servesUnread(): void {
  serves = true;
}

/** Ends this program with the code, unless standard output has not taken what was said: that is known a turn later. */
export function endSaid(code: number): void {
  setImmediate(() => process.exit(code));
}
