//! From a method and a path to the journey that answers them, or to 404, or to 405 with its `Allow`.
//!
//! One table, [`ROUTES`], says everything; a test compares it with `openapi.json` in both directions.
//! Contract: *Conventions* (base URL with or without a trailing slash, `OPTIONS` answers 405, 405 carries `Allow`).

use crate::limit::Counter;
use crate::text::percent_decoded;

/// What an agent does to a checkout or a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Create,
    Get,
    Update,
    Complete,
    Cancel,
}

/// Whose words an agent speaks: those of Stripe's page, or of a released version, which `API-Version` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Stripe,
    Released,
}

/// What of a request leads to its shop's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads<'a> {
    /// An id of ours in the path.
    Id(&'a str),
    /// A one-time secret in the path.
    Secret(&'a str),
    /// The `state` of the query.
    State,
    /// The key that it is sent with.
    Key,
    Nowhere,
}

/// What a request asks for. An id in the path comes along as text that is known to be plain (see [`is_plain`]); only a
/// product's is the shop's own, and may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    FrontPage,
    Health,
    OpenApi,
    CreateShop,
    VerifyShop,
    GetShop,
    UpdateShop,
    DeleteShop,
    ExportShop,
    RollApiKey,
    RollSigningSecret,
    CreateAgent,
    ListAgents,
    /// Carries `agt_…`, as the next four do.
    GetAgent(String),
    UpdateAgent(String),
    DeleteAgent(String),
    RollAgentKey(String),
    RollAgentSecret(String),
    StartConnect,
    /// The page with the one button; carries the ticket.
    ConsentPage(String),
    /// The button; carries the ticket.
    Consent(String),
    ConnectCallback,
    /// Back from Stripe's form for a new account, finished or not; and where its link was too old.
    ConnectReturn,
    ConnectRefresh,
    ConfirmConnect,
    GetConnection,
    DeleteConnection,
    CreateCheckoutSession,
    /// Carries `cs_…`.
    GetCheckoutSession(String),
    /// Carries `cs_…`.
    ExpireCheckoutSession(String),
    /// Carries `cct_…`; the Session's id is in the query.
    Complete(String),
    CompleteBySession,
    /// Carries `cct_…`.
    Cancel(String),
    Manifest,
    ListTransactions,
    /// Carries `cct_…`.
    GetTransaction(String),
    /// Carries `cct_…`.
    CreateRefund(String),
    /// Carries `cct_…`.
    Capture(String),
    SummarizeTransactions,
    ExportTransactions,
    ListOrders,
    /// Carries `ord_…`, as the next three do.
    GetOrder(String),
    UpdateOrder(String),
    /// The page with the form, and what the form asks for.
    OrderPage(String),
    ShowOrder(String),
    ListEvents,
    /// Carries `ccevt_…`.
    GetEvent(String),
    /// Carries `ccevt_…`.
    ResendEvent(String),
    /// An agent's checkout; carries its id where there is one.
    Checkout(Act, Wire, String),
    /// An agent's cart, likewise.
    Cart(Act, String),
    /// The same as tools.
    Mcp,
    AcpDiscovery,
    ReplaceProducts,
    UpsertProducts,
    ListProducts,
    /// Carries the product's id, decoded, as the next two do.
    GetProduct(String),
    PutProduct(String),
    DeleteProduct(String),
    UpdateInventory,
    ListUploads,
    /// Carries `ccup_…`.
    GetUpload(String),
    /// Carries `ccup_…`.
    ListUploadErrors(String),
    GetFulfillment,
    SetFulfillment,
    StripeWebhook,
    // Stripe's agentic commerce
    CreateImport,
    ListImports,
    GetImport(String),
    ListImportErrors(String),
    SetAgenticRules,
    GetAgenticRules,
    CreateAccountSession,
    CreateSettingsLink,
    ListAgreements,
    GetAgreement(String),
    ConfirmAgreement(String),
    TerminateAgreement(String),
    AgenticHook,
    AgenticSettings(String),
    /// The same page asks for an account session.
    RefreshAgenticSettings(String),
    AdminListShops,
    /// Carries `shop_…`, as the next two do.
    AdminUpdateShop(String),
    AdminSuspendShop(String),
    AdminResumeShop(String),
    AdminListStrays,
    AdminMetrics,
}

impl Route {
    /// Whether a merchant or a buyer looks at the answer: then trouble is told on a page and not in JSON.
    pub fn is_page(&self) -> bool {
        matches!(
            self,
            Route::FrontPage
                | Route::ConsentPage(_)
                | Route::Consent(_)
                | Route::ConnectCallback
                | Route::ConnectReturn
                | Route::ConnectRefresh
                | Route::Complete(_)
                | Route::CompleteBySession
                | Route::Cancel(_)
                | Route::OrderPage(_)
                | Route::ShowOrder(_)
                | Route::AgenticSettings(_)
        )
    }

    /// What tells in which database its shop is (src/place.rs).
    pub fn leads(&self) -> Leads<'_> {
        match self {
            Route::Complete(id) | Route::Cancel(id) | Route::OrderPage(id) | Route::ShowOrder(id) => Leads::Id(id),
            Route::AdminUpdateShop(id) | Route::AdminSuspendShop(id) | Route::AdminResumeShop(id) => Leads::Id(id),
            Route::ConsentPage(ticket) | Route::Consent(ticket) => Leads::Secret(ticket),
            Route::AgenticSettings(ticket) | Route::RefreshAgenticSettings(ticket) => Leads::Secret(ticket),
            Route::ConnectCallback | Route::ConnectReturn | Route::ConnectRefresh => Leads::State,
            // Each sees to it by itself.
            Route::FrontPage | Route::Health | Route::OpenApi | Route::AcpDiscovery | Route::CreateShop | Route::CompleteBySession => {
                Leads::Nowhere
            }
            Route::StripeWebhook | Route::AgenticHook => Leads::Nowhere,
            Route::AdminListShops | Route::AdminListStrays | Route::AdminMetrics => Leads::Nowhere,
            _ => Leads::Key,
        }
    }

    /// What a request counts against (contract, *Conventions*, "Rate limits").
    pub fn counter(&self) -> Counter {
        match self {
            Route::CreateShop => Counter::Registration,
            Route::Health | Route::OpenApi | Route::AcpDiscovery => Counter::Address,
            page if page.is_page() => Counter::Address,
            Route::RefreshAgenticSettings(_) => Counter::Address,
            // Attack: events that Stripe cannot deliver are payments that nobody hears of, and a flood of forged ones would see to
            // that. A forged one costs a hash and no round trip, so it is not worth a limit.
            Route::StripeWebhook | Route::AgenticHook => Counter::Nothing,
            _ => Counter::Key,
        }
    }

    /// What the log calls it: the operation's id in `openapi.json`, never the path (tickets stand in paths).
    pub fn name(&self) -> &'static str {
        match self {
            Route::FrontPage => "frontPage",
            Route::Health => "health",
            Route::OpenApi => "openapi",
            Route::CreateShop => "createShop",
            Route::VerifyShop => "verifyShop",
            Route::GetShop => "getShop",
            Route::UpdateShop => "updateShop",
            Route::DeleteShop => "deleteShop",
            Route::ExportShop => "exportShop",
            Route::RollApiKey => "rollApiKey",
            Route::RollSigningSecret => "rollSigningSecret",
            Route::CreateAgent => "createAgent",
            Route::ListAgents => "listAgents",
            Route::GetAgent(_) => "getAgent",
            Route::UpdateAgent(_) => "updateAgent",
            Route::DeleteAgent(_) => "deleteAgent",
            Route::RollAgentKey(_) => "rollAgentKey",
            Route::RollAgentSecret(_) => "rollAgentSecret",
            Route::StartConnect => "startConnect",
            Route::ConsentPage(_) => "consentPage",
            Route::Consent(_) => "consent",
            Route::ConnectCallback => "connectCallback",
            Route::ConnectReturn => "connectReturn",
            Route::ConnectRefresh => "connectRefresh",
            Route::ConfirmConnect => "confirmConnect",
            Route::GetConnection => "getConnection",
            Route::DeleteConnection => "deleteConnection",
            Route::CreateCheckoutSession => "createCheckoutSession",
            Route::GetCheckoutSession(_) => "getCheckoutSession",
            Route::ExpireCheckoutSession(_) => "expireCheckoutSession",
            Route::Complete(_) => "complete",
            Route::CompleteBySession => "completeBySession",
            Route::Cancel(_) => "cancel",
            Route::Manifest => "manifest",
            Route::ListTransactions => "listTransactions",
            Route::GetTransaction(_) => "getTransaction",
            Route::CreateRefund(_) => "createRefund",
            Route::Capture(_) => "captureTransaction",
            Route::SummarizeTransactions => "summarizeTransactions",
            Route::ExportTransactions => "exportTransactions",
            Route::ListOrders => "listOrders",
            Route::GetOrder(_) => "getOrder",
            Route::UpdateOrder(_) => "updateOrder",
            Route::OrderPage(_) => "orderPage",
            Route::ShowOrder(_) => "showOrder",
            Route::ListEvents => "listEvents",
            Route::GetEvent(_) => "getEvent",
            Route::ResendEvent(_) => "resendEvent",
            Route::Checkout(act, Wire::Stripe, _) => match act {
                Act::Create => "createCheckoutStripe",
                Act::Get => "getCheckoutStripe",
                Act::Update => "updateCheckoutStripe",
                Act::Complete => "completeCheckoutStripe",
                Act::Cancel => "cancelCheckoutStripe",
            },
            Route::Checkout(act, Wire::Released, _) => match act {
                Act::Create => "createCheckout",
                Act::Get => "getCheckout",
                Act::Update => "updateCheckout",
                Act::Complete => "completeCheckout",
                Act::Cancel => "cancelCheckout",
            },
            Route::Cart(act, _) => match act {
                Act::Create => "createCart",
                Act::Get => "getCart",
                Act::Update | Act::Complete => "replaceCart",
                Act::Cancel => "cancelCart",
            },
            Route::Mcp => "mcp",
            Route::AcpDiscovery => "acpDiscovery",
            Route::ReplaceProducts => "replaceProducts",
            Route::UpsertProducts => "upsertProducts",
            Route::ListProducts => "listProducts",
            Route::GetProduct(_) => "getProduct",
            Route::PutProduct(_) => "putProduct",
            Route::DeleteProduct(_) => "deleteProduct",
            Route::UpdateInventory => "updateInventory",
            Route::ListUploads => "listUploads",
            Route::GetUpload(_) => "getUpload",
            Route::ListUploadErrors(_) => "listUploadErrors",
            Route::GetFulfillment => "getFulfillment",
            Route::SetFulfillment => "setFulfillment",
            Route::StripeWebhook => "stripeWebhook",
            Route::CreateImport => "createImport",
            Route::ListImports => "listImports",
            Route::GetImport(_) => "getImport",
            Route::ListImportErrors(_) => "listImportErrors",
            Route::SetAgenticRules => "setAgenticRules",
            Route::GetAgenticRules => "getAgenticRules",
            Route::CreateAccountSession => "createAccountSession",
            Route::CreateSettingsLink => "createSettingsLink",
            Route::ListAgreements => "listAgreements",
            Route::GetAgreement(_) => "getAgreement",
            Route::ConfirmAgreement(_) => "confirmAgreement",
            Route::TerminateAgreement(_) => "terminateAgreement",
            Route::AgenticHook => "agenticHook",
            Route::AgenticSettings(_) => "agenticSettings",
            Route::RefreshAgenticSettings(_) => "refreshAgenticSettings",
            Route::AdminListShops => "adminListShops",
            Route::AdminUpdateShop(_) => "adminUpdateShop",
            Route::AdminSuspendShop(_) => "adminSuspendShop",
            Route::AdminResumeShop(_) => "adminResumeShop",
            Route::AdminListStrays => "adminListStrays",
            Route::AdminMetrics => "adminMetrics",
        }
    }
}

/// The methods that the Worker knows. HEAD is GET without the body; the edge drops the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    /// A GET that uses something up. HEAD is refused: a link scanner that looks before the browser arrives
    /// would spend the merchant's one-time state, and the connection would fail for no visible reason.
    GetOnce,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get | Method::GetOnce => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Methods are case-sensitive (RFC 9110, 9.1).
    fn answers(self, method: &str) -> bool {
        method == self.name() || (self == Method::Get && method == "HEAD")
    }
}

/// One line of the table: method, path with at most one `{id}` segment (`{product}`: percent-encoded), and what to make of the id.
pub struct Entry {
    pub method: Method,
    pub path: &'static str,
    pub make: fn(String) -> Route,
}

const fn on(method: Method, path: &'static str, make: fn(String) -> Route) -> Entry {
    Entry { method, path, make }
}

/// Every route. The first line whose path fits decides what the path is, so that a literal stands
/// before a pattern that would fit it too: `POST /connect/callback` is a 405, not the ticket «callback».
pub const ROUTES: &[Entry] = &[
    on(Method::Get, "/", |_| Route::FrontPage),
    on(Method::Get, "/healthz", |_| Route::Health),
    on(Method::Get, "/openapi.json", |_| Route::OpenApi),
    // Shops
    on(Method::Post, "/v1/shops", |_| Route::CreateShop),
    on(Method::Get, "/v1/shop", |_| Route::GetShop),
    on(Method::Patch, "/v1/shop", |_| Route::UpdateShop),
    on(Method::Delete, "/v1/shop", |_| Route::DeleteShop),
    on(Method::Get, "/v1/shop/export", |_| Route::ExportShop),
    on(Method::Post, "/v1/shop/verify", |_| Route::VerifyShop),
    on(Method::Post, "/v1/shop/api_keys", |_| Route::RollApiKey),
    on(Method::Post, "/v1/shop/signing_secrets", |_| Route::RollSigningSecret),
    // Agents
    on(Method::Get, "/v1/agents", |_| Route::ListAgents),
    on(Method::Post, "/v1/agents", |_| Route::CreateAgent),
    on(Method::Get, "/v1/agents/{id}", Route::GetAgent),
    on(Method::Patch, "/v1/agents/{id}", Route::UpdateAgent),
    on(Method::Delete, "/v1/agents/{id}", Route::DeleteAgent),
    on(Method::Post, "/v1/agents/{id}/api_keys", Route::RollAgentKey),
    on(Method::Post, "/v1/agents/{id}/signing_secrets", Route::RollAgentSecret),
    // Connect
    on(Method::Post, "/v1/connect/start", |_| Route::StartConnect),
    on(Method::Post, "/v1/connect/confirm", |_| Route::ConfirmConnect),
    on(Method::Get, "/v1/connection", |_| Route::GetConnection),
    on(Method::Delete, "/v1/connection", |_| Route::DeleteConnection),
    on(Method::GetOnce, "/connect/callback", |_| Route::ConnectCallback),
    on(Method::GetOnce, "/connect/return", |_| Route::ConnectReturn),
    on(Method::GetOnce, "/connect/refresh", |_| Route::ConnectRefresh),
    on(Method::Get, "/connect/{ticket}", Route::ConsentPage),
    on(Method::Post, "/connect/{ticket}", Route::Consent),
    // Checkout
    on(Method::Post, "/v1/checkout/sessions", |_| Route::CreateCheckoutSession),
    on(Method::Get, "/v1/checkout/sessions/{id}", Route::GetCheckoutSession),
    on(Method::Post, "/v1/checkout/sessions/{id}/expire", Route::ExpireCheckoutSession),
    on(Method::Get, "/v1/manifest", |_| Route::Manifest),
    // The buyer comes back
    on(Method::Get, "/checkout/complete", |_| Route::CompleteBySession),
    on(Method::Get, "/checkout/complete/{transaction}", Route::Complete),
    on(Method::Get, "/checkout/cancel/{transaction}", Route::Cancel),
    // Ledger
    on(Method::Get, "/v1/transactions", |_| Route::ListTransactions),
    on(Method::Get, "/v1/transactions.csv", |_| Route::ExportTransactions),
    on(Method::Get, "/v1/transactions/summary", |_| Route::SummarizeTransactions),
    on(Method::Get, "/v1/transactions/{id}", Route::GetTransaction),
    on(Method::Post, "/v1/transactions/{id}/refunds", Route::CreateRefund),
    on(Method::Post, "/v1/transactions/{id}/capture", Route::Capture),
    // Orders
    on(Method::Get, "/v1/orders", |_| Route::ListOrders),
    on(Method::Get, "/v1/orders/{id}", Route::GetOrder),
    on(Method::Patch, "/v1/orders/{id}", Route::UpdateOrder),
    on(Method::Get, "/orders/{id}", Route::OrderPage),
    on(Method::Post, "/orders/{id}", Route::ShowOrder),
    // Notices
    on(Method::Get, "/v1/events", |_| Route::ListEvents),
    on(Method::Get, "/v1/events/{id}", Route::GetEvent),
    on(Method::Post, "/v1/events/{id}/resend", Route::ResendEvent),
    // Agents: Stripe's dialect
    on(Method::Post, "/checkouts", |id| Route::Checkout(Act::Create, Wire::Stripe, id)),
    on(Method::Get, "/checkouts/{id}", |id| Route::Checkout(Act::Get, Wire::Stripe, id)),
    on(Method::Put, "/checkouts/{id}", |id| Route::Checkout(Act::Update, Wire::Stripe, id)),
    on(Method::Post, "/checkouts/{id}/complete", |id| Route::Checkout(Act::Complete, Wire::Stripe, id)),
    on(Method::Post, "/checkouts/{id}/cancel", |id| Route::Checkout(Act::Cancel, Wire::Stripe, id)),
    // Agents: the released versions, told apart by API-Version
    on(Method::Post, "/checkout_sessions", |id| Route::Checkout(Act::Create, Wire::Released, id)),
    on(Method::Get, "/checkout_sessions/{id}", |id| Route::Checkout(Act::Get, Wire::Released, id)),
    on(Method::Post, "/checkout_sessions/{id}", |id| Route::Checkout(Act::Update, Wire::Released, id)),
    on(Method::Post, "/checkout_sessions/{id}/complete", |id| Route::Checkout(Act::Complete, Wire::Released, id)),
    on(Method::Post, "/checkout_sessions/{id}/cancel", |id| Route::Checkout(Act::Cancel, Wire::Released, id)),
    on(Method::Post, "/carts", |id| Route::Cart(Act::Create, id)),
    on(Method::Get, "/carts/{id}", |id| Route::Cart(Act::Get, id)),
    on(Method::Put, "/carts/{id}", |id| Route::Cart(Act::Update, id)),
    on(Method::Post, "/carts/{id}/cancel", |id| Route::Cart(Act::Cancel, id)),
    on(Method::Post, "/mcp", |_| Route::Mcp),
    on(Method::Get, "/.well-known/acp.json", |_| Route::AcpDiscovery),
    // Catalogue
    on(Method::Get, "/v1/catalogue/products", |_| Route::ListProducts),
    on(Method::Put, "/v1/catalogue/products", |_| Route::ReplaceProducts),
    on(Method::Patch, "/v1/catalogue/products", |_| Route::UpsertProducts),
    on(Method::Get, "/v1/catalogue/products/{product}", Route::GetProduct),
    on(Method::Put, "/v1/catalogue/products/{product}", Route::PutProduct),
    on(Method::Delete, "/v1/catalogue/products/{product}", Route::DeleteProduct),
    on(Method::Patch, "/v1/catalogue/inventory", |_| Route::UpdateInventory),
    on(Method::Get, "/v1/catalogue/uploads", |_| Route::ListUploads),
    on(Method::Get, "/v1/catalogue/uploads/{id}", Route::GetUpload),
    on(Method::Get, "/v1/catalogue/uploads/{id}/errors", Route::ListUploadErrors),
    on(Method::Get, "/v1/shop/fulfillment", |_| Route::GetFulfillment),
    on(Method::Put, "/v1/shop/fulfillment", |_| Route::SetFulfillment),
    // Stripe
    on(Method::Post, "/stripe/webhooks", |_| Route::StripeWebhook),
    // Stripe's agentic commerce
    on(Method::Post, "/v1/agentic/catalogue/imports", |_| Route::CreateImport),
    on(Method::Get, "/v1/agentic/catalogue/imports", |_| Route::ListImports),
    on(Method::Get, "/v1/agentic/catalogue/imports/{id}", Route::GetImport),
    on(Method::Get, "/v1/agentic/catalogue/imports/{id}/errors", Route::ListImportErrors),
    on(Method::Put, "/v1/agentic/rules", |_| Route::SetAgenticRules),
    on(Method::Get, "/v1/agentic/rules", |_| Route::GetAgenticRules),
    on(Method::Post, "/v1/agentic/account_sessions", |_| Route::CreateAccountSession),
    on(Method::Post, "/v1/agentic/settings_link", |_| Route::CreateSettingsLink),
    on(Method::Get, "/v1/agentic/agreements", |_| Route::ListAgreements),
    on(Method::Get, "/v1/agentic/agreements/{id}", Route::GetAgreement),
    on(Method::Post, "/v1/agentic/agreements/{id}/confirm", Route::ConfirmAgreement),
    on(Method::Post, "/v1/agentic/agreements/{id}/terminate", Route::TerminateAgreement),
    on(Method::Post, "/stripe/agentic-hooks", |_| Route::AgenticHook),
    on(Method::Get, "/agentic/settings/{ticket}", Route::AgenticSettings),
    on(Method::Post, "/agentic/settings/{ticket}", Route::RefreshAgenticSettings),
    // Operator
    on(Method::Get, "/v1/admin/shops", |_| Route::AdminListShops),
    on(Method::Patch, "/v1/admin/shops/{id}", Route::AdminUpdateShop),
    on(Method::Post, "/v1/admin/shops/{id}/suspend", Route::AdminSuspendShop),
    on(Method::Post, "/v1/admin/shops/{id}/resume", Route::AdminResumeShop),
    on(Method::Get, "/v1/admin/strays", |_| Route::AdminListStrays),
    on(Method::Get, "/v1/admin/metrics", |_| Route::AdminMetrics),
];

/// What [`find`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Route(Route),
    /// 404 `route_unknown`.
    NotFound,
    /// 405 `method_not_allowed`; carries the `Allow` header.
    NotAllowed(&'static str),
}

/// Finds the route of a request. `path` is the URL's path alone, as it came (not percent-decoded).
pub fn find(method: &str, path: &str) -> Found {
    // A client that joins "https://worker.example/" and "/v1/…" sends "//v1/…".
    let path = path.trim_start_matches('/');

    let Some((template, id)) = ROUTES.iter().find_map(|entry| Some((entry.path, fit(entry.path, path)?))) else {
        return Found::NotFound;
    };
    let here = || ROUTES.iter().filter(|entry| entry.path == template);
    match here().find(|entry| entry.method.answers(method)) {
        Some(entry) => Found::Route((entry.make)(id)),
        None => Found::NotAllowed(allow(here().map(|entry| entry.method))),
    }
}

/// Lays a path (without its leading slashes) over a template: the id in it, or "" where there is none.
fn fit(template: &str, path: &str) -> Option<String> {
    let mut segments = path.split('/');
    let mut id = String::new();
    for expected in template.trim_start_matches('/').split('/') {
        let segment = segments.next()?;
        if expected == "{product}" {
            id = percent_decoded(segment).filter(|id| is_shops_own(id))?;
        } else if expected.starts_with('{') {
            if !is_plain(segment) {
                return None;
            }
            id = segment.to_owned();
        } else if segment != expected {
            return None;
        }
    }
    segments.next().is_none().then_some(id)
}

/// Every id and ticket of ours and of Stripe's is of these characters; anything else names nothing,
/// and need not be carried into SQL, KV keys or Stripe's paths.
pub fn is_plain(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A product's id is the shop's own: whatever a feed may call it. It goes into SQL as a parameter and into answers as a text.
fn is_shops_own(id: &str) -> bool {
    !id.trim().is_empty() && id.chars().count() <= crate::product::MAX_ID && !id.chars().any(char::is_control)
}

/// The `Allow` header (RFC 9110, 10.2.1) for the methods of one path.
fn allow(methods: impl Iterator<Item = Method>) -> &'static str {
    let (mut get, mut once, mut post, mut put, mut patch, mut delete) = (false, false, false, false, false, false);
    for method in methods {
        match method {
            Method::Get => get = true,
            Method::GetOnce => once = true,
            Method::Post => post = true,
            Method::Put => put = true,
            Method::Patch => patch = true,
            Method::Delete => delete = true,
        }
    }
    // Only the combinations that occur; a test goes through all of ROUTES.
    match (get, once, post, put, patch, delete) {
        (true, false, false, false, false, false) => "GET, HEAD",
        (true, false, true, false, false, false) => "GET, HEAD, POST",
        (true, false, false, true, false, false) => "GET, HEAD, PUT",
        (true, false, false, true, true, false) => "GET, HEAD, PUT, PATCH",
        (true, false, false, true, false, true) => "GET, HEAD, PUT, DELETE",
        (true, false, false, false, true, true) => "GET, HEAD, PATCH, DELETE",
        (true, false, false, false, true, false) => "GET, HEAD, PATCH",
        (false, false, false, false, true, false) => "PATCH",
        (true, false, false, false, false, true) => "GET, HEAD, DELETE",
        (false, true, false, false, false, false) => "GET",
        (false, false, true, false, false, false) => "POST",
        _ => "",
    }
}
