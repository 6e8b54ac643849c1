// Loaded before a program (`node --import`): replaces lines of some of its rooms while they are loaded. The files stay as
// they are, and the rooms know nothing of it. A line that is not there once fails the program, so that none goes stale.
import { registerHooks } from 'node:module';
import { plantedIn, WORD } from './planted.ts';

const plants = plantedIn(process.env[WORD]);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const here = plants.filter(({ room }) => url.endsWith(`/${room}`));
    if (here.length === 0 || loaded.source === undefined || loaded.source === null) return loaded;
    let text = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
    for (const { room, find, replace } of here) {
      if (text.split(find).length !== 2) throw new Error(`what is to be replaced is not once in ${room}: ${find}`);
      text = text.replace(find, () => replace);
    }
    return { ...loaded, source: text };
  },
});
