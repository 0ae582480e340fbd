//! In which of the Worker's databases a shop is.
//!
//! One D1 database is one thread and 10 GB. An operator who outgrows it binds more of them and says which of 32 slots lie in which
//! (`DATABASES`). A shop's slot is a stable hash of its site's host, so that whoever registers a site anew lands where the one before is;
//! it stands in every id and every secret by which a stranger comes to the shop: the last character of an id, the first behind the prefix
//! of a secret. So each request knows its database before it has read anything, and a shop that moves keeps all its addresses.

use crate::sign;

/// How many there are: the units that are spread over databases and moved between them.
pub const SLOTS: u8 = 32;

/// One of the 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u8);

/// The alphabet of ids (src/id.rs): its place is the slot.
const OF_IDS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// base64url.
const OF_SECRETS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of 256 bits in base64url.
const SECRET: usize = 43;

fn among(alphabet: &[u8], character: Option<&u8>) -> Slot {
    let place = character.and_then(|character| alphabet.iter().position(|known| known == character)).unwrap_or_default();
    Slot::of(u8::try_from(place).unwrap_or_default())
}

impl Slot {
    fn of(bits: u8) -> Slot {
        Slot(bits & 31)
    }

    /// Of a shop, by the host of its site (`https://host[:port][/path]`): sites above and below each other are kept together.
    pub fn of_site(site_url: &str) -> Slot {
        let rest = site_url.split_once("://").map_or(site_url, |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let hash = sign::sha256_hex(host.to_ascii_lowercase().as_bytes());
        Slot::of(hash.get(..2).and_then(|first| u8::from_str_radix(first, 16).ok()).unwrap_or_default())
    }

    /// Of an id of ours. Of what is none: some slot, where it is not found.
    pub fn of_id(id: &str) -> Slot {
        among(OF_IDS, id.as_bytes().last())
    }

    /// Of a secret of ours, with or without its prefix.
    pub fn of_secret(secret: &str) -> Slot {
        let bytes = secret.as_bytes();
        among(OF_SECRETS, bytes.get(bytes.len().saturating_sub(SECRET)))
    }

    /// The randomness of an id that is to be in this slot.
    pub fn mark_id(self, random: &mut [u8; 10]) {
        let [.., last] = random;
        *last = (*last & !31) | self.0;
    }

    /// The same of a secret.
    pub fn mark_secret(self, random: &mut [u8; 32]) {
        let [first, ..] = random;
        *first = (*first & 0b1000_0011) | (self.0 << 2);
    }
}

/// Where the slots are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Names of the bindings. There is at least one.
    pub databases: Vec<String>,
    /// For each slot the number of its database among them.
    of_slots: [u8; SLOTS as usize],
    /// A bit for each slot that is being moved: nothing is done for its shops.
    moving: u32,
}

impl Default for Placement {
    fn default() -> Self {
        Placement { databases: vec!["DB".to_owned()], of_slots: [0; SLOTS as usize], moving: 0 }
    }
}

impl Placement {
    /// `DB=0-15 DB_2=16-30,31`: every slot in exactly one database.
    pub fn read(text: &str) -> Result<Placement, String> {
        let mut found = Placement { databases: Vec::new(), of_slots: [u8::MAX; SLOTS as usize], moving: 0 };
        // What was written is not repeated: a secret may have been pasted into the wrong variable.
        for (place, part) in text.split_whitespace().enumerate() {
            let nth = place.saturating_add(1);
            let (name, slots) = part.split_once('=').ok_or_else(|| format!("is not NAME=slots in its part {nth}."))?;
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(plain) || found.databases.iter().any(|known| known == name) {
                return Err(format!("must begin its part {nth} with the name of a binding (A-Z, 0-9, _), and each once."));
            }
            let number = u8::try_from(found.databases.len()).unwrap_or(u8::MAX);
            found.databases.push(name.to_owned());
            for slot in read_slots(slots)? {
                match found.of_slots.get_mut(usize::from(slot)) {
                    Some(place) if *place == u8::MAX => *place = number,
                    _ => return Err(format!("names the slot {slot} twice.")),
                }
            }
        }
        match found.of_slots.iter().position(|place| *place == u8::MAX) {
            Some(slot) => Err(format!("names no database for the slot {slot}: each of 0 to 31 must be in one.")),
            None => Ok(found),
        }
    }

    /// The slots that are being moved: `7` or `0-3,9`.
    pub fn set_moving(&mut self, text: &str) -> Result<(), String> {
        self.moving = 0;
        for slot in read_slots(text)? {
            self.moving |= 1_u32.wrapping_shl(u32::from(slot));
        }
        Ok(())
    }

    /// The number of a slot's database in [`Placement::databases`].
    pub fn database(&self, slot: Slot) -> usize {
        self.of_slots.get(usize::from(slot.0)).copied().map_or(0, usize::from)
    }

    /// Whether it makes a difference where a shop is.
    pub fn matters(&self) -> bool {
        self.databases.len() > 1 || self.any_moving()
    }

    /// Whether it is on its way from one database to another.
    pub fn is_moving(&self, slot: Slot) -> bool {
        self.moving & 1_u32.wrapping_shl(u32::from(slot.0)) != 0
    }

    /// Whether any is.
    pub fn any_moving(&self) -> bool {
        self.moving != 0
    }
}

/// `0-3,9`
fn read_slots(text: &str) -> Result<Vec<u8>, String> {
    let number = |text: &str| -> Result<u8, String> {
        text.parse().ok().filter(|slot| *slot < SLOTS).ok_or_else(|| "has what is no slot: 0 to 31, as in 0-3,9.".to_owned())
    };
    let mut slots = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("has a range that ends before it begins: write 0-3, not 3-0.".to_owned());
        }
        slots.extend(first..=last);
    }
    Ok(slots)
}
