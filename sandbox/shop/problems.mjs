// What the Worker's error codes mean for the person in front of the page, and what they can do about it.

const KNOWN = {
  worker_unreachable: ['The payment service does not answer', 'Start the Worker (npm start starts everything), or look at the address this shop was given. Products and the cart work without it; nothing is lost.'],
  worker_timeout: ['The payment service is slow', 'It did not answer in time. Press the button again: the same attempt is repeated, nothing is made twice.'],
  worker_unreadable: ['Something else answered', 'At the Worker\'s address something answered that is not the Worker: a proxy, a firewall, or a wrong address.'],
  not_configured: ['The Worker is not set up yet', 'Its front page lists what is missing.'],
  shop_not_verified: ['This shop is not verified yet', 'Open Connectivity and press Verify.'],
  shop_suspended: ['This shop is suspended', 'The operator of the Worker has suspended it. Payments under way are still recorded.'],
  checkout_disabled: ['Checkout is switched off', 'The kill switch is on. An administrator can switch checkout on again under Connectivity.'],
  not_connected: ['No Stripe account is connected', 'An administrator connects one under Connectivity, for the mode this shop sells in.'],
  connection_gone: ['The Stripe account is gone', 'The connection was ended at Stripe. An administrator connects again under Connectivity.'],
  api_key_invalid: ['The Worker does not know this shop\'s key', 'Another registration of this address has replaced this one, or the Worker\'s data was reset. Open Connectivity to register anew.'],
  challenge_failed: ['The Worker could not read the challenge', 'It asked for the challenge address and got something else. On a real site this is nearly always a firewall or a cache.'],
  order_already_paid: ['This order is paid already', 'Nothing was charged again.'],
  order_in_flight: ['One moment', 'The checkout for this order is being opened right now. Try again in a few seconds.'],
  idempotency_in_flight: ['One moment', 'The first try is still running. Try again in a few seconds.'],
  stripe_unavailable: ['Stripe does not answer', 'Press the button again in a minute: the same attempt is repeated and can never charge twice.'],
  stripe_refused: ['Stripe refused this checkout', 'Its reason is below.'],
  url_not_allowed: ['That address is not the shop\'s', 'Buyers may only be sent back to an address of this shop. Leave the addresses empty to use the shop\'s own.'],
  total_mismatch: ['The cart does not add up', 'The lines and the total differ; nothing was charged.'],
  amount_too_small: ['Too little for a payment', 'Stripe does not take payments as small as this.'],
  amount_too_large: ['Too much for one payment', 'Stripe does not take payments as large as this. Split the order.'],
  verifier_mismatch: ['This connection was refused', 'It was not started by this administrator. Nothing is connected; press Connect to start again.'],
  claim_dead: ['This connection is too old', 'It was not finished within ten minutes. Nothing is connected; press Connect to start again.'],
  already_connected: ['Another account is connected already', 'Disconnect it first, or tick “replace”.'],
  refund_too_large: ['That is more than is left', 'Some of it was given back before. Nothing was given back now.'],
  charge_disputed: ['The buyer disputes this payment', 'Stripe holds the money until that is decided, so it cannot be given back meanwhile.'],
  order_unexpected_state: ['This order is past that', 'Look at it again: somebody else may have shipped or canceled it.'],
  upload_in_flight: ['An upload is running', 'Wait until it has ended, and send the catalogue again.'],
  account_shared: ['Another shop sells with this account', 'Of the shops that share a Stripe account one can sell to agents at Stripe. Disconnect the other one, or connect an account of its own.'],
  rows_invalid: ['Nothing was sent', 'Mend the rows below in the file, and send it again.'],
  import_too_soon: ['Stripe had the products a moment ago', 'It takes them once in fifteen minutes. What changes of the stock goes there by itself.'],
  import_running: ['The last one is still on its way', 'Wait until Stripe is through with it.'],
  country_invalid: ['That is no country', 'Two letters each, as in US or DE.'],
  too_many_agents: ['There are too many agents', 'Remove one first.'],
  rate_limited: ['Too many calls', 'Wait a minute and try again.'],
};

/** A WorkerError -> {title, advice, detail} for a page. */
export function explain(error) {
  const [title, advice] = KNOWN[error.code] ?? (error.status === 429 ? KNOWN.rate_limited : ['The payment service refused', 'Its reason is below.']);
  const facts = [error.message];
  if (error.param) facts.push(`Named: ${error.param}.`);
  if (error.saw) facts.push(`Seen at the challenge address: status ${error.saw.status}${error.saw.server ? `, server ${error.saw.server}` : ''}, “${error.saw.body ?? ''}”.`);
  if (error.requestId) facts.push(`Request ${error.requestId}.`);
  return { title, advice, detail: facts.join(' '), code: error.code };
}
