//! In which database a shop is: what leads to it, and what the operator writes.
use cognitivecart_worker::id;
use cognitivecart_worker::place::{Placement, SLOTS, Slot};

fn all() -> Vec<Slot> {
    // Sites enough for each slot to have some.
    (0..2000).map(|n| Slot::of_site(&format!("https://shop-{n}.example/path"))).collect()
}

#[test]
fn an_id_and_a_secret_lead_back_to_the_slot_that_they_were_made_in() {
    for (n, slot) in all().into_iter().enumerate() {
        let mut ten = [(n % 251) as u8; 10];
        slot.mark_id(&mut ten);
        for prefix in ["shop_", "cct_", "ord_"] {
            assert_eq!(Slot::of_id(&id::ordered(prefix, 1_780_000_000_000 + n as u64, &ten)), slot);
        }
        let mut many = [(n % 253) as u8; 32];
        slot.mark_secret(&mut many);
        for prefix in ["ccs_", "cca_", ""] {
            assert_eq!(Slot::of_secret(&id::secret(prefix, &many)), slot);
        }
    }
}

#[test]
fn marking_keeps_all_other_bits() {
    for slot in all().into_iter().take(64) {
        let (mut ten, mut many) = ([0xFF_u8; 10], [0xFF_u8; 32]);
        slot.mark_id(&mut ten);
        slot.mark_secret(&mut many);
        assert_eq!(&ten[..9], &[0xFF; 9]);
        assert_eq!(ten[9] & 0b1110_0000, 0b1110_0000);
        assert_eq!(&many[1..], &[0xFF; 31]);
        assert_eq!(many[0] & 0b1000_0011, 0b1000_0011);
    }
}

#[test]
fn sites_are_spread_and_one_host_is_one_place() {
    let mut counts = [0_usize; SLOTS as usize];
    let placement = Placement::read(&(0..32).map(|n| format!("D{n}={n}")).collect::<Vec<_>>().join(" ")).unwrap();
    for slot in all() {
        counts[placement.database(slot)] += 1;
    }
    assert!(counts.iter().all(|count| (30..=110).contains(count)), "{counts:?}");
    let at = |site: &str| Slot::of_site(site);
    assert_eq!(at("https://shop.example"), at("https://SHOP.example/a/b?c"));
    assert_eq!(at("https://shop.example/a"), at("http://shop.example"));
    assert_ne!(placement.database(at("http://localhost:8081")), placement.database(at("http://localhost:8082")));
    // It must never change: shops would not be found any more.
    assert_eq!(placement.database(at("https://shop.example")), 15);
}

#[test]
fn what_is_no_id_is_in_some_slot() {
    for text in ["", "shop_", "ü", "shop_01ü", "ccs_", "x"] {
        let placement = Placement::default();
        assert_eq!(placement.database(Slot::of_id(text)), 0);
        assert_eq!(placement.database(Slot::of_secret(text)), 0);
    }
}

#[test]
fn what_the_operator_writes() {
    let good = Placement::read("DB=0-15  DB_2=16-29,31\nEXTRA=30").unwrap();
    assert_eq!(good.databases, ["DB", "DB_2", "EXTRA"]);
    assert!(good.matters() && !good.any_moving());
    assert!(!Placement::default().matters());
    for (text, why) in [
        ("", "names no database for the slot 0"),
        ("DB=0-30", "names no database for the slot 31"),
        ("DB=0-31 DB_2=31", "names the slot 31 twice"),
        ("DB=0-15 DB=16-31", "once"),
        ("db=0-31", "name of a binding"),
        ("=0-31", "name of a binding"),
        ("DB", "is not NAME=slots in its part 1"),
        ("DB=0-32", "no slot"),
        ("DB=", "no slot"),
        ("DB=a", "no slot"),
        ("DB=0-31,-1", "no slot"),
        ("DB=31-0", "ends before it begins"),
    ] {
        let found = Placement::read(text).unwrap_err();
        assert!(found.contains(why), "{text}: {found}");
    }
    let mut moving = good.clone();
    moving.set_moving("7,9-10").unwrap();
    assert!(moving.any_moving());
    let slots = all();
    let moved = slots.iter().filter(|slot| moving.is_moving(**slot)).count();
    assert!((slots.len() / 20..slots.len() / 6).contains(&moved), "{moved}");
    assert!(moving.set_moving("40").is_err());
}
