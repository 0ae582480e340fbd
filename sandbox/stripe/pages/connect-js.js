// Stands in for Stripe's Connect.js: as much of it as mounting one component takes. Nothing here is Stripe's.
(() => {
  'use strict';
  const base = new URL(document.currentScript.src).origin;
  const PREFIX = 'stripe-connect-';

  class AgenticCommerceSettings extends HTMLElement {
    async connectedCallback() {
      if (this.begun) return;
      this.begun = true;
      const { publishableKey, fetchClientSecret } = this.settings;
      const secret = await fetchClientSecret();
      if (!secret) {
        this.onLoadError?.({ elementTagName: 'agentic-commerce-settings', error: { type: 'authentication_error', message: 'fetchClientSecret gave none.' } });
        return;
      }
      this.onLoaderStart?.({ elementTagName: 'agentic-commerce-settings' });
      const frame = document.createElement('iframe');
      frame.title = 'Agents at Stripe';
      // A style attribute would need a policy that allows it; the object model does not.
      frame.style.width = '100%';
      frame.style.height = '36rem';
      frame.style.border = '0';
      frame.src = `${base}/embedded/agentic-commerce-settings?${new URLSearchParams({ client_secret: secret, key: publishableKey })}`;
      this.append(frame);
    }

    setOnLoadError(listener) { this.onLoadError = listener; }

    setOnLoaderStart(listener) { this.onLoaderStart = listener; }
  }
  customElements.define(`${PREFIX}agentic-commerce-settings`, AgenticCommerceSettings);

  const StripeConnect = window.StripeConnect ?? (window.StripeConnect = {});
  StripeConnect.init = (settings) => {
    if (!/^pk_(test|live)_/.test(settings.publishableKey)) throw new Error('publishableKey is no publishable key');
    return {
      create(name) {
        const element = document.createElement(PREFIX + name);
        element.settings = settings;
        return element;
      },
      update() {},
      async logout() {},
    };
  };
  StripeConnect.onLoad?.();
})();
