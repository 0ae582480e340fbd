//! Signatures, hashes and constant-time comparison. Pure: the time and the randomness are passed in.
//!
//! Two kinds of secret share the prefix `whsec_` and are used differently, which is why each has its own function:
//! - Stripe's endpoint secrets: the key is the *whole* text, prefix included (contract, *From Stripe*);
//! - our signing secrets for shops: the key is what follows the prefix, base64-decoded, as in Standard Webhooks
//!   (contract, *Completion*).

use crate::error::{Problem, Result};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Seconds that a webhook's timestamp may lie in the past or in the future.
const TOLERANCE: u64 = 300;

/// Room for about sixty signatures; Stripe sends one to three.
const LONGEST_HEADER: usize = 4096;

const SIGNING_PREFIX: &str = "whsec_";

/// Lower-case hex SHA-256: how keys and codes are stored.
pub fn sha256_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

/// The same of what arrives piece by piece.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    pub fn hex(self) -> String {
        base16ct::lower::encode_string(&self.0.finalize())
    }
}

/// Whether two byte strings are equal, in a time that does not tell where they differ. Lengths are not secret.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// The S256 challenge of a verifier: base64url(SHA-256(verifier)), no padding.
pub fn s256(verifier: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()))
}

/// A new signing secret for a shop.
pub fn signing_secret(random: &[u8; 32]) -> String {
    format!("{SIGNING_PREFIX}{}", Base64::encode_string(random))
}

/// HMAC-SHA256. It takes keys of any length, so the fault cannot happen; it is passed on rather than assumed.
fn mac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Problem::fault("HMAC refused the key's length"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

/// The key bytes of one of our own signing secrets.
fn signing_key(secret: &str) -> Result<Vec<u8>> {
    // The secret itself must not get into the fault.
    let encoded = secret.strip_prefix(SIGNING_PREFIX).ok_or_else(|| Problem::fault("a signing secret has no whsec_"))?;
    let key = base64_decode(encoded).ok_or_else(|| Problem::fault("a signing secret is not base64"))?;
    if key.is_empty() {
        return Err(Problem::fault("a signing secret is empty"));
    }
    Ok(key)
}

/// Standard base64 with its padding. In one place: the decoder is large.
#[inline(never)]
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// What the buyer carries home to the shop, and what its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    /// Unix seconds.
    pub t: i64,
    pub transaction: &'a str,
    pub session_id: &'a str,
    /// The empty string when the shop gave none.
    pub order_id: &'a str,
    /// `paid`, `authorized`, `processing` or `unpaid`.
    pub status: &'a str,
    /// Minor units.
    pub amount_total: i64,
    pub currency: &'a str,
    pub livemode: bool,
}

/// The `signature` parameter of `success_url`: lower-case hex HMAC-SHA256 with the shop's decoded signing secret
/// (contract, *Completion*). A secret that we cannot have made is a fault.
pub fn completion_signature(secret: &str, completion: &Completion) -> Result<String> {
    let Completion { t, transaction, session_id, order_id, status, amount_total, currency, livemode } = completion;
    let text = format!("{t}.{transaction}.{session_id}.{order_id}.{status}.{amount_total}.{currency}.{livemode}");
    Ok(base16ct::lower::encode_string(&mac(&signing_key(secret)?, &[text.as_bytes()])?))
}

/// The `webhook-signature` header of a notice, by the Standard Webhooks scheme: one `v1,<base64>` for each secret, the newest first,
/// so that a shop may switch to a rolled one whenever it likes. `t` is the `webhook-timestamp`, Unix seconds.
pub fn webhook_signature(secrets: &[String], id: &str, t: i64, body: &str) -> Result<String> {
    let t = t.to_string();
    let mut header = String::new();
    for secret in secrets {
        let mac = mac(&signing_key(secret)?, &[id.as_bytes(), b".", t.as_bytes(), b".", body.as_bytes()])?;
        header.push_str(if header.is_empty() { "v1," } else { " v1," });
        header.push_str(&Base64::encode_string(&mac));
    }
    Ok(header)
}

/// The `Merchant-Signature` of an event to an agent (2026-04-17, `postOrderEvents`): `t=<seconds>,v1=<64 hex>`, HMAC-SHA256 over
/// `{t}.{body}`. The key is the *whole* text of the secret, prefix included, as receivers of this protocol take it. With `t` none it is
/// what the versions before say: the bare hex of the body's HMAC.
pub fn merchant_signature(secret: &str, t: Option<i64>, body: &str) -> Result<String> {
    let hex = |parts: &[&[u8]]| mac(secret.as_bytes(), parts).map(|mac| base16ct::lower::encode_string(&mac));
    match t {
        Some(t) => Ok(format!("t={t},v1={}", hex(&[t.to_string().as_bytes(), b".", body.as_bytes()])?)),
        None => hex(&[body.as_bytes()]),
    }
}

/// Why a `Stripe-Signature` is not good, in words for the log and for the answer 400. Holds nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSignature(pub &'static str);

/// Checks a `Stripe-Signature` header over the raw `body` against the endpoint secrets that are configured.
///
/// Stricter than Stripe's SDK (contract, *From Stripe*): exactly one `t`, digits only; as far in the future as in
/// the past; a bounded header. Any `v1` may match any secret (Stripe sends several while a secret is rolled);
/// every other scheme is ignored, or an attacker could choose a weaker one. `now` is Unix seconds.
pub fn verify_stripe(header: &str, body: &[u8], secrets: &[&str], now: i64) -> std::result::Result<(), BadSignature> {
    if header.len() > LONGEST_HEADER {
        return Err(BadSignature("the header is too long"));
    }
    if body.is_empty() {
        return Err(BadSignature("the body is empty"));
    }
    let mut timestamp: Option<&str> = None;
    let mut signatures: Vec<[u8; 32]> = Vec::new();
    // No trimming: Stripe sends no spaces, and `, v1` is not the scheme `v1`.
    for (scheme, value) in header.split(',').filter_map(|element| element.split_once('=')) {
        match scheme {
            "t" if timestamp.is_some() => return Err(BadSignature("more than one timestamp")),
            "t" => timestamp = Some(value),
            "v1" => signatures.extend(hex_mac(value)),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(BadSignature("no timestamp"))?;
    if timestamp.is_empty() || timestamp.len() > 12 || !timestamp.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadSignature("the timestamp is not a number of seconds"));
    }
    let t: i64 = timestamp.parse().map_err(|_| BadSignature("the timestamp is not a number of seconds"))?;
    if signatures.is_empty() {
        return Err(BadSignature("no v1 signature"));
    }
    // An empty secret would let anyone sign.
    let mut secrets = secrets.iter().filter(|secret| !secret.is_empty()).peekable();
    if secrets.peek().is_none() {
        return Err(BadSignature("no secret to check against"));
    }
    let mut good = subtle::Choice::from(0);
    for secret in secrets {
        // The text of the timestamp is signed, not its number: `007` must not stand for `7`.
        let expected = mac(secret.as_bytes(), &[timestamp.as_bytes(), b".", body]).map_err(|_| BadSignature("a secret cannot be used"))?;
        for signature in &signatures {
            good |= expected.ct_eq(signature);
        }
    }
    if !bool::from(good) {
        return Err(BadSignature("no signature matches: another secret, or not the bytes that Stripe sent"));
    }
    // Last, so that the age of a forged request tells nothing.
    if now.abs_diff(t) > TOLERANCE {
        return Err(BadSignature("the timestamp is too far from our clock"));
    }
    Ok(())
}

/// Checks what an agent signed: HMAC-SHA256 of `message` with its signing secret (what follows `whsec_`, decoded), as base64url or
/// base64, padded or not, or as hex. The protocol names no algorithm; these are the forms in use.
pub fn verify_agent(secret: &str, message: &[u8], signature: &str) -> bool {
    let Ok(expected) = signing_key(secret).and_then(|key| mac(&key, &[message])) else { return false };
    let signature = signature.trim();
    if let Some(given) = hex_mac(&signature.to_ascii_lowercase()) {
        return bool::from(expected.ct_eq(&given));
    }
    let plain: String = signature.trim_end_matches('=').replace('-', "+").replace('_', "/");
    base64_decode(&format!("{plain}=")).is_some_and(|given| equal(&expected, &given))
}

/// 64 lower-case hex digits, or nothing: Stripe sends nothing else.
fn hex_mac(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    base16ct::lower::decode(text, &mut bytes).ok()?;
    Some(bytes)
}
