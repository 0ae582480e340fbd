// Crashes and lost answers at every await point of every journey.
import { faultRun } from '../support/faults.mjs';

faultRun({ each: 1, least: 250 });
