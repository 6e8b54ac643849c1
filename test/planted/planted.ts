// Lines of real rooms that are otherwise in one process and its children: a planted bug, or a limit that is too large for a
// test. Not a test itself.

/** The environment's word that the planter reads. */
export const WORD = 'SUPERCLOUD_TEST_PLANTED';
const PLANTER = new URL('planter-program.ts', import.meta.url).href;

/** One text in a file of the tree, such as `blockd/store/image-store.ts`, where it stands exactly once. */
export interface Planted {
  readonly room: string;
  readonly find: string;
  readonly replace: string;
}

/** An environment in which these are planted in every Node that is started. */
export function planting(plants: readonly Planted[]): NodeJS.ProcessEnv {
  if (plants.length === 0) return process.env;
  const options = `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning --import=${PLANTER}`.trim();
  return { ...process.env, NODE_OPTIONS: options, [WORD]: JSON.stringify(plants) };
}

/** What the environment says. @throws Error when it is not what `planting` wrote */
export function plantedIn(text: string | undefined): readonly Planted[] {
  const plants: unknown = JSON.parse(text ?? '[]');
  if (!Array.isArray(plants)) throw new Error(`${WORD} is no list`);
  return plants as Planted[];
}
