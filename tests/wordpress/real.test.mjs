// The same walks in a real WordPress with a real database, where both can be had (scripts/lib/wordpress.mjs; no service is
// started: everything lives in a folder that is thrown away). The doubles of shop.test.mjs are only as good as this agrees with them.
import { journeys } from './support/journeys.mjs';
import { noPhp } from './support/php.mjs';
import { noWordPress, startWordPress } from './support/wordpress.mjs';

journeys('WordPress example with the Worker, in a real WordPress', startWordPress, { skip: noPhp || noWordPress });
