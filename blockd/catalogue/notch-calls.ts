// The catalogue's calls by which it remembers how far each store has come, and notices one that was put back. Outside of
// the records that the stores keep: a store's progress is news to none of them, and raises no serial.
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract } from '../../wire/contracts/catalogue.ts';
import type { HeardNotch, NodeNotch } from '../../wire/contracts/store-notch.ts';
import type { Entry } from './catalogue.ts';
import type { CatalogueStore } from './catalogue-store.ts';
import { doubtedByRollback, judgeNotch } from './store-rollback.ts';

/** Images that one commit puts in doubt, beside 50 notches: etcd takes 128 operations in one, and some are its own. */
const DOUBTED_MAX = 50;

/** What one commit comes to. */
interface Heard {
  readonly entries: Entry[];
  readonly notches: NodeNotch[];
  readonly again: string[];
}

/** The handlers of those calls. */
export function notchCalls(
  store: CatalogueStore,
): Pick<Handlers<typeof catalogueContract>, 'notch.list' | 'notch.heard'> {
  return {
    'notch.list': async () => {
      await store.refresh();
      return { notches: store.notches };
    },
    'notch.heard': ({ heard }) =>
      store.commit(() => {
        const { entries, notches, again } = hear(store, heard);
        const doubtful = entries.map(({ head }) => {
          const { image, rollback: node = '', doubt: reason = '' } = head;
          return { image, node, reason };
        });
        return { change: { entries, notches }, answer: { again, doubtful } };
      }),
  };
}

/** One store that is behind at a time, so that no image is put in doubt twice by one commit. */
function hear(store: CatalogueStore, all: readonly HeardNotch[]): Heard {
  const heard: Heard = { entries: [], notches: [], again: [] };
  for (const { node, said, report } of all) {
    const verdict = judgeNotch(node, store.notchOf(node), said);
    if (verdict.kind === 'late') heard.again.push(node);
    if (verdict.kind === 'ahead') heard.notches.push({ node, notch: said.now });
    if (verdict.kind !== 'behind') continue;
    if (report === undefined || heard.entries.length > 0) {
      heard.again.push(node);
      continue;
    }
    const doubted = doubtedByRollback(
      store.heads.map(({ image }) => store.get(image)),
      node,
      verdict.reason,
      report,
    );
    heard.entries.push(...doubted.slice(0, DOUBTED_MAX));
    // Its notch is the newest that it can be asked for from now on, once everything that it puts in doubt is.
    if (doubted.length <= DOUBTED_MAX) heard.notches.push({ node, notch: said.now });
    else heard.again.push(node);
  }
  return heard;
}
