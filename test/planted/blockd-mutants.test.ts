// Each bug that is planted in blockd or the network must make the test fail that is named beside it.
import { isOfSimulation, MUTANTS, tryMutants } from './all-mutants.ts';

tryMutants(MUTANTS.filter((mutant) => !isOfSimulation(mutant)));
