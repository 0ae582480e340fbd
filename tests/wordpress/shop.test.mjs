// The example in a shop of doubles, with the Worker in workerd and the local Stripe.
import { journeys } from './support/journeys.mjs';
import { noPhp, startShop } from './support/php.mjs';

journeys('WordPress example with the Worker, without WooCommerce', startShop, { skip: noPhp });
journeys('WordPress example with the Worker and WooCommerce', (options) => startShop({ ...options, woo: true }), { skip: noPhp, woo: true });
