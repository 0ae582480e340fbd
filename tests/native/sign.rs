//! Signatures, seals and ids. The MACs written out here were computed with another implementation of HMAC.

use cognitivecart_worker::error::Kind;
use cognitivecart_worker::id::{self, Mode};
use cognitivecart_worker::seal::SealKeys;
use cognitivecart_worker::sign::{self, BadSignature, Completion, completion_signature, verify_stripe};
use cognitivecart_worker::stripe::event;

const NOW: i64 = 1_795_000_000;
const BODY: &[u8] = br#"{"id":"evt_1"}"#;
const GOOD: &str = "4aa0c01e89dd5298f5ee398e217d321cee1ec9ac88f56a5d30bdc842031c4e5d";
const BY_TWO: &str = "62c3c9bbc60c7dee5c4cb8f44b083d4a7578a4a9a19ec38a311c24ce198a5ad4";

fn verify(header: &str) -> Result<(), BadSignature> {
    verify_stripe(header, BODY, &["whsec_one"], NOW)
}

fn refused(header: &str) -> &'static str {
    verify(header).expect_err(header).0
}

#[test]
fn hashes_and_challenges() {
    assert_eq!(sign::sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // The example of RFC 7636, appendix B.
    assert_eq!(sign::s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert!(sign::equal(b"same", b"same"));
    assert!(sign::equal(b"", b""));
    assert!(!sign::equal(b"same", b"sama"));
    assert!(!sign::equal(b"same", b"same "));
}

#[test]
fn a_completion_is_signed_with_the_decoded_secret() {
    let secret = sign::signing_secret(&std::array::from_fn(|i| i as u8));
    assert_eq!(secret, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let completion = Completion {
        t: NOW,
        transaction: "cct_01",
        session_id: "cs_test_a1",
        order_id: "42",
        status: "paid",
        amount_total: 1230,
        currency: "usd",
        livemode: false,
    };
    assert_eq!(completion_signature(&secret, &completion).unwrap(), "bcd99bb32bcd2993153c463587c4ccf941e3ecc4edd201f60dd14fcd2157ea4c");
    // No order id leaves its dots standing.
    assert_eq!(
        completion_signature(&secret, &Completion { order_id: "", ..completion }).unwrap(),
        "a6f0ea4b4247a3ea8b429bcaa6dd07c116ffceff671fdbb728cb58681a6e9233"
    );
    for changed in [
        Completion { t: NOW + 1, ..completion },
        Completion { transaction: "cct_02", ..completion },
        Completion { session_id: "cs_test_a2", ..completion },
        Completion { order_id: "43", ..completion },
        Completion { status: "unpaid", ..completion },
        Completion { amount_total: 1, ..completion },
        Completion { currency: "eur", ..completion },
        Completion { livemode: true, ..completion },
    ] {
        assert_ne!(completion_signature(&secret, &changed).unwrap(), completion_signature(&secret, &completion).unwrap(), "{changed:?}");
    }
    // A secret that we cannot have made is a fault, and the fault does not print it.
    for broken in ["whsec_", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_hunter2!!", ""] {
        let problem = completion_signature(broken, &completion).expect_err(broken);
        assert_eq!(problem.kind, Kind::Internal);
        let cause = problem.cause.as_deref().unwrap();
        assert!(!cause.contains("hunter2") && !cause.contains("AAEC"), "{cause}");
    }
}

#[test]
fn stripe_signatures_of_all_good_forms_pass() {
    for header in [
        format!("t=1795000000,v1={GOOD}"),
        format!("v1={GOOD},t=1795000000"),
        format!("t=1795000000,v1={BY_TWO},v1={GOOD},v0=abc,x"),
        format!("t=1795000000,v1=,v1=xyz,v1={GOOD}"),
        // Exactly as old, and exactly as far ahead, as is allowed.
        "t=1794999700,v1=747847e4688b30c9ce083958d470ae30548e202daeb296d6bb30ebafeb15b94f".to_owned(),
        "t=1795000300,v1=4148a686b771ff57bdf2a69a0c91d3bb10d8dbb9593d5c7c5bd37bb1b2e2b22a".to_owned(),
    ] {
        assert_eq!(verify(&header), Ok(()), "{header}");
    }
    // While a secret is rolled, and with several endpoints, any secret may match.
    let header = format!("t=1795000000,v1={BY_TWO}");
    assert_eq!(verify_stripe(&header, BODY, &["whsec_one", "", "whsec_two"], NOW), Ok(()));
    assert!(verify_stripe(&header, BODY, &["whsec_one", "whsec_three"], NOW).is_err());
}

#[test]
fn stripe_signatures_with_any_flaw_are_refused_for_that_flaw() {
    let cases = [
        (String::new(), "no timestamp"),
        ("foo".to_owned(), "no timestamp"),
        (format!("v1={GOOD}"), "no timestamp"),
        ("t=1795000000".to_owned(), "no v1"),
        // The right MAC under a scheme that is not v1.
        (format!("t=1795000000,v0={GOOD}"), "no v1"),
        (format!("t=1795000000, v1={GOOD}"), "no v1"),
        (format!("t=1795000000,V1={GOOD}"), "no v1"),
        (format!("t=1795000000,v1={}", GOOD.to_uppercase()), "no v1"),
        (format!("t=1795000000,v1={}", &GOOD[..63]), "no v1"),
        (format!("t=1795000000,v1={GOOD}0"), "no v1"),
        (format!("t=1795000000,v1={BY_TWO}"), "no signature matches"),
        // Each with the MAC that is right for it, so that only the timestamp can be what is wrong.
        (format!("t=1795000000,t=1795000000,v1={GOOD}"), "more than one timestamp"),
        (format!("t=,v1={GOOD}"), "not a number"),
        ("t=NaN,v1=aeb1cc82e14d7ed89fa96d118176b8c8e245307e0abb04ceaa7fa567ff27a1d1".to_owned(), "not a number"),
        ("t=+1795000000,v1=699fda32487541315bb9335688e198ddbb860cb22da1f6a84547f6659cb6f492".to_owned(), "not a number"),
        ("t=17950000000000,v1=7f0149bd4ee2d57d92910ef8f200407e6ea49873ce23b532e860a2aa39f8c640".to_owned(), "not a number"),
        ("t=1794999699,v1=1834db5e92bc91ff79ea32a1bf7acc33342f064c3a7ae0deabfbc493425f000e".to_owned(), "too far"),
        ("t=1795000301,v1=f26b858060bc88a88ccc72cba31394e0e81f92d6e0baad37da099e198aaa63be".to_owned(), "too far"),
        (format!("t=1795000000,v1={GOOD},x={}", "y".repeat(4096)), "too long"),
    ];
    for (header, why) in cases {
        assert!(refused(&header).contains(why), "{header}: {}", refused(&header));
    }
    let good = format!("t=1795000000,v1={GOOD}");
    // The text of the timestamp is what is signed.
    assert!(refused(&format!("t=01795000000,v1={GOOD}")).contains("no signature matches"));
    // One byte of the body.
    assert!(verify_stripe(&good, br#"{"id":"evt_2"}"#, &["whsec_one"], NOW).is_err());
    // An empty body, an empty secret and no secret at all, each with the MAC that would be right.
    let empty_body = "t=1795000000,v1=dc6ce4e3ea80fd12b096dd7bce3fe863aec58bd61e5f1394fcde465c4a6ac975";
    assert_eq!(verify_stripe(empty_body, b"", &["whsec_one"], NOW), Err(BadSignature("the body is empty")));
    let empty_secret = "t=1795000000,v1=146e6a2111103312a03f090b97802528a762165528f98c089cc25cf25a68a7d8";
    assert!(verify_stripe(empty_secret, BODY, &[""], NOW).unwrap_err().0.contains("no secret"));
    assert!(verify_stripe(&good, BODY, &[], NOW).unwrap_err().0.contains("no secret"));
    // A clock far off must not overflow.
    assert!(verify_stripe(&good, BODY, &["whsec_one"], i64::MIN).is_err());
}

/// Signed payloads with the verdict of Stripe's own SDK, where they lie beside the project.
#[test]
fn the_official_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/contracts/stripe/webhook-signature-vectors.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("the vectors are not here; the tests above stand alone");
        return;
    };
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 37);
    // Where we differ from the SDK, and why.
    let stricter = [
        ("timestamp in the future (SDK accepts)", "too far"), // bounded both ways
        ("old timestamp, tolerance 0 switches the age check off", "too far"), // nothing switches it off here
        ("t not a number and the MAC is over the literal text NaN", "not a number"), // no age, no check
        ("t with trailing letters, MAC over the number", "not a number"), // digits only
        ("two t, last one counts in the SDK: second is the signed one", "more than one"), // one only
    ];
    // The SDK's function parses as well. The signature is good; whether it is an event is said elsewhere.
    let parsed_elsewhere =
        ["valid signature over a body that is not JSON", "valid signature over a v2 thin event (constructEvent refuses the type)"];
    let (mut strict, mut elsewhere) = (0, 0);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let payload = case["payload"].as_str().unwrap().as_bytes();
        let verdict =
            verify_stripe(case["header"].as_str().unwrap(), payload, &[case["secret"].as_str().unwrap()], case["now"].as_i64().unwrap());
        if let Some((_, why)) = stricter.iter().find(|(start, _)| name.starts_with(start)) {
            assert!(verdict.unwrap_err().0.contains(why), "{name}");
            strict += 1;
        } else if parsed_elsewhere.contains(&name) {
            assert_eq!(verdict, Ok(()), "{name}");
            assert_eq!(event::read(payload).is_err(), name.contains("not JSON"), "{name}");
            elsewhere += 1;
        } else {
            assert_eq!(verdict.is_ok(), case["official_sdk"] == "accept", "{name}");
        }
    }
    assert_eq!((strict, elsewhere), (stricter.len(), parsed_elsewhere.len()), "an exception no longer names a case");
}

const KEY_A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_B: &str = "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF";

#[test]
fn what_is_sealed_opens_only_with_its_key_and_its_place() {
    let keys = SealKeys::parse(&format!(" k1:{KEY_A}, old-2:{KEY_B} ")).unwrap();
    assert_eq!(keys.first_id(), "k1");
    let sealed = keys.seal([7; 12], "connection/shop_1", b"token").unwrap();
    assert!(sealed.starts_with("s1.k1.") && !sealed.contains("token"), "{sealed}");
    assert_eq!(keys.open("connection/shop_1", &sealed).unwrap(), b"token");
    assert_ne!(sealed, keys.seal([8; 12], "connection/shop_1", b"token").unwrap());
    assert_eq!(keys.open("x", &keys.seal([9; 12], "x", b"").unwrap()).unwrap(), b"");

    // Another row, another key under the same id, a key that was taken away.
    assert!(keys.open("connection/shop_2", &sealed).is_err());
    assert!(SealKeys::parse(&format!("k1:{KEY_B}")).unwrap().open("connection/shop_1", &sealed).is_err());
    let without = SealKeys::parse(&format!("k9:{KEY_A}")).unwrap();
    assert!(without.open("connection/shop_1", &sealed).unwrap_err().cause.as_deref().unwrap().contains("'k1'"));
    // Rolled: the new key first, the old one still opens.
    let rolled = SealKeys::parse(&format!("k2:{KEY_B},k1:{KEY_A}")).unwrap();
    assert_eq!(rolled.open("connection/shop_1", &sealed).unwrap(), b"token");
    assert!(rolled.seal([1; 12], "a", b"b").unwrap().starts_with("s1.k2."));

    // Every single character counts.
    let data = sealed.rfind('.').unwrap() + 1;
    for place in data..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        assert!(keys.open("connection/shop_1", std::str::from_utf8(&altered).unwrap()).is_err(), "{place}");
    }
    for garbage in ["", "s1", "s1.k1", "s1.k1.", "s1.k1.AA", "s1.k1.!!", "s2.k1.AAAA", "s1.k1.AAAA.AAAA", "s1.\u{1F511}.AA"] {
        assert_eq!(keys.open("a", garbage).expect_err(garbage).kind, Kind::Internal);
    }
}

#[test]
fn a_seal_is_plain_aes_256_gcm() {
    // The first 256-bit case of the GCM specification with a message: zero key, zero nonce, 16 zero bytes.
    let keys = SealKeys::parse(&format!("z:{}", "0".repeat(64))).unwrap();
    let sealed = keys.seal([0; 12], "", &[0; 16]).unwrap();
    let nonce_cipher_tag = "000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
    use base64ct::{Base64, Encoding};
    let bytes = base16ct::lower::decode_vec(nonce_cipher_tag).unwrap();
    assert_eq!(sealed, format!("s1.z.{}", Base64::encode_string(&bytes)));
}

#[test]
fn seal_keys_say_what_is_wrong_without_saying_a_key() {
    let almost = &KEY_A[..62];
    for (text, what) in [
        (String::new(), "entry 1"),
        (KEY_A.to_owned(), "entry 1"),
        (format!("k1:{KEY_A},"), "entry 2"),
        (format!("k1:{KEY_A},k2:{almost}"), "the key of entry 2"),
        (format!("k1:{KEY_A}00"), "the key of entry 1"),
        (format!("k1:{almost}zz"), "the key of entry 1"),
        (format!(":{KEY_A}"), "the id of entry 1"),
        (format!("a.b:{KEY_A}"), "the id of entry 1"),
        (format!("{}:{KEY_A}", "k".repeat(33)), "the id of entry 1"),
        (format!("k1:{KEY_A},k1:{KEY_B}"), "entry 2 has the id"),
    ] {
        let why = SealKeys::parse(&text).expect_err(&text);
        assert!(why.contains(what), "{text}: {why}");
        assert!(!why.contains("0001020304") && !why.contains("F0F1"), "{why}");
    }
    let debug = format!("{:?}", SealKeys::parse(&format!("k1:{KEY_A}")).unwrap());
    assert!(debug.contains("k1") && !debug.contains("0001") && !debug.contains("[0, 1"), "{debug}");
}

#[test]
fn ids_sort_by_time_and_have_the_bounds_that_filters_use() {
    let made = id::ordered("cct_", 1_795_000_000_123, &[0xFF; 10]);
    assert_eq!(made.len(), 30);
    assert!(made[4..].bytes().all(|b| b"0123456789abcdefghjkmnpqrstvwxyz".contains(&b)), "{made}");
    // The example of the ULID specification: 1469918176385 is 01ARYZ6S41.
    assert_eq!(id::ordered("", 1_469_918_176_385, &[0; 10]), "01aryz6s410000000000000000");
    assert_eq!(id::ordered("", u64::MAX, &[0xFF; 10]), format!("7{}", "z".repeat(25)));
    assert_eq!(id::ordered("p_", 0, &[0; 10]), format!("p_{}", "0".repeat(26)));
    // Randomness decides within a millisecond, never over it.
    let mut last = String::new();
    for (ms, random) in [(0, [0xFF; 10]), (1, [0; 10]), (1, [1; 10]), (31, [0xFF; 10]), (32, [0; 10]), (1_795_000_000_000, [0; 10])] {
        let next = id::ordered("cct_", ms, &random);
        assert!(last < next, "{last} {next}");
        last = next;
    }
    let bound = id::lowest_at("cct_", 1_795_000_000);
    assert!(id::ordered("cct_", 1_794_999_999_999, &[0xFF; 10]) < bound);
    assert!(id::ordered("cct_", 1_795_000_000_000, &[0; 10]) >= bound);
    assert_eq!(id::lowest_at("cct_", -5), id::lowest_at("cct_", 0));
    assert!(id::lowest_at("cct_", i64::MAX) > bound);
    assert_eq!(id::secret("ccs_", &[0xFB, 0xFF, 0xFE]), "ccs_-__-");
}

#[test]
fn shapes_of_ids_leave_no_way_into_a_path_or_a_header() {
    assert!(id::is_session_id("cs_test_a1B2"));
    assert!(id::is_account_id("acct_1Ab"));
    for bad in ["", "cs_", "cs_a/b", "cs_a?b", "cs_a b", "cs_a%2f", "cs_a\r\n", "pi_1", "xcs_1", "cs_é", "cs_a.b", "CS_a"] {
        assert!(!id::is_session_id(bad), "{bad}");
    }
    for bad in ["", "acct_", "acct_a_b", "acct_a b", "acct_1\n", "acct_1,acct_2", "cs_1", "acct_é"] {
        assert!(!id::is_account_id(bad), "{bad}");
    }
    assert!(id::is_session_id(&format!("cs_{}", "a".repeat(252))));
    assert!(!id::is_session_id(&format!("cs_{}", "a".repeat(253))));
    assert!(!id::is_account_id(&format!("acct_{}", "a".repeat(251))));
    for mode in [Mode::Live, Mode::Test] {
        assert_eq!(Mode::from_live(mode.live()), mode);
        assert_eq!(Mode::parse(mode.name()), Some(mode));
    }
    assert_eq!(Mode::parse("Live"), None);
    assert!(Mode::Live.live() && Mode::Live.name() == "live");
}

// --- notices (Standard Webhooks) ------------------------------------------------------------------------------------

/// The example of the scheme's own libraries.
#[test]
fn a_notice_is_signed_as_in_standard_webhooks() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let body = r#"{"test": 2432232314}"#;
    let one = sign::webhook_signature(std::slice::from_ref(&secret), id, 1_614_265_330, body).unwrap();
    assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let other = sign::signing_secret(&[7; 32]);
    let alone = sign::webhook_signature(std::slice::from_ref(&other), id, 1_614_265_330, body).unwrap();
    assert_eq!(sign::webhook_signature(&[other, secret], id, 1_614_265_330, body).unwrap(), format!("{alone} {one}"));
}

#[test]
fn every_part_of_a_notice_is_signed() {
    let secrets = [sign::signing_secret(&[1; 32])];
    let good = sign::webhook_signature(&secrets, "ccevt_1", 5, "{}").unwrap();
    for (id, t, body) in [("ccevt_2", 5, "{}"), ("ccevt_1", 6, "{}"), ("ccevt_1", 5, "{} ")] {
        assert_ne!(sign::webhook_signature(&secrets, id, t, body).unwrap(), good);
    }
    for bad in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        assert!(sign::webhook_signature(&[bad.to_owned()], "ccevt_1", 5, "{}").is_err(), "{bad:?}");
    }
}

// --- events to agents (ACP, `postOrderEvents`) ----------------------------------------------------------------------

/// The worked example of docs/contract.md: computed with openssl.
#[test]
fn an_agents_event_is_signed_with_the_whole_text_of_the_secret() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = r#"{"type":"order_update","data":{"type":"order","status":"shipped"}}"#;
    assert_eq!(
        sign::merchant_signature(secret, Some(1_776_330_000), body).unwrap(),
        "t=1776330000,v1=15a3642cf42763fb316f6035d321e489965f8165f191d602a1b3aac364874a29"
    );
    assert_eq!(sign::merchant_signature(secret, None, body).unwrap(), "a2e341f8809b53dbf02ec02949f3024d5aa8c966ae09c8de533e3967f2c73719");
    // Every part counts.
    let good = sign::merchant_signature(secret, Some(5), "{}").unwrap();
    for (secret, t, body) in [("whsec_a", 5, "{}"), (secret, 6, "{}"), (secret, 5, "{} ")] {
        assert_ne!(sign::merchant_signature(secret, Some(t), body).unwrap(), good);
    }
    assert_ne!(sign::merchant_signature(secret, None, "5.{}").unwrap(), good);
}
