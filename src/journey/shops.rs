//! A shop registers, proves its address, changes its settings, rolls its keys (contract, *Shops*).

use super::access;
use crate::config::Registration;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::place::Slot;
use crate::record::Json;
use crate::store::shops::{ROLLED_LIFE, ShopRow};
use crate::weburl::{self, WebUrl};
use crate::{id, sign};
use serde_json::Value;

const MAX_ORIGINS: usize = 20;
/// What the Worker waits for a challenge, milliseconds, and reads of it, bytes.
const CHALLENGE_DEADLINE: u32 = 5_000;
const CHALLENGE_LIMIT: usize = 4096;

pub fn shop_object(shop: &ShopRow) -> Value {
    object! { "object": "shop",
    "id": shop.id,
    "site_url": shop.site_url,
    "name": shop.name,
    "status": shop.status,
    "checkout_enabled": shop.checkout_enabled != 0,
    "webhook_url": shop.webhook_url,
    "allowed_origins": shop.origins(),
    "challenge_url": shop.challenge_url,
    "create_session_endpoint": shop.create_session_endpoint,
    "default_success_url": shop.default_success_url,
    "default_cancel_url": shop.default_cancel_url,
    "automatic_tax": shop.automatic_tax != 0,
    "quote_url": shop.quote_url,
    "links": shop.links(),
    "order_url_template": shop.order_url_template,
    "created": shop.created }
}

fn read_origins(edge: &Edge, fields: &Fields<'_>) -> Result<Vec<String>> {
    let elements = fields.array("allowed_origins")?;
    if elements.len() > MAX_ORIGINS {
        return Err(Problem::value("parameter_invalid", "allowed_origins", format!("At most {MAX_ORIGINS} origins.")));
    }
    let mut origins = Vec::new();
    for (param, value) in elements {
        let Value::String(raw) = value else {
            return Err(Problem::shape_about("parameter_invalid_string", &param, "must be a string."));
        };
        let origin = weburl::origin_only(raw, edge.config.allow_local)
            .map_err(|why| Problem::value_about("url_not_allowed", &param, &format!("is not allowed: {why}")))?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// `POST /v1/shops`
pub fn create(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    if edge.config.registration == Registration::Operator {
        access::operator(edge, incoming)?;
    }
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &["site_url", "challenge_url", "name", "webhook_url", "allowed_origins"])?;
    let local = edge.config.allow_local;
    let raw_site = fields.need_string("site_url", 500)?;
    let site_url = weburl::site_url(raw_site, local)
        .map_err(|why| Problem::value("url_not_allowed", "site_url", format!("site_url is not allowed: {why}")))?;
    let site = WebUrl::parse(&site_url, local).map_err(Problem::fault)?;
    let raw_challenge = fields.need_string("challenge_url", 1000)?;
    let name = match fields.string("name", 200)? {
        Some(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => site_url.split_once("://").map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
    };
    let now = clock::now();
    let slot = Slot::of_site(&site_url);
    let edge = &edge.of(slot)?;
    let shop_id = clock::fresh_id_in(slot, "shop_")?;
    let api_key = clock::fresh_secret_in(slot, "ccs_")?;
    let signing_secret = sign::signing_secret(&clock::random::<32>()?);
    let sealed =
        edge.config.seal_keys.seal(clock::random::<12>()?, &access::signing_secret_context(&shop_id), signing_secret.as_bytes())?;
    let mut shop = ShopRow {
        id: shop_id,
        site_url,
        name,
        status: if edge.config.verification_required { "pending" } else { "active" }.to_owned(),
        checkout_enabled: 1,
        challenge: clock::fresh_secret("ccch_")?,
        challenge_url: raw_challenge.to_owned(),
        webhook_url: None,
        allowed_origins: (read_origins(edge, &fields)?).text(),
        create_session_endpoint: None,
        default_success_url: None,
        default_cancel_url: None,
        automatic_tax: 0,
        quote_url: None,
        links: "[]".to_owned(),
        order_url_template: None,
        fee_bps: None,
        fee_fixed: None,
        category_fees: None,
        signing_secret: sealed,
        previous_signing_secret: None,
        previous_signing_secret_expires_at: None,
        created: now,
    };
    let challenge_url = access::shop_url(edge, &shop, "challenge_url", raw_challenge, false)?;
    // Under the shop's own path: where many shops share an origin, one must not prove another's.
    if !challenge_url.under(&site) {
        return Err(Problem::value("url_not_allowed", "challenge_url", "challenge_url must lie under site_url's path, on its origin."));
    }
    shop.challenge_url = challenge_url.to_string();
    if let Some(raw) = fields.string("webhook_url", 1000)? {
        shop.webhook_url = Some(access::shop_url(edge, &shop, "webhook_url", raw, false)?.to_string());
    }
    edge.db.insert_shop(&shop, &sign::sha256_hex(api_key.as_bytes()))?;
    *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
    let mut object = shop_object(&shop);
    if let Value::Object(members) = &mut object {
        members.insert("api_key".into(), api_key.json());
        members.insert("signing_secret".into(), signing_secret.json());
        members.insert("challenge".into(), shop.challenge.json());
    }
    Ok(Reply::json(201, &object))
}

/// Whether an answer is the challenge: plain text, or JSON with a `challenge`, told by content.
fn is_challenge(body: &[u8], challenge: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text == challenge {
        return true;
    }
    match text.parse::<Value>() {
        // A WordPress REST route answers a bare string as a JSON string.
        Ok(Value::String(told)) => told.trim() == challenge,
        Ok(Value::Object(members)) => members.get("challenge").and_then(Value::as_str).is_some_and(|told| told.trim() == challenge),
        _ => false,
    }
}

/// The only addresses that may take a site over from a shop that holds it. Any other could be a visitor's upload.
fn takes_over(shop: &ShopRow) -> bool {
    let site = &shop.site_url;
    let url = shop.challenge_url.as_str();
    let routes = [
        format!("{site}/wp-json/cognitive-cart/v1/challenge"),
        format!("{site}/?rest_route=/cognitive-cart/v1/challenge"),
        format!("{site}?rest_route=/cognitive-cart/v1/challenge"),
        format!("{site}/index.php?rest_route=/cognitive-cart/v1/challenge"),
        format!("{site}/.well-known/cognitive-cart-challenge"),
    ];
    // In the query only: in a path `%2F` is part of a name, which a visitor may have chosen.
    let decoded = url
        .split_once('?')
        .map_or_else(|| url.to_owned(), |(path, query)| [path, "?", &query.replace("%2F", "/").replace("%2f", "/")].concat());
    routes.iter().any(|route| *route == decoded || *route == url)
}

/// `POST /v1/shop/verify`
pub fn verify(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let mut shop = access::shop(edge, incoming)?;
    Fields::open(&incoming.json()?, "", &[])?;
    if shop.status == "active" {
        return Ok(Reply::json(200, &shop_object(&shop)));
    }
    if edge.config.verification_required {
        let failed = |message: String, saw: Value| Problem::value("challenge_failed", "challenge_url", message).with("saw", saw);
        let url = shop.challenge_url.clone();
        let received = outside::get(edge, &url, CHALLENGE_DEADLINE, CHALLENGE_LIMIT).map_err(|why| {
            failed(
                format!("{url} could not be read: {why}. Is the shop reachable from the Internet?"),
                object! { "status": Value::Null, "server": Value::Null, "body": why },
            )
        })?;
        if received.status != 200 || !is_challenge(&received.body, &shop.challenge) {
            let start: String = String::from_utf8_lossy(&received.body).chars().take(200).collect();
            let server = received.headers.get("server").ok().flatten();
            return Err(failed(
                format!(
                    "{url} answered {} ({}) instead of 200 with the challenge; it began: {start:?}. Often a firewall or a cache: allow the User-Agent CognitiveCart-Worker.",
                    received.status,
                    server.as_deref().unwrap_or("no server header"),
                ),
                object! { "status": received.status, "server": server, "body": start },
            ));
        }
    }
    let holder = edge.db.site_holder(&shop.site_url, &shop.id)?;
    // Attack: whoever is suspended registers his site anew and goes on.
    if holder.as_ref().is_some_and(|holder| holder.status == "suspended") {
        return Err(access::suspended());
    }
    if (holder.is_some() && !takes_over(&shop)) || !edge.db.activate_shop(&shop, takes_over(&shop), clock::now())? {
        return Err(Problem::value(
            "challenge_failed",
            "challenge_url",
            "This site is registered already. A new registration of it must prove itself at wp-json/cognitive-cart/v1/challenge or .well-known/cognitive-cart-challenge under site_url.",
        ));
    }
    shop.status = "active".to_owned();
    Ok(Reply::json(200, &shop_object(&shop)))
}

/// `GET /v1/shop`
pub fn get(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    Ok(Reply::json(200, &shop_object(&shop)))
}

/// What `PATCH /v1/shop` may change.
const SETTINGS: [&str; 11] = [
    "name",
    "webhook_url",
    "allowed_origins",
    "checkout_enabled",
    "create_session_endpoint",
    "default_success_url",
    "default_cancel_url",
    "automatic_tax",
    "quote_url",
    "links",
    "order_url_template",
];

/// Pages that agents show to buyers, by what they are (ACP's types of links, of all its versions).
const LINK_TYPES: [&str; 9] = [
    "terms_of_use",
    "privacy_policy",
    "return_policy",
    "shipping_policy",
    "contact_us",
    "about_us",
    "faq",
    "support",
    "seller_shop_policies",
];
const MAX_LINKS: usize = 20;

/// `links`, as far as it can be told without the shop; their addresses are looked at by [`check_links`].
fn read_links(fields: &Fields<'_>) -> Result<Value> {
    let elements = fields.array("links")?;
    if elements.len() > MAX_LINKS {
        return Err(Problem::value("parameter_invalid", "links", format!("At most {MAX_LINKS} links.")));
    }
    let words = LINK_TYPES.map(|word| (word, word));
    let mut links = Vec::new();
    for (path, element) in elements {
        let link = Fields::open(element, &path, &["type", "url", "title"])?;
        link.need("type")?;
        let mut object = object! { "type": link.choice("type", &words)?, "url": link.need_string("url", weburl::MAX_LENGTH)? };
        if let (Value::Object(members), Some(title)) = (&mut object, link.string("title", 100)?.filter(|title| !title.trim().is_empty())) {
            members.insert("title".to_owned(), title.trim().json());
        }
        links.push(object);
    }
    Ok(links.json())
}

/// Also those that stay: an origin that was taken away takes its addresses with it, and says so.
fn check_links(edge: &Edge, shop: &ShopRow) -> Result<()> {
    let links = shop.links();
    for (at, link) in links.as_array().into_iter().flatten().enumerate() {
        let url = link.get("url").and_then(Value::as_str).unwrap_or_default();
        access::shop_url(edge, shop, &format!("links[{at}][url]"), url, true)?;
    }
    Ok(())
}

/// On the shop's own origin whatever is filled in, and of each order's own.
fn check_order_template(edge: &Edge, shop: &ShopRow, template: &str) -> Result<()> {
    // As long as ids may be: with what is filled in it must still be an address.
    let (order, order_id) = (format!("{:0<30}", "ord_"), "0".repeat(200));
    let filled = weburl::fill_order(template, &order, Some(&order_id)).unwrap_or_default();
    if filled == template {
        return Err(Problem::value(
            "parameter_invalid",
            "order_url_template",
            "order_url_template must contain {ORDER} (our ord_… id) or {ORDER_ID} (your own): else all orders had one address.",
        ));
    }
    access::shop_url(edge, shop, "order_url_template", &filled, true).map(|_| ())
}

/// `PATCH /v1/shop`: what is named is set, `null` or an empty text clears (as at Stripe), the rest stays.
pub fn update(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let mut shop = access::shop(edge, incoming)?;
    let body = incoming.json()?;
    let fields = Fields::open(&body, "", &SETTINGS)?;
    if fields.raw("name").is_some() {
        shop.name = fields.need_string("name", 200)?.trim().to_owned();
    }
    if fields.raw("allowed_origins").is_some() {
        shop.allowed_origins = (read_origins(edge, &fields)?).text();
    }
    if let Some(enabled) = fields.boolean("checkout_enabled")? {
        shop.checkout_enabled = i64::from(enabled);
    }
    if let Some(tax) = fields.boolean("automatic_tax")? {
        shop.automatic_tax = i64::from(tax);
    }
    if fields.raw("links").is_some() {
        shop.links = read_links(&fields)?.text();
    }
    let read = |name: &str, current: &Option<String>| -> Result<Option<String>> {
        let said = fields.string(name, 1000)?.filter(|text| !text.is_empty());
        Ok(if fields.raw(name).is_some() { said.map(str::to_owned) } else { current.clone() })
    };
    let webhook_url = read("webhook_url", &shop.webhook_url)?;
    let endpoint = read("create_session_endpoint", &shop.create_session_endpoint)?;
    let success = read("default_success_url", &shop.default_success_url)?;
    let cancel = read("default_cancel_url", &shop.default_cancel_url)?;
    let quote_url = read("quote_url", &shop.quote_url)?;
    let template = read("order_url_template", &shop.order_url_template)?;
    // Checked also where they stay: an origin that was taken away takes its addresses with it, and says so.
    for (name, value) in [
        ("webhook_url", &webhook_url),
        ("create_session_endpoint", &endpoint),
        ("default_success_url", &success),
        ("default_cancel_url", &cancel),
        ("quote_url", &quote_url),
    ] {
        if let Some(raw) = value {
            access::shop_url(edge, &shop, name, raw, name.starts_with("default_"))?;
        }
    }
    check_links(edge, &shop)?;
    if let Some(template) = &template {
        check_order_template(edge, &shop, template)?;
    }
    shop.quote_url = quote_url;
    shop.order_url_template = template;
    shop.webhook_url = webhook_url;
    shop.create_session_endpoint = endpoint;
    shop.default_success_url = success;
    shop.default_cancel_url = cancel;
    let named: Vec<&str> = SETTINGS.into_iter().filter(|name| fields.raw(name).is_some()).collect();
    let shop = edge.db.update_shop(&shop, &named, clock::now())?.ok_or_else(access::unknown_key)?;
    if shop.checkout_enabled == 0 {
        let (work, shop_id) = (edge.clone(), shop.id.clone());
        edge.later(move || {
            if let Err(problem) = super::sweep::expire_open_of(&work, &shop_id) {
                crate::edge::log::line(
                    object! { "level": "warn", "event": "kill_switch_left_to_sweep", "shop": shop_id, "why": problem.code },
                );
            }
        });
    }
    Ok(Reply::json(200, &shop_object(&shop)))
}

/// `POST /v1/shop/api_keys`
pub fn roll_api_key(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    let body = incoming.json()?;
    let good_for = Fields::open(&body, "", &["previous_valid_for"])?.integer("previous_valid_for", 0, ROLLED_LIFE)?;
    let now = clock::now();
    let until = now.saturating_add(good_for.unwrap_or(ROLLED_LIFE));
    let key = clock::fresh_secret_in(Slot::of_id(&shop.id), "ccs_")?;
    edge.db.roll_key(&shop.id, &sign::sha256_hex(key.as_bytes()), now, until)?;
    Ok(Reply::json(201, &object! { "object": "api_key", "api_key": key, "created": now, "previous_expires_at": until }))
}

/// `POST /v1/shop/signing_secrets`
pub fn roll_signing_secret(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    Fields::open(&incoming.json()?, "", &[])?;
    let now = clock::now();
    let until = now.saturating_add(ROLLED_LIFE);
    let secret = sign::signing_secret(&clock::random::<32>()?);
    let sealed = edge.config.seal_keys.seal(clock::random::<12>()?, &access::signing_secret_context(&shop.id), secret.as_bytes())?;
    edge.db.roll_signing_secret(&shop, &sealed, until)?;
    Ok(Reply::json(201, &object! { "object": "signing_secret", "signing_secret": secret, "created": now, "previous_expires_at": until }))
}

/// Whether an id in a path can be one of ours at all.
pub fn plausible(what: &str, value: &str, prefix: &str) -> Result<()> {
    if id::is_prefixed(value, prefix) { Ok(()) } else { Err(Problem::missing(what, value)) }
}
