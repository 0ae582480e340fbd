// The walk of a merchant who has no Stripe account yet.
import { beginConnect } from './shop.mjs';

/** Until Stripe's form. -> what beginConnect gives, with `link`, the address of the form. */
export async function beginOnboarding(w, shop, more = {}) {
  const begun = await beginConnect(w, shop, { method: 'onboarding', ...more });
  return { ...begun, link: begun.posted.location };
}

/** Stripe's form and back to the shop. `finish: false`: the merchant puts it off. -> {home, params, claim, returnUrl} */
export async function fillForm(stripe, begun, { finish = true, ...fields } = {}) {
  const { form } = await stripe.openForm(begun.link);
  const { location } = await stripe.leaveForm(form, { finish, ...fields });
  return { returnUrl: location, ...await goHome(begun, location) };
}

/** -> {home, params, claim} */
export async function goHome(begun, location) {
  const home = await begun.browser.go(location);
  const params = home.location ? Object.fromEntries(new URL(home.location).searchParams) : {};
  return { home, params, claim: params.cc_claim };
}

/** The whole walk. -> {account, connection, …} */
export async function onboardShop(w, stripe, shop, { finish = true, ...more } = {}) {
  const begun = await beginOnboarding(w, shop, { prefill: { email: 'owner@shop.example', country: 'US' }, ...more });
  if (!begun.link) throw new Error(`the button answered ${begun.posted.status}: ${begun.posted.text}`);
  const back = await fillForm(stripe, begun, { finish });
  if (!back.claim) throw new Error(`the way back answered ${back.home.status} ${back.home.location ?? back.home.text}`);
  const confirmed = await w.api('POST', '/v1/connect/confirm', { key: shop.key, body: { claim: back.claim, verifier: begun.verifier } });
  if (confirmed.status !== 200) throw new Error(`POST /v1/connect/confirm answered ${confirmed.status}: ${confirmed.text}`);
  return { account: confirmed.body.account, connection: confirmed.body, begun, back };
}
