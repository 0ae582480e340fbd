//! `GET /agentic/settings/{ticket}`: Stripe's own component, in which a merchant switches agents on (contract, *Stripe's agentic
//! commerce*). The one page with a script: the component is Stripe's, and comes with Stripe's Connect.js.

use super::layout::{page_with, style_source};
use base64ct::{Base64, Encoding};
use maud::{PreEscaped, html};
use sha2::{Digest, Sha256};

/// What the page is made of.
pub struct Settings<'a> {
    pub site_url: &'a str,
    pub live: bool,
    /// The platform's `pk_…`: public.
    pub publishable_key: &'a str,
    /// Where Connect.js is.
    pub connect_js: &'a str,
}

/// Fetches account sessions from this very address, with the cookie that came with the page, and mounts the component. What it needs is
/// told by attributes, so that the script is the same each time and the policy can name it by its hash.
const SCRIPT: &str = "\
(()=>{'use strict';\
const root=document.getElementById('agents'),state=document.getElementById('state');\
const say=text=>{state.textContent=text;state.hidden=!text};\
const over='This page is no longer valid. Go back to your shop and open the settings again.';\
const away='Stripe could not be reached. Go back to your shop and open the settings again.';\
const fetchClientSecret=async()=>{\
let answer;\
try{answer=await fetch(location.pathname,{method:'POST',credentials:'same-origin',cache:'no-store'})}catch{say(away);return}\
if(!answer.ok){say(answer.status===404?over:away);return}\
return (await answer.json()).client_secret};\
const begin=()=>{\
const instance=window.StripeConnect.init({publishableKey:root.dataset.key,fetchClientSecret});\
const element=instance.create('agentic-commerce-settings');\
if(element.setOnLoaderStart)element.setOnLoaderStart(()=>say(''));\
if(element.setOnLoadError)element.setOnLoadError(()=>{if(state.hidden)say(away)});\
root.append(element)};\
say('Loading Stripe\u{2026}');\
window.StripeConnect=window.StripeConnect||{};\
if(window.StripeConnect.init)begin();else window.StripeConnect.onLoad=begin;\
document.getElementById('connect-js').addEventListener('error',()=>say(away));\
})()";

/// The page.
pub fn settings(the: &Settings<'_>) -> String {
    let source = format!("{}/v1.0/connect.js", the.connect_js);
    page_with(
        "AI agents at Stripe",
        "CognitiveCart",
        "wide",
        html! {
            h1 { "AI agents at Stripe" }
            dl {
                div { dt { "Shop" } dd { (the.site_url) } }
                div {
                    dt { "Mode" }
                    dd {
                        @if the.live { strong { "Live" } ": real orders, real money" }
                        @else { strong { "Test" } ": no real money moves" }
                    }
                }
            }
            p { "Here Stripe lets you choose which agents may sell your products. What you see below comes from Stripe and is kept there." }
            // Said until the script says otherwise: also where it is not switched off, but blocked.
            p id="state" role="status" { "Stripe's settings need JavaScript, which is switched off or blocked in this browser. You can change them in your Stripe Dashboard instead." }
            div id="agents" data-key=(the.publishable_key) {}
            p.soft { "This page works once and for an hour. To come back, open it from your shop again." }
        },
        html! {
            script id="connect-js" async src=(source) {}
            script { (PreEscaped(SCRIPT)) }
        },
    )
}

/// Its `Content-Security-Policy`: what Stripe documents for embedded components, and nothing else. `connect_js` is Stripe's host for
/// Connect.js, or the sandbox that stands in for it.
pub fn settings_csp(connect_js: &str) -> String {
    // Of an empty style element, which Connect.js puts in (Stripe: "SHA of empty style element").
    const EMPTY_STYLE: &str = "'sha256-0hAheEzaMe6uXIKV4EehS9pu1am1lj/KnnzrOYqckXk='";
    let script = Base64::encode_string(&Sha256::digest(SCRIPT.as_bytes()));
    let style = style_source();
    format!(
        "default-src 'none'; script-src 'sha256-{script}' {connect_js} https://js.stripe.com; frame-src {connect_js} https://js.stripe.com; \
         img-src https://*.stripe.com; style-src {style} {EMPTY_STYLE}; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; \
         base-uri 'none'"
    )
}
