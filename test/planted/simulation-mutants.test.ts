// Each bug that is planted in blockd or the network and that only worlds of the simulation show.
import { isOfSimulation, MUTANTS, tryMutants } from './all-mutants.ts';

tryMutants(MUTANTS.filter(isOfSimulation));
