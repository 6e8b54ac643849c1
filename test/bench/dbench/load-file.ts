// dbench's load file: one operation a line, as a client of a file server sent them. It must be cut only where no file is
// open, since a client that comes to the end begins anew and keeps what it had open.

/** `NTCreateX "NAME" OPTIONS DISPOSITION HANDLE STATUS` opens a file if its status is this one. */
const SUCCESS = 'NT_STATUS_OK';

/** The longest beginning of at most `operations` lines after which no file is open; empty when there is none. */
export function cutLoad(text: string, operations: number): string {
  const open = new Set<string>();
  const lines = text.split('\n').slice(0, operations);
  let kept = 0;
  for (const [index, line] of lines.entries()) {
    const words = line
      .slice(line.lastIndexOf('"') + 1)
      .trim()
      .split(' ');
    if (line.startsWith('NTCreateX') && words[3] === SUCCESS) open.add(words[2] ?? '');
    if (line.startsWith('Close')) open.delete(words[1] ?? '');
    if (open.size === 0 && line !== '') kept = index + 1;
  }
  return lines
    .slice(0, kept)
    .map((line) => `${line}\n`)
    .join('');
}
