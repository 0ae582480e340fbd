//! The frame of every page, its one style sheet, and the policy that goes with it.
//!
//! Plain on purpose: system fonts, light and dark as the reader's system has it, readable at 320 px and at
//! 400 % zoom (WCAG 2.2, 1.4.10), visible focus, targets of 44 px, nothing that only a colour says.

use base64ct::{Base64, Encoding};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// The one style sheet. Its hash stands in the policy, so a style that someone smuggles in has no effect.
const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#1c2024;--soft:#565e67;--line:#d3d8de;\
--accent:#4036b8;--on-accent:#fff;--warn-page:#fff3d6;--warn-line:#b97900;--warn-ink:#573a00;--good:#14713d}\
@media (prefers-color-scheme:dark){:root{--page:#121417;--card:#1b1e23;--ink:#e9ebee;--soft:#a5adb7;--line:#3a4048;\
--accent:#a9a3ff;--on-accent:#15123f;--warn-page:#33270b;--warn-line:#d69a24;--warn-ink:#ffe3a8;--good:#6fd79b}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--page);color:var(--ink);font:1.0625rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}\
.frame{max-width:40rem;margin:0 auto;padding:2rem 1rem}.wide{max-width:64rem}\
.brand{margin:0 0 1rem;color:var(--soft);font-size:.9375rem;font-weight:600}\
main{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:clamp(1.25rem,5vw,2.25rem)}\
h1{margin:0 0 1rem;font-size:1.625rem;line-height:1.25;text-wrap:balance}\
h2{margin:2rem 0 .5rem;font-size:1.125rem}\
p{margin:0 0 1rem}main>:last-child{margin-bottom:0}\
ul{margin:0 0 1rem;padding-left:1.25rem}li{margin:.375rem 0}\
a{color:var(--accent)}\
code{font:.9em ui-monospace,monospace}\
dl{margin:0 0 1.25rem;border-top:1px solid var(--line)}\
dl div{display:flex;flex-wrap:wrap;gap:0 1rem;padding:.625rem 0;border-bottom:1px solid var(--line)}\
dt{flex:0 0 9rem;color:var(--soft)}dd{flex:1 1 12rem;margin:0}\
.lead{font-size:1.25rem;font-weight:600}\
.soft{color:var(--soft);font-size:.9375rem}\
.good{color:var(--good);font-weight:600}\
.warn{margin:0 0 1.25rem;padding:.75rem 1rem;border:1px solid var(--warn-line);border-left-width:.375rem;\
border-radius:.375rem;background:var(--warn-page);color:var(--warn-ink)}\
.warn p:last-child{margin:0}\
label{display:block;margin:0 0 .375rem;font-weight:600}\
input,select{display:block;width:100%;min-height:2.75rem;margin:0 0 1rem;padding:.5rem .75rem;border:1px solid var(--soft);border-radius:.5rem;\
background:var(--page);color:var(--ink);font:inherit}\
table{width:100%;margin:0 0 1.25rem;border-collapse:collapse;border-top:1px solid var(--line)}\
th,td{padding:.625rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}\
th{font-weight:inherit}.sum{padding-left:1rem;text-align:right;white-space:nowrap}thead th{color:var(--soft);font-size:.9375rem}\
.total>*{font-weight:600}\
.button{display:inline-block;min-height:2.75rem;max-width:100%;padding:.625rem 1.375rem;border:2px solid var(--accent);\
border-radius:.5rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;line-height:1.4;\
text-align:center;text-decoration:none;cursor:pointer}\
.button:hover{text-decoration:underline}\
:focus-visible{outline:3px solid var(--accent);outline-offset:3px}\
@media (max-width:26rem){.button{display:block;width:100%}}";

/// Lays the frame around `content`. `title` is what the tab, the history and a screen reader say first;
/// `brand` is whose page this is to the reader: the Worker's for merchants, the shop's for buyers.
pub(super) fn page(title: &str, brand: &str, content: Markup) -> String {
    page_with(title, brand, "", content, html! {})
}

/// The same in a frame of a class of its own, with `tail` behind it.
pub(super) fn page_with(title: &str, brand: &str, class: &str, content: Markup, tail: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Tickets and transactions stand in these addresses; no search engine has to know them.
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div class=[Some(["frame ", class].concat().trim_end())] {
                    p.brand { bdi { (brand) } }
                    main { (content) }
                }
                (tail)
            }
        }
    }
    .into_string()
}

/// A link, if `url` is one that a browser can only follow; `javascript:` and the like are shown, not linked.
/// What comes here was checked when it was stored: this is the second lock on the same door.
pub(super) fn link(url: &str, class: Option<&str>, text: &str) -> Markup {
    html! {
        @if url.starts_with("https://") || url.starts_with("http://") {
            a class=[class] href=(url) { (text) }
        } @else {
            (text)
        }
    }
}

/// The `Content-Security-Policy` of every page.
///
/// `form-action` lets https through, because browsers hold the whole chain of redirects after a form against it:
/// the consent button leads to Stripe, back here, and home to the shop. With `'self'` alone the callback would spend
/// the code and the way home would be blocked (measured in Chromium; design, remark on CSP). Under `ALLOW_LOCAL`
/// the shop may be `http://localhost`.
pub fn csp(allow_local: bool) -> String {
    policy(if allow_local { " https: http:" } else { " https:" })
}

/// The same for a page whose form leads nowhere else.
pub fn csp_own() -> String {
    policy("")
}

fn policy(forms: &str) -> String {
    let style = style_source();
    format!("default-src 'none'; style-src {style}; form-action 'self'{forms}; frame-ancestors 'none'; base-uri 'none'")
}

/// The one style sheet, as a policy names it.
pub(super) fn style_source() -> String {
    format!("'sha256-{}'", Base64::encode_string(&Sha256::digest(STYLE.as_bytes())))
}
