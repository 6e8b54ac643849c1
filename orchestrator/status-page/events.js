// What happened that a person may have to act on, the newest first: VMs that ask for what is in another place, the overlay's
// controller changed, links that were gone.
import { element } from './element.js';
import { clock } from './units.js';

/** What fits on a page; `supercloud net topology` and `vm show` say what is so now. */
const SHOWN_MAX = 12;

function asks({ vm, node, image, stub, address, place, trouble }) {
  const what = image === undefined ? `stub ${stub} (${address})` : `image ${image}`;
  const why = trouble ? `; it stays: ${trouble}` : '';
  return `${vm} at ${node} asks for ${what}, which is in ${place}${why}`;
}

const SENTENCES = {
  controller: ({ node, before }) => `the overlay's controller is ${node}, instead of ${before}`,
  link: ({ a, b, verdict }) =>
    `nothing gets through between ${a} and ${b}${verdict === 'unheard' ? ': the switch agent of one of them is away' : ''}`,
};

/** One event in words. */
export function eventWords(event) {
  const { kind, endedMs } = event;
  const words = kind === undefined ? asks(event) : (SENTENCES[kind]?.(event) ?? kind);
  return endedMs ? `${words}; over at ${clock(endedMs)}` : words;
}

/** The newest of all. Those that last are marked. */
export function eventItems(events) {
  const newest = events.toSorted((one, other) => other.atMs - one.atMs).slice(0, SHOWN_MAX);
  return newest.map((event) => {
    const lasts = event.endedMs === null;
    return element(
      'li',
      lasts ? 'event lasts' : 'event',
      element('span', 'when', clock(event.atMs)),
      ` ${eventWords(event)}`,
    );
  });
}
