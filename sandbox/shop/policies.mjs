// The pages that agents show to buyers before they pay (contract, `links`). They have to be there: an agent's platform looks.

export const policies = {
  terms: { type: 'terms_of_use', title: 'Terms of use', text: [
    'You buy from Harbour Lane. The contract is made when you pay; what you pay is what the shop\'s server said.',
    'This is a demonstration: nothing is shipped, and in test mode no money moves.',
  ] },
  privacy: { type: 'privacy_policy', title: 'Privacy', text: [
    'We keep your name, your address and your email for as long as your order needs them.',
    'Your card\'s number never comes here: Stripe has it, and we see its last four digits at most.',
  ] },
  returns: { type: 'return_policy', title: 'Returns', text: [
    'Send anything back within 30 days and you get your money back, by the way you paid.',
    'What was downloaded stays yours, and so does its price ours.',
  ] },
  shipping: { type: 'shipping_policy', title: 'Shipping', text: [
    'Standard goes to the United States, Canada and Germany and takes 3 to 5 working days. Express goes to the United States and is there on the next working day.',
    'What is digital is a link on your order\'s page, at once.',
  ] },
  contact: { type: 'contact_us', title: 'Contact', text: ['A real shop has an address here, and somebody who answers.'] },
};

export const policyPath = (name) => `/policies/${name}`;

/** For PATCH /v1/shop. All of them must lie on the shop's own origin, or on one that it has registered. */
export const policyLinks = (siteUrl) => Object.entries(policies).map(([name, { type, title }]) => ({ type, title, url: siteUrl + policyPath(name) }));
