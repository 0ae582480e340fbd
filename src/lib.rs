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
use route::{Found, Leads, Route};
use std::rc::Rc;
use worker::Env;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{Request, Response};
use worker::worker_sys::Context;

/// One request: told apart, answered, logged. Never an `Err` and never a panic: either would reach others.
fn fetch(request: Request, env: Env, context: Context) -> std::result::Result<Response, JsValue> {
    let begun = clock::now_ms();
    let mut incoming = Incoming::new(request);
    let request_id = request_id(&incoming);
    let counters = Rc::new(Counters::default());
    let found = route::find(&incoming.method, &incoming.path);
    let name = if let Found::Route(route) = &found { route.name() } else { "none" };
    let for_a_person = matches!(&found, Found::Route(route) if route.is_page());
    let reply = match answer(&mut incoming, found, env, context, &request_id, &counters) {
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

fn answer(incoming: &mut Incoming, found: Found, env: Env, context: Context, request_id: &str, counters: &Rc<Counters>) -> Result<Reply> {
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

fn dispatch(edge: &Edge, incoming: &mut Incoming, route: Route) -> Result<Reply> {
    use journey::{
        admin, agents, catalogue, checkout, complete, connect, erase, event, export, fulfillment, ledger, notify, order_page, orders,
        shops, upload, welcome,
    };
    let reply = match &route {
        Route::FrontPage | Route::OpenApi => return Err(Problem::fault("answered before")),
        Route::Health => return Ok(welcome::health(edge)),
        Route::CreateShop => shops::create(edge, incoming),
        Route::VerifyShop => shops::verify(edge, incoming),
        Route::GetShop => shops::get(edge, incoming),
        Route::UpdateShop => shops::update(edge, incoming),
        Route::DeleteShop => erase::delete_shop(edge, incoming),
        Route::ExportShop => export::shop(edge, incoming),
        Route::RollApiKey => shops::roll_api_key(edge, incoming),
        Route::RollSigningSecret => shops::roll_signing_secret(edge, incoming),
        Route::CreateAgent => agents::create(edge, incoming),
        Route::ListAgents => agents::list(edge, incoming),
        Route::GetAgent(id) => agents::get(edge, incoming, id),
        Route::UpdateAgent(id) => agents::update(edge, incoming, id),
        Route::DeleteAgent(id) => agents::delete(edge, incoming, id),
        Route::RollAgentKey(id) => agents::roll_api_key(edge, incoming, id),
        Route::RollAgentSecret(id) => agents::roll_signing_secret(edge, incoming, id),
        Route::StartConnect => connect::start(edge, incoming),
        Route::ConsentPage(ticket) => connect::consent_page(edge, incoming, ticket),
        Route::Consent(ticket) => connect::consent(edge, incoming, ticket),
        Route::ConnectCallback => connect::callback(edge, incoming),
        Route::ConnectReturn => journey::onboarding::came_back(edge, incoming),
        Route::ConnectRefresh => journey::onboarding::refresh(edge, incoming),
        Route::ConfirmConnect => connect::confirm(edge, incoming),
        Route::GetConnection => connect::get(edge, incoming),
        Route::DeleteConnection => connect::delete(edge, incoming),
        Route::CreateCheckoutSession => checkout::create(edge, incoming),
        Route::GetCheckoutSession(id) => checkout::get(edge, incoming, id),
        Route::ExpireCheckoutSession(id) => checkout::expire(edge, incoming, id),
        Route::Complete(id) => complete::complete(edge, incoming, Some(id)),
        Route::CompleteBySession => complete::complete(edge, incoming, None),
        Route::Cancel(id) => complete::cancel(edge, id),
        Route::Manifest => complete::manifest(edge, incoming),
        Route::ListTransactions => ledger::list(edge, incoming),
        Route::GetTransaction(id) => ledger::get(edge, incoming, id),
        Route::CreateRefund(id) => journey::refund::create(edge, incoming, id),
        Route::Capture(id) => journey::capture::capture(edge, incoming, id),
        Route::SummarizeTransactions => ledger::summary(edge, incoming),
        Route::ExportTransactions => ledger::export(edge, incoming),
        Route::ListOrders => orders::list(edge, incoming),
        Route::GetOrder(id) => orders::get(edge, incoming, id),
        Route::UpdateOrder(id) => orders::update(edge, incoming, id),
        Route::OrderPage(id) => order_page::form(edge, id),
        Route::ShowOrder(id) => order_page::show(edge, incoming, id),
        Route::ListEvents => notify::list(edge, incoming),
        Route::GetEvent(id) => notify::get(edge, incoming, id),
        Route::ResendEvent(id) => notify::resend(edge, incoming, id),
        Route::Checkout(act, _, id) => journey::acp::checkout(edge, incoming, *act, id),
        Route::Cart(act, id) => journey::acp::cart(edge, incoming, *act, id),
        Route::Mcp => journey::mcp::serve(edge, incoming),
        Route::AcpDiscovery => return Ok(journey::acp::discovery(edge)),
        Route::ReplaceProducts => upload::receive(edge, incoming, "replace"),
        Route::UpsertProducts => upload::receive(edge, incoming, "upsert"),
        Route::ListProducts => catalogue::list(edge, incoming),
        Route::GetProduct(id) => catalogue::get(edge, incoming, id),
        Route::PutProduct(id) => catalogue::put(edge, incoming, id),
        Route::DeleteProduct(id) => catalogue::delete(edge, incoming, id),
        Route::UpdateInventory => catalogue::inventory(edge, incoming),
        Route::ListUploads => upload::list(edge, incoming),
        Route::GetUpload(id) => upload::get(edge, incoming, id),
        Route::ListUploadErrors(id) => upload::errors(edge, incoming, id),
        Route::GetFulfillment => fulfillment::get(edge, incoming),
        Route::SetFulfillment => fulfillment::set(edge, incoming),
        Route::StripeWebhook => event::receive(edge, incoming),
        Route::CreateImport => journey::agentic::imports::create(edge, incoming),
        Route::ListImports => journey::agentic::imports::list(edge, incoming),
        Route::GetImport(id) => journey::agentic::imports::get(edge, incoming, id),
        Route::ListImportErrors(id) => journey::agentic::imports::errors(edge, incoming, id),
        Route::SetAgenticRules => journey::agentic::rules::set(edge, incoming),
        Route::GetAgenticRules => journey::agentic::rules::get(edge, incoming),
        Route::CreateAccountSession => journey::agentic::account::session(edge, incoming),
        Route::CreateSettingsLink => journey::agentic::account::link(edge, incoming),
        Route::ListAgreements => journey::agentic::agreements::list(edge, incoming),
        Route::GetAgreement(id) => journey::agentic::agreements::get(edge, incoming, id),
        Route::ConfirmAgreement(id) => journey::agentic::agreements::confirm(edge, incoming, id),
        Route::TerminateAgreement(id) => journey::agentic::agreements::terminate(edge, incoming, id),
        Route::AgenticHook => journey::agentic::hooks::answer(edge, incoming),
        Route::AgenticSettings(id) => journey::agentic::account::page(edge, incoming, id),
        Route::RefreshAgenticSettings(id) => journey::agentic::account::refresh(edge, incoming, id),
        Route::AdminListShops => admin::shops(edge, incoming),
        Route::AdminUpdateShop(id) => admin::update(edge, incoming, id),
        Route::AdminSuspendShop(id) => admin::switch(edge, incoming, id, true),
        Route::AdminResumeShop(id) => admin::switch(edge, incoming, id, false),
        Route::AdminListStrays => admin::strays(edge, incoming),
        Route::AdminMetrics => admin::metrics(edge, incoming),
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
