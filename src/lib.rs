//! CognitiveCart Worker: shops sell to AI agents and chat visitors through Stripe.
//!
//! The inside decides, the edge does. Whatever decides is a plain function over plain data; whatever touches the
//! platform lives in [`edge`] and [`store`] and decides nothing. Each journey reads top to bottom in one file:
//! *receive → load → decide → call Stripe → record → reply*.
//!
//! | room | what |
//! | --- | --- |
//! | [`route`] | which journey a method and a path ask for |
//! | [`config`] | every variable of the operator's, all problems at once |
//! | [`money`], [`cart`] | minor units; what a shop sends → an order known to be good |
//! | [`ledger`] | what a transaction is, which way its status moves, what counts as news of it |
//! | [`aftermath`], [`refund`], [`dispute`] | what becomes of it after it was paid |
//! | [`agent`] | agents of a shop: what their keys open, which addresses they may have |
//! | [`agentic`] | Stripe's agentic commerce: catalogue columns, hooks, agents' orders |
//! | [`acp`] | the Agentic Commerce Protocol: documents, arithmetic, the versions on the wire |
//! | [`order`] | an agent's order as its shop changes it: statuses, deliveries, refunds |
//! | [`mcp`] | the same as tools: messages of the Model Context Protocol |
//! | [`feed`], [`product`] | a catalogue as it arrives, bytes to rows; what a row says |
//! | [`fulfillment`] | how a shop delivers, its taxes and coupons |
//! | [`notice`] | what a shop is told, and when it is told again |
//! | [`sign`], [`seal`], [`id`] | signatures, sealing, ids |
//! | [`place`] | in which database a shop is |
//! | [`weburl`] | addresses that answers may go to |
//! | [`text`] | cookies, queries, cells of a spreadsheet |
//! | [`limit`] | how often one caller may ask |
//! | [`stripe`] | builds calls to Stripe and reads the answers; never sends |
//! | `entry` | the platform's ways in: a request, the cron |
//! | `journey` | connect, checkout, complete, event, ledger, shops, catalogue, upload, erase, admin, sweep |
//! | `store` | every SQL statement and KV key; its module doc is the schema with lifetimes |
//! | `edge` | requests, answers, deadlines, time, randomness, the log |
//! | [`page`] | the few pages that a person meets |
//!
//! Read next: `journey/checkout.rs`, then [`cart`] and [`money`].

#[macro_use]
pub mod record;

pub mod acp;
pub mod aftermath;
pub mod agent;
pub mod agentic;
pub mod cart;
pub mod config;
pub mod dispute;
pub mod error;
pub mod feed;
pub mod fields;
pub mod fulfillment;
pub mod id;
pub mod ledger;
pub mod limit;
pub mod mcp;
pub mod money;
pub mod notice;
pub mod order;
pub mod page;
pub mod place;
pub mod product;
pub mod refund;
pub mod route;
pub mod seal;
pub mod sign;
pub mod stripe;
pub mod text;
pub mod weburl;

mod edge;
mod entry;
mod journey;
mod store;

use crate::record::Json;
use edge::http::{Incoming, Reply};
use edge::{Counters, Edge, clock, log};
use error::{Problem, Result};
use place::Slot;
use route::{Act, Found, Leads, Route};
use std::rc::Rc;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{Request, Response};
use worker::worker_sys::Context;

/// One request: told apart, answered, logged. Never an `Err` and never a panic: either would reach others.
fn fetch(request: Request, env: Env, context: Context) -> std::result::Result<Response, JsValue> {
    let begun = clock::now_ms();
    let incoming = Incoming::new(request);
    let request_id = request_id(&incoming);
    let counters = Rc::new(Counters::default());
    let found = route::find(&incoming.method, &incoming.path);
    let name = if let Found::Route(route) = &found { route.name() } else { "none" };
    let for_a_person = matches!(&found, Found::Route(route) if route.is_page());
    let reply = match answer(&incoming, found, env, context, &request_id, &counters) {
        Ok(reply) => reply,
        Err(problem) => {
            log::problem(&problem, &request_id);
            let version = incoming.header("API-Version");
            if let Some(dialect) = journey::acp::dialect_of(&incoming.path, version.as_deref()) {
                journey::acp::refused(dialect, &problem, incoming.header("Idempotency-Key"))
            } else if journey::mcp::is_here(&incoming.path) {
                journey::mcp::refused(&problem)
            } else if for_a_person {
                journey::welcome::sorry(&problem, &request_id)
            } else {
                Reply::problem(&problem, &request_id)
            }
        }
    };
    if reply.status >= 400 {
        incoming.drain();
    }
    let shop = counters.shop.borrow().clone();
    log::line(
        object! { "level": "info", "event": "request", "request_id": request_id, "method": incoming.method, "route": name, "shop": shop,
        "status": reply.status, "ms": clock::now_ms().saturating_sub(begun), "d1": counters.d1.get(), "stripe": counters.stripe.get(),
        "stripe_request_id": &*counters.stripe_request.borrow() },
    );
    reply.send(&request_id, incoming.method == "HEAD")
}

/// The caller's id, if it is one that a log can hold; else a fresh one.
fn request_id(incoming: &Incoming) -> String {
    incoming
        .header("Request-Id")
        .filter(|id| log::fits(id))
        .or_else(|| clock::fresh_id("req_").ok())
        .unwrap_or_else(|| "req_unknown".to_owned())
}

fn answer(incoming: &Incoming, found: Found, env: Env, context: Context, request_id: &str, counters: &Rc<Counters>) -> Result<Reply> {
    let route = match found {
        Found::Route(route) => route,
        Found::NotFound => {
            return Err(Problem::nothing_here());
        }
        Found::NotAllowed(allow) => {
            let mut problem = Problem::request(405, "method_not_allowed", format!("This address answers {allow}."));
            problem.allow = Some(allow);
            return Err(problem);
        }
    };
    let configuration = edge::configuration(&env);
    let allow_local = match configuration {
        Ok(config) => config.allow_local,
        Err(broken) => broken.allow_local,
    };
    if let Ok(config) = configuration {
        edge::limit::count_address(&env, config, route.counter(), incoming)?;
    }
    let configured_url = configuration.as_ref().ok().and_then(|config| config.public_url.clone());
    let public_url = configured_url.unwrap_or_else(|| incoming.origin.clone());
    match &route {
        Route::FrontPage => return Ok(journey::welcome::front(configuration, &public_url, allow_local)),
        Route::OpenApi => return journey::welcome::openapi(),
        _ => {}
    }
    let config = match configuration {
        Ok(config) => config,
        Err(broken) if route == Route::Health => return Ok(journey::welcome::health_misconfigured(broken)),
        Err(broken) => {
            let names: Vec<&str> = broken.problems.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Problem::not_configured(format!(
                "The operator of this Worker has to set: {}. The front page says what is wrong with each.",
                names.join(", ")
            ))
            .with("variables", names.json()));
        }
    };
    let edge = Edge::new(config, env, Some(context), request_id.into(), public_url.into(), counters.clone());
    let slot = match route.leads() {
        Leads::Id(id) => Some(Slot::of_id(id)),
        Leads::Secret(secret) => Some(Slot::of_secret(secret)),
        Leads::State => incoming.param("state").map(|state| Slot::of_secret(&state)),
        Leads::Key => journey::access::key(incoming).ok().map(|key| Slot::of_secret(&key)),
        Leads::Nowhere => None,
    };
    let edge = match slot {
        Some(slot) if config.placement.matters() => edge.of(slot)?,
        _ => edge,
    };
    dispatch(&edge, incoming, route)
}

/// What a route asks for. Called by pointer, once: else the compiler makes one function of all of them, whose frame on the stack is that of
/// the largest.
enum Journey<'a> {
    Plain(fn(&Edge, &Incoming) -> Result<Reply>),
    With(fn(&Edge, &Incoming, &str) -> Result<Reply>, &'a str),
    Acp(fn(&Edge, &Incoming, Act, &str) -> Result<Reply>, Act, &'a str),
}

fn dispatch(edge: &Edge, incoming: &Incoming, route: Route) -> Result<Reply> {
    use Journey::{Acp, Plain, With};
    use journey::{
        admin, agents, catalogue, checkout, complete, connect, erase, event, export, fulfillment, ledger, notify, order_page, orders,
        shops, upload, welcome,
    };
    let journey = match &route {
        Route::FrontPage | Route::OpenApi => return Err(Problem::fault("answered before")),
        Route::Health => return Ok(welcome::health(edge)),
        Route::CreateShop => Plain(shops::create),
        Route::VerifyShop => Plain(shops::verify),
        Route::GetShop => Plain(shops::get),
        Route::UpdateShop => Plain(shops::update),
        Route::DeleteShop => Plain(erase::delete_shop),
        Route::ExportShop => Plain(export::shop),
        Route::RollApiKey => Plain(shops::roll_api_key),
        Route::RollSigningSecret => Plain(shops::roll_signing_secret),
        Route::CreateAgent => Plain(agents::create),
        Route::ListAgents => Plain(agents::list),
        Route::GetAgent(id) => With(agents::get, id),
        Route::UpdateAgent(id) => With(agents::update, id),
        Route::DeleteAgent(id) => With(agents::delete, id),
        Route::RollAgentKey(id) => With(agents::roll_api_key, id),
        Route::RollAgentSecret(id) => With(agents::roll_signing_secret, id),
        Route::StartConnect => Plain(connect::start),
        Route::ConsentPage(ticket) => With(connect::consent_page, ticket),
        Route::Consent(ticket) => With(connect::consent, ticket),
        Route::ConnectCallback => Plain(connect::callback),
        Route::ConnectReturn => Plain(journey::onboarding::came_back),
        Route::ConnectRefresh => Plain(journey::onboarding::refresh),
        Route::ConfirmConnect => Plain(connect::confirm),
        Route::GetConnection => Plain(connect::get),
        Route::DeleteConnection => Plain(connect::delete),
        Route::CreateCheckoutSession => Plain(checkout::create),
        Route::GetCheckoutSession(id) => With(checkout::get, id),
        Route::ExpireCheckoutSession(id) => With(checkout::expire, id),
        Route::Complete(id) => With(|edge, incoming, id| complete::complete(edge, incoming, Some(id)), id),
        Route::CompleteBySession => Plain(|edge, incoming| complete::complete(edge, incoming, None)),
        Route::Cancel(id) => With(|edge, _, id| complete::cancel(edge, id), id),
        Route::Manifest => Plain(complete::manifest),
        Route::ListTransactions => Plain(ledger::list),
        Route::GetTransaction(id) => With(ledger::get, id),
        Route::CreateRefund(id) => With(journey::refund::create, id),
        Route::Capture(id) => With(journey::capture::capture, id),
        Route::SummarizeTransactions => Plain(ledger::summary),
        Route::ExportTransactions => Plain(ledger::export),
        Route::ListOrders => Plain(orders::list),
        Route::GetOrder(id) => With(orders::get, id),
        Route::UpdateOrder(id) => With(orders::update, id),
        Route::OrderPage(_) => Plain(|_, _| order_page::form()),
        Route::ShowOrder(id) => With(order_page::show, id),
        Route::ListEvents => Plain(notify::list),
        Route::GetEvent(id) => With(notify::get, id),
        Route::ResendEvent(id) => With(notify::resend, id),
        Route::Checkout(act, _, id) => Acp(journey::acp::checkout, *act, id),
        Route::Cart(act, id) => Acp(journey::acp::cart, *act, id),
        Route::Mcp => Plain(journey::mcp::serve),
        Route::AcpDiscovery => return Ok(journey::acp::discovery(edge)),
        Route::ReplaceProducts => Plain(|edge, incoming| upload::receive(edge, incoming, "replace")),
        Route::UpsertProducts => Plain(|edge, incoming| upload::receive(edge, incoming, "upsert")),
        Route::ListProducts => Plain(catalogue::list),
        Route::GetProduct(id) => With(catalogue::get, id),
        Route::PutProduct(id) => With(catalogue::put, id),
        Route::DeleteProduct(id) => With(catalogue::delete, id),
        Route::UpdateInventory => Plain(catalogue::inventory),
        Route::ListUploads => Plain(upload::list),
        Route::GetUpload(id) => With(upload::get, id),
        Route::ListUploadErrors(id) => With(upload::errors, id),
        Route::GetFulfillment => Plain(fulfillment::get),
        Route::SetFulfillment => Plain(fulfillment::set),
        Route::StripeWebhook => Plain(event::receive),
        Route::CreateImport => Plain(journey::agentic::imports::create),
        Route::ListImports => Plain(journey::agentic::imports::list),
        Route::GetImport(id) => With(journey::agentic::imports::get, id),
        Route::ListImportErrors(id) => With(journey::agentic::imports::errors, id),
        Route::SetAgenticRules => Plain(journey::agentic::rules::set),
        Route::GetAgenticRules => Plain(journey::agentic::rules::get),
        Route::CreateAccountSession => Plain(journey::agentic::account::session),
        Route::CreateSettingsLink => Plain(journey::agentic::account::link),
        Route::ListAgreements => Plain(journey::agentic::agreements::list),
        Route::GetAgreement(id) => With(journey::agentic::agreements::get, id),
        Route::ConfirmAgreement(id) => With(journey::agentic::agreements::confirm, id),
        Route::TerminateAgreement(id) => With(journey::agentic::agreements::terminate, id),
        Route::AgenticHook => Plain(journey::agentic::hooks::answer),
        Route::AgenticSettings(id) => With(journey::agentic::account::page, id),
        Route::RefreshAgenticSettings(id) => With(journey::agentic::account::refresh, id),
        Route::AdminListShops => Plain(admin::shops),
        Route::AdminUpdateShop(id) => With(admin::update, id),
        Route::AdminSuspendShop(id) => With(|edge, incoming, id| admin::switch(edge, incoming, id, true), id),
        Route::AdminResumeShop(id) => With(|edge, incoming, id| admin::switch(edge, incoming, id, false), id),
        Route::AdminListStrays => Plain(admin::strays),
        Route::AdminMetrics => Plain(admin::metrics),
    };
    let reply = match journey {
        Plain(journey) => journey(edge, incoming),
        With(journey, id) => journey(edge, incoming, id),
        Acp(journey, act, id) => journey(edge, incoming, act, id),
    };
    notify::after(edge);
    reply
}

/// The sweep. A scheduled event returns nothing, so whatever happens is in the log.
fn scheduled(env: Env) {
    let Ok(config) = edge::configuration(&env) else { return };
    let counters = Rc::new(Counters::default());
    let public_url = config.public_url.clone().unwrap_or_default();
    let edge = Edge::new(config, env, None, "sweep".into(), public_url.into(), counters);
    journey::sweep::everywhere(&edge);
}
