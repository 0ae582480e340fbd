// Refusals in Stripe's shape. `executed` says whether the work had begun: only then does Stripe keep the
// answer under its Idempotency-Key.

export class StripeError extends Error {
  constructor(status, { type = 'invalid_request_error', code, message, param, executed = false, headers = {}, ...more }) {
    super(message);
    this.status = status;
    this.executed = executed;
    this.headers = headers;
    this.error = { type, ...(code && { code }), message, ...(param && { param }), ...more };
    if (code) this.error.doc_url = `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;
  }

  get body() {
    return { error: this.error };
  }
}

export const invalid = (message, more = {}) => new StripeError(400, { message, ...more });

export const missing = (param) =>
  invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param });

export const unknownObject = (what, id, param, hint = '') =>
  new StripeError(404, { code: 'resource_missing', param, message: `No such ${what}: '${id}'${hint}` });

/** 403 for an account that is foreign, unknown or has disconnected: Stripe does not say which. */
export const noAccess = (account, key) =>
  new StripeError(403, {
    code: 'account_invalid',
    message: `The key '${maskKey(key)}' has no access to account '${account}', or there is no such account. ` +
      'Perhaps the application\'s access was revoked.',
  });

export const maskKey = (key = '') => `${key.slice(0, 8)}***`;

/** connect.stripe.com answers with a string where the API has an object. */
export class OAuthError extends Error {
  constructor(status, error, description) {
    super(description);
    this.status = status;
    this.error = error;
    this.headers = {};
  }

  get body() {
    return { error: this.error, error_description: this.message };
  }
}
