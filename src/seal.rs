//! Sealing of what must be stored and be readable again: OAuth tokens and signing secrets (AES-256-GCM).
//!
//! `SEAL_KEYS` is `id:64 hex`, comma separated: the first seals, all open, so that keys can be rolled. The
//! associated data says what is sealed and whose it is; a sealed text that was moved to another row does not open.
//! Form: `s1.<key id>.<base64(nonce, ciphertext, tag)>`. No error names a key or a plain text.

use crate::error::{Problem, Result};
use crate::sign;
use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use base64ct::{Base64, Encoding};
use std::fmt;

/// Tells this form from later ones.
const VERSION: &str = "s1";

/// Bytes of an AES-GCM nonce.
const NONCE: usize = 12;

struct SealKey {
    id: String,
    key: [u8; 32],
}

/// The keys of `SEAL_KEYS`; at least one.
pub struct SealKeys(Vec<SealKey>);

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| format!("{}:…", key.id))).finish()
    }
}

impl SealKeys {
    /// Reads `id:64 hex, id:64 hex`. The error says what is wrong with which entry, never its text.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut keys: Vec<SealKey> = Vec::new();
        for (place, entry) in text.split(',').enumerate() {
            let number = place.saturating_add(1);
            let (id, hex) =
                entry.trim().split_once(':').ok_or_else(|| format!("entry {number} must be an id, a colon and 64 hexadecimal digits"))?;
            if !is_key_id(id) {
                return Err(format!("the id of entry {number} must be 1 to 32 of A-Z, a-z, 0-9, - and _"));
            }
            let mut key = [0; 32];
            if hex.len() != 64 || base16ct::mixed::decode(hex, &mut key).is_err() {
                return Err(format!("the key of entry {number} must be 64 hexadecimal digits (`openssl rand -hex 32` makes one)"));
            }
            if keys.iter().any(|known| known.id == id) {
                return Err(format!("entry {number} has the id of an earlier one"));
            }
            keys.push(SealKey { id: id.to_owned(), key });
        }
        Ok(SealKeys(keys))
    }

    /// The id of the key that seals; a row sealed under another one is due for sealing again.
    pub fn first_id(&self) -> &str {
        self.0.first().map_or("", |key| key.id.as_str())
    }

    /// The ids of the others: what they sealed is to be sealed anew.
    pub fn older_ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(|key| key.id.as_str())
    }

    /// Seals `plain` under the first key. `nonce` must be fresh randomness every time: a nonce used twice with one
    /// key gives both plain texts away.
    pub fn seal(&self, nonce: [u8; 12], aad: &str, plain: &[u8]) -> Result<String> {
        let key = self.0.first().ok_or_else(|| Problem::fault("no key to seal with"))?;
        let sealed = cipher(key)?
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: aad.as_bytes() })
            .map_err(|_| Problem::fault("sealing failed"))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(format!("{VERSION}.{}.{}", key.id, Base64::encode_string(&bytes)))
    }

    /// Opens what [`SealKeys::seal`] made with the same `aad`. Everything that can go wrong is a fault: the stored
    /// text was altered or moved, or the operator took a key away that is still needed.
    pub fn open(&self, aad: &str, sealed: &str) -> Result<Vec<u8>> {
        let mut parts = sealed.split('.');
        let (Some(VERSION), Some(id), Some(encoded), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Problem::fault("a sealed text is not of the form s1.<id>.<data>"));
        };
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(|| {
            let id = if is_key_id(id) { id } else { "?" };
            Problem::fault(format!("a sealed text needs the key '{id}', which SEAL_KEYS no longer has"))
        })?;
        let bytes = sign::base64_decode(encoded).ok_or_else(|| Problem::fault("a sealed text is not base64"))?;
        let (nonce, data) = bytes.split_first_chunk::<NONCE>().ok_or_else(|| Problem::fault("a sealed text is too short"))?;
        cipher(key)?
            .decrypt(&Nonce::from(*nonce), Payload { msg: data, aad: aad.as_bytes() })
            .map_err(|_| Problem::fault("a sealed text does not open: altered, moved, or sealed under another key"))
    }
}

/// The id of the key that sealed a text.
pub fn key_id(sealed: &str) -> Option<&str> {
    sealed.split('.').nth(1)
}

/// The texts that a key sealed are those from the first of these up to, and without, the second.
pub fn range(key_id: &str) -> (String, String) {
    // '/' follows '.'.
    (format!("{VERSION}.{key_id}."), format!("{VERSION}.{key_id}/"))
}

fn cipher(key: &SealKey) -> Result<Aes256Gcm> {
    Aes256Gcm::new_from_slice(&key.key).map_err(|_| Problem::fault("AES refused the key's length"))
}

/// No dot and no colon: both separate.
fn is_key_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
