// Each bug that is planted in blockd or the network must make the test fail that is named beside it. By name only: two and a half
// minutes; `planted/some-mutants` tries a quarter of them in every run.
import { isOfSimulation, MUTANTS, tryMutants } from './all-mutants.ts';

tryMutants(MUTANTS.filter((mutant) => !isOfSimulation(mutant)));
