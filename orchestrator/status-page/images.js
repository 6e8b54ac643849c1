// Images: how large, and which node may write.
import { element, withAttributes } from './element.js';
import { bytes } from './units.js';

function openAt({ writer, holder, transfer, readers }) {
  const closed = `closed; the newest is at ${holder}`;
  const at = writer ?? (readers === undefined ? closed : `${readers.join(', ')}, for reading`);
  return transfer === null ? at : `${at}, reserved for ${transfer.to}`;
}

/** One image. */
export function imageRow(head) {
  const name = withAttributes(element('th', '', head.image), { scope: 'row' });
  const figures = [element('td', 'figure', bytes(head.bytes)), element('td', 'figure', `${head.epoch}`)];
  return element('tr', '', name, ...figures, element('td', '', openAt(head)));
}
