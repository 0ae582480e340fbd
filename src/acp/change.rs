//! What an agent asks for, put into the document; and what is allowed when.

use super::ask::{Ask, Patch};
use super::session::{Session, Status};
use crate::error::{Problem, Result};
use crate::fulfillment::code_key;
use serde_json::Value;

/// What can be done to a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Update,
    Complete,
    Cancel,
}

impl Command {
    pub const ALL: [Command; 3] = [Command::Update, Command::Complete, Command::Cancel];
}

/// Whether a command may be given in a status. Only cancelling what has ended is a 405 (rfc.agentic_checkout, cancel); a checkout whose
/// payment is under way is left alone until its outcome is known: anything else could pay it twice, or for another cart.
pub fn allowed(status: Status, command: Command) -> Result<()> {
    let ended = |what: &'static str, code: &'static str| {
        let status = if command == Command::Cancel { 405 } else { 409 };
        let mut problem = Problem::request(status, code, format!("This checkout is {what}: nothing about it can be changed any more."));
        if status == 405 {
            problem.allow = Some("GET, HEAD");
        }
        Err(problem)
    };
    match status {
        Status::Completed => ended("completed", "checkout_completed"),
        Status::Canceled => ended("canceled", "checkout_canceled"),
        Status::Expired => ended("expired", "checkout_expired"),
        Status::InProgress => Err(Problem::request(
            409,
            "complete_in_progress",
            "A payment for this checkout is under way, or its outcome is not known yet. Read the checkout again in a moment.",
        )
        .after(5)),
        Status::NotReady if command == Command::Complete => Ok(()),
        Status::NotReady | Status::Ready | Status::AuthenticationRequired => Ok(()),
    }
}

/// Why a checkout that is not ready cannot be completed: its first error, in its own words. Stock is told in the session itself.
pub fn not_ready(session: &Session) -> Problem {
    match session.messages.iter().find(|message| message.kind == "error") {
        Some(message) => {
            let code = match message.code.as_deref() {
                Some("missing") => "missing",
                Some("region_restricted") => "region_restricted",
                Some("minimum_not_met") => "minimum_not_met",
                Some("maximum_exceeded") => "maximum_exceeded",
                Some("unsupported") => "unsupported",
                _ => "invalid",
            };
            let problem = Problem::request(400, code, message.content.clone());
            match &message.param {
                Some(param) => problem.at(param.clone()),
                None => problem,
            }
        }
        None => Problem::request(400, "invalid", "This checkout is not ready for payment: read it to see what is missing."),
    }
}

fn patch<T: Clone>(field: &mut Option<T>, asked: &Patch<T>) {
    match asked {
        Patch::Keep => {}
        Patch::Clear => *field = None,
        Patch::Set(value) => *field = Some(value.clone()),
    }
}

fn patch_value(field: &mut Value, asked: &Patch<Value>) {
    match asked {
        Patch::Keep => {}
        Patch::Clear => *field = Value::Null,
        Patch::Set(value) => *field = value.clone(),
    }
}

/// Puts all but items, currency and the choice of delivery into the document: those need the catalogue (see [`super::price`]).
pub fn apply(session: &mut Session, ask: &Ask) {
    patch_value(&mut session.buyer, &ask.buyer);
    patch(&mut session.contact, &ask.contact);
    patch(&mut session.address, &ask.address);
    patch_value(&mut session.groups, &ask.groups);
    patch(&mut session.order_notes, &ask.order_notes);
    match &ask.codes {
        Patch::Keep => {}
        Patch::Clear => session.codes.clear(),
        Patch::Set(codes) => session.codes.clone_from(codes),
    }
    session.code_keys = session.codes.iter().map(|code| code_key(code)).collect();
    if let Some(capabilities) = &ask.capabilities {
        session.capabilities = capabilities.clone();
    }
    if let Some(metadata) = &ask.metadata {
        session.metadata = metadata.clone();
    }
    for (field, asked) in
        [(&mut session.locale, &ask.locale), (&mut session.timezone, &ask.timezone), (&mut session.quote_id, &ask.quote_id)]
    {
        if asked.is_some() {
            field.clone_from(asked);
        }
    }
}

/// What a buyer gave of himself, where he can be reached: the buyer's own address first, then that of who takes delivery.
pub fn email(session: &Session) -> Option<&str> {
    let buyer = session.buyer.get("email").and_then(Value::as_str);
    buyer.or_else(|| session.contact.as_ref()?.email.as_deref()).filter(|email| !email.is_empty())
}

/// His name, likewise.
pub fn name(session: &Session) -> Option<String> {
    let text = |member: &str| session.buyer.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = text("full_name") {
        return Some(name.to_owned());
    }
    match (text("first_name"), text("last_name")) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => session.address.as_ref().map(|address| address.name.clone()),
    }
}

/// His telephone number, likewise.
pub fn phone(session: &Session) -> Option<&str> {
    let buyer = session.buyer.get("phone_number").and_then(Value::as_str);
    buyer.or_else(|| session.contact.as_ref()?.phone_number.as_deref())
}
