// Every sixth of the bugs that are planted in blockd and the network, in every run of the tests; another sixth each day, so
// that six days try them all. `planted/blockd-mutants` tries all at once.
import { isOfSimulation, MUTANTS, tryMutants } from './all-mutants.ts';

const PARTS = 6;
const DAY_MS = 86_400_000;
const part = Math.floor(Date.now() / DAY_MS) % PARTS;
console.log(`part ${part + 1} of ${PARTS}`);

tryMutants(MUTANTS.filter((mutant) => !isOfSimulation(mutant)).filter((_, at) => at % PARTS === part));
