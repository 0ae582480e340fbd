// Crashes and lost answers: a sample of them. `npm run test:soak` makes them all.
import { faultRun } from '../support/faults.mjs';

faultRun({ each: 9, least: 30 });
