// Every fourth of the bugs that are planted in blockd and the network, in every run of the tests; another quarter each day, so
// that four days try them all. `planted/blockd-mutants` tries all at once.
import { isOfSimulation, MUTANTS, tryMutants } from './all-mutants.ts';

const PARTS = 4;
const DAY_MS = 86_400_000;
const part = Math.floor(Date.now() / DAY_MS) % PARTS;
console.log(`part ${part + 1} of ${PARTS}`);

tryMutants(MUTANTS.filter((mutant) => !isOfSimulation(mutant)).filter((_, at) => at % PARTS === part));
