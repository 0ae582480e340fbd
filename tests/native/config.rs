//! Every variable: what is taken, what is refused, all at once, and never a value in what is said.

use cognitivecart_worker::config::{self, ChargeType, Config, Misconfigured, Registration, Secret, VARIABLES};
use cognitivecart_worker::id::Mode;
use std::collections::{BTreeMap, BTreeSet};

const SEAL: &str = "k1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

type Set = BTreeMap<&'static str, String>;

/// The least that works in production.
fn good() -> Set {
    BTreeMap::from([
        ("PUBLIC_URL", "https://pay.example.com".to_owned()),
        ("STRIPE_SECRET_KEY", "sk_live_51Abc".to_owned()),
        ("STRIPE_CLIENT_ID", "ca_Live1".to_owned()),
        ("SEAL_KEYS", SEAL.to_owned()),
    ])
}

fn read(set: &Set) -> Result<Config, Misconfigured> {
    config::read(|name| {
        assert!(VARIABLES.contains(&name), "{name} is read and not in VARIABLES");
        set.get(name).cloned()
    })
}

/// The good set with some variables changed; an empty value removes one.
fn with(changes: &[(&'static str, &str)]) -> Result<Config, Misconfigured> {
    let mut set = good();
    for (name, value) in changes {
        set.insert(name, (*value).to_owned());
    }
    read(&set)
}

fn bad_names(result: Result<Config, Misconfigured>) -> Vec<String> {
    result.unwrap_err().problems.into_iter().map(|(name, _)| name).collect()
}

/// What is said about the one variable that is wrong.
fn said(changes: &[(&'static str, &str)], variable: &str) -> String {
    let problems = with(changes).expect_err(&format!("{changes:?} must be refused")).problems;
    let [(name, what)] = problems.as_slice() else { panic!("{changes:?}: {problems:?}") };
    assert_eq!(name, variable, "{changes:?}");
    what.clone()
}

#[test]
fn least_configuration_and_its_defaults() {
    let config = read(&good()).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://pay.example.com"));
    assert_eq!(config.pair(Mode::Live).unwrap().secret_key.expose(), "sk_live_51Abc");
    assert_eq!(config.pair(Mode::Live).unwrap().client_id, "ca_Live1");
    assert!(config.pair(Mode::Live).unwrap().publishable_key.is_none());
    assert!(config.pair(Mode::Test).is_none());
    assert_eq!(config.default_mode(), Mode::Live);
    assert!(config.webhook_secrets.is_empty() && config.hook_secrets.is_empty() && config.admin_key.is_none());
    assert_eq!(config.api_base, "https://api.stripe.com");
    assert_eq!(config.connect_base, "https://connect.stripe.com");
    assert_eq!(config.files_base, "https://files.stripe.com");
    assert_eq!(config.registration, Registration::Open);
    assert_eq!(config.charge_type, ChargeType::Direct);
    assert!(config.verification_required && config.rate_limits && !config.allow_local);
    for rule in [&config.fee, &config.cost] {
        assert!(rule.bps == 0 && rule.fixed.is_empty());
    }
}

#[test]
fn full_configuration() {
    let config = with(&[
        ("PUBLIC_URL", "https://PAY.example.com:443/"),
        ("STRIPE_SECRET_KEY", "rk_live_1"),
        ("STRIPE_TEST_SECRET_KEY", " sk_test_1\n"),
        ("STRIPE_TEST_CLIENT_ID", "ca_Test1"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
        ("STRIPE_TEST_PUBLISHABLE_KEY", "pk_test_1"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_one, whsec_two,"),
        ("STRIPE_HOOK_SECRETS", "whsec_three"),
        ("STRIPE_API_BASE", "http://localhost:8788"),
        ("STRIPE_CONNECT_BASE", "http://127.0.0.1:8788/"),
        ("STRIPE_FILES_BASE", "https://files.stripe.example"),
        ("ADMIN_KEY", "0123456789abcdef"),
        ("REGISTRATION", "operator"),
        ("SHOP_VERIFICATION", "required"),
        ("RATE_LIMITS", "on"),
        ("ALLOW_LOCAL", "false"),
        ("FEE_BPS", "250"),
        ("FEE_FIXED", "usd=30, EUR=25"),
        ("STRIPE_COST_BPS", "10000"),
        ("STRIPE_COST_FIXED", "jpy=0"),
        ("CHARGE_TYPE", "destination"),
    ])
    .unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://pay.example.com"));
    let test = config.pair(Mode::Test).unwrap();
    assert_eq!((test.secret_key.expose(), test.publishable_key.as_deref()), ("sk_test_1", Some("pk_test_1")));
    let secrets: Vec<_> = config.webhook_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["whsec_one", "whsec_two"]);
    assert_eq!(config.hook_secrets.len(), 1);
    assert_eq!((config.api_base.as_str(), config.connect_base.as_str()), ("http://localhost:8788", "http://127.0.0.1:8788"));
    assert_eq!(config.files_base, "https://files.stripe.example");
    assert_eq!(config.admin_key.unwrap().expose(), "0123456789abcdef");
    assert_eq!(config.registration, Registration::Operator);
    assert_eq!(config.fee.bps, 250);
    assert_eq!(config.fee.fixed, [("usd".to_owned(), 30), ("eur".to_owned(), 25)]);
    assert_eq!((config.cost.bps, config.cost.fixed.as_slice()), (10_000, [("jpy".to_owned(), 0)].as_slice()));
    assert_eq!(config.charge_type.name(), "destination");
    assert_eq!(ChargeType::Direct.name(), "direct");
}

#[test]
fn nothing_set_names_all_that_is_needed() {
    let bad = read(&Set::new()).unwrap_err();
    let names: Vec<_> = bad.problems.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PUBLIC_URL", "STRIPE_SECRET_KEY", "STRIPE_CLIENT_ID", "SEAL_KEYS"]);
    assert!(!bad.allow_local);
    assert!(bad.problems.iter().any(|(_, what)| what.contains("STRIPE_TEST_SECRET_KEY")), "the test pair would do as well");
}

/// Every variable wrong at once: all are named, in the contract's order, and no value is said.
#[test]
fn all_problems_at_once_and_no_value() {
    let mut wrong = Set::new();
    for (i, name) in VARIABLES.iter().enumerate() {
        wrong.insert(name, format!("planted{i} secret"));
    }
    let bad = read(&wrong).unwrap_err();
    let mut names: Vec<_> = bad.problems.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    assert_eq!(names, VARIABLES);

    let problem = bad.problem();
    assert_eq!((problem.status, problem.kind.name(), problem.code.as_ref()), (503, "not_configured", "not_configured"));
    let body = problem.body("req_1");
    for name in VARIABLES {
        assert!(body["error"]["message"].as_str().unwrap().contains(name), "{name} in the message");
        assert!(body["error"]["variables"].as_array().unwrap().iter().any(|v| v["name"] == *name), "{name} in the list");
    }
    let told = format!("{bad:?} {body} {problem:?}");
    assert!(!told.contains("planted"), "a value was said: {told}");
}

/// Each variable by itself, in many wrong forms that carry a secret: refused, named, and not repeated.
#[test]
fn no_wrong_value_is_ever_repeated() {
    let hex = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface";
    let forms = [
        "feedface".to_owned(),
        "https://feedface.example/feedface".to_owned(),
        "https://user:feedface@shop.example".to_owned(),
        "http://feedface.example".to_owned(),
        "https://feedface".to_owned(),
        "https://x.example?feedface".to_owned(),
        "sk_live_feedface!".to_owned(),
        "sk_test_feedface\nfeedface".to_owned(),
        "ca_feed face".to_owned(),
        hex.to_owned(),
        format!("{hex}:k1"),
        format!("k1:{hex}00"),
        format!("feedface:{hex},feedface:{hex}"),
        format!("feedface:{}", &hex[1..]),
        "whsec_,feedface".to_owned(),
        "feedface=30".to_owned(),
        "usd=feedface".to_owned(),
        "usd=1,usd=feedface,feedface".to_owned(),
        "ccs_feedfacefeedfacefeedface".to_owned(),
        "feedface feedface feedface".to_owned(),
        "feedfäce-feedface-feedface".to_owned(),
    ];
    let mut refused = BTreeSet::new();
    for name in VARIABLES {
        for form in &forms {
            if let Err(bad) = with(&[(name, form)]) {
                refused.insert(*name);
                let told = format!("{bad:?} {:?}", bad.problem());
                assert!(!told.contains("feedface") && !told.contains("feed"), "{name}={form}: {told}");
            }
        }
    }
    assert_eq!(refused, VARIABLES.iter().copied().collect(), "every variable refused something");
}

#[test]
fn blank_counts_as_unset() {
    for name in VARIABLES {
        let mut blank = good();
        blank.insert(name, "  \n".to_owned());
        let mut unset = good();
        unset.remove(name);
        assert_eq!(read(&blank).err(), read(&unset).err(), "{name}");
    }
}

#[test]
fn public_url_is_an_origin() {
    for bad in [
        "pay.example.com",
        "http://pay.example.com",
        "https://pay.example.com/shop",
        "https://pay.example.com/?a=1",
        "https://pay.example.com/#a",
        "https://user@pay.example.com",
        "https://192.0.2.1",
        "https://[::1]",
        "http://localhost:8787",
        "ftp://pay.example.com",
    ] {
        assert!(said(&[("PUBLIC_URL", bad)], "PUBLIC_URL").contains("https://pay.example.com, without a path"), "{bad}");
    }
    let local = with(&[("PUBLIC_URL", "http://localhost:8787"), ("ALLOW_LOCAL", "true")]).unwrap();
    assert_eq!(local.public_url.as_deref(), Some("http://localhost:8787"));
}

#[test]
fn public_url_may_be_left_out_only_under_allow_local() {
    assert!(said(&[("PUBLIC_URL", "")], "PUBLIC_URL").contains("is not set"));
    assert_eq!(with(&[("PUBLIC_URL", ""), ("ALLOW_LOCAL", "true")]).unwrap().public_url, None);
}

#[test]
fn either_pair_will_do_and_half_a_pair_will_not() {
    let off = [("STRIPE_SECRET_KEY", ""), ("STRIPE_CLIENT_ID", "")];
    let test = [("STRIPE_TEST_SECRET_KEY", "sk_test_1"), ("STRIPE_TEST_CLIENT_ID", "ca_1")];
    let config = with(&[off[0], off[1], test[0], test[1]]).unwrap();
    assert!(config.pair(Mode::Live).is_none() && config.pair(Mode::Test).is_some());
    assert_eq!(config.default_mode(), Mode::Test);
    assert_eq!(with(&test).unwrap().default_mode(), Mode::Live);

    assert!(said(&[off[0]], "STRIPE_SECRET_KEY").contains("STRIPE_CLIENT_ID is"));
    assert!(said(&[off[1]], "STRIPE_CLIENT_ID").contains("STRIPE_SECRET_KEY is"));
    assert!(said(&[test[0]], "STRIPE_TEST_CLIENT_ID").contains("both or neither"));
    assert!(said(&[test[1]], "STRIPE_TEST_SECRET_KEY").contains("both or neither"));
    // Half of each: both halves are named.
    assert_eq!(bad_names(with(&[off[1], test[1]])), ["STRIPE_CLIENT_ID", "STRIPE_TEST_SECRET_KEY"]);
}

/// A test key in the live slot would let a test payment settle a live order.
#[test]
fn keys_are_of_their_mode() {
    let test_id = ("STRIPE_TEST_CLIENT_ID", "ca_1");
    assert!(said(&[("STRIPE_SECRET_KEY", "sk_test_1")], "STRIPE_SECRET_KEY").contains("holds a test key"));
    assert!(said(&[("STRIPE_SECRET_KEY", "rk_test_1")], "STRIPE_SECRET_KEY").contains("holds a test key"));
    assert!(said(&[("STRIPE_TEST_SECRET_KEY", "sk_live_1"), test_id], "STRIPE_TEST_SECRET_KEY").contains("holds a live key"));
    assert!(said(&[("STRIPE_PUBLISHABLE_KEY", "pk_test_1")], "STRIPE_PUBLISHABLE_KEY").contains("pk_live_"));
    assert!(said(&[("STRIPE_TEST_PUBLISHABLE_KEY", "pk_live_1")], "STRIPE_TEST_PUBLISHABLE_KEY").contains("pk_test_"));
    for bad in ["sk_live_", "pk_live_1", "sk_live_1 2", "sk_live_1\r\nX: y", "SK_LIVE_1", "whsec_1", "sk_live_ä"] {
        assert!(said(&[("STRIPE_SECRET_KEY", bad)], "STRIPE_SECRET_KEY").contains("sk_live_… or rk_live_…"), "{bad}");
    }
    for bad in ["ca_", "acct_1", "ca_1&redirect_uri=x", "sk_live_1"] {
        assert!(said(&[("STRIPE_CLIENT_ID", bad)], "STRIPE_CLIENT_ID").contains("ca_…"), "{bad}");
    }
}

#[test]
fn signing_secrets_are_told_by_number() {
    for name in ["STRIPE_WEBHOOK_SECRETS", "STRIPE_HOOK_SECRETS"] {
        assert!(said(&[(name, "whsec_a,we_b")], name).contains("number 2"));
        assert!(said(&[(name, "whsec_")], name).contains("number 1"));
        assert!(said(&[(name, "whsec_a whsec_b")], name).contains("commas"));
        assert!(with(&[(name, ",")]).is_ok(), "none is allowed: it closes the route");
    }
}

#[test]
fn bases_are_https_or_this_machine() {
    for name in ["STRIPE_API_BASE", "STRIPE_CONNECT_BASE", "STRIPE_FILES_BASE"] {
        for bad in ["http://stripe.example", "stripe.example", "https://stripe.example/v1", "http://192.0.2.1", "http://localhost.example"]
        {
            assert!(said(&[(name, bad)], name).contains(".stripe.com"), "{name} {bad}");
        }
        for good in ["http://localhost:1", "http://127.0.0.1:65535", "https://stripe.example"] {
            assert!(with(&[(name, good)]).is_ok(), "{name} {good}");
        }
    }
}

#[test]
fn seal_keys_say_how_to_make_one() {
    let half = &SEAL[..40];
    for bad in ["", "k1", &SEAL[3..], half, &format!("{SEAL},{SEAL}"), "k1:zz", &SEAL.replace("00", "0g")] {
        assert!(said(&[("SEAL_KEYS", bad)], "SEAL_KEYS").contains("openssl rand -hex 32"), "{bad}");
    }
    let two = format!("k2:{},{SEAL}", "ab".repeat(32));
    assert_eq!(with(&[("SEAL_KEYS", &two)]).unwrap().seal_keys.first_id(), "k2");
}

#[test]
fn admin_key_is_long_and_no_shops() {
    assert!(said(&[("ADMIN_KEY", "0123456")], "ADMIN_KEY").contains("at least 8"));
    assert!(said(&[("ADMIN_KEY", "0123456789 abcdef")], "ADMIN_KEY").contains("no spaces"));
    assert!(said(&[("ADMIN_KEY", "ccs_0123456789abcdef")], "ADMIN_KEY").contains("ccs_"));
    assert!(said(&[("ADMIN_KEY", "cca_0123456789abcdef")], "ADMIN_KEY").contains("cca_"));
    assert!(said(&[("REGISTRATION", "operator")], "ADMIN_KEY").contains("nobody could register"));
    assert!(with(&[("REGISTRATION", "operator"), ("ADMIN_KEY", "0123456789abcdef")]).is_ok());
}

#[test]
fn words_are_exact() {
    for (name, known) in [
        ("REGISTRATION", "open or operator"),
        ("SHOP_VERIFICATION", "required or off"),
        ("RATE_LIMITS", "on or off"),
        ("ALLOW_LOCAL", "true or false"),
        ("CHARGE_TYPE", "direct or destination"),
    ] {
        for bad in ["yes", "1", "TRUE", "Off", "none"] {
            assert!(said(&[(name, bad)], name).contains(known), "{name} {bad}");
        }
    }
}

#[test]
fn protections_come_off_only_on_ones_own_machine() {
    let off = [("SHOP_VERIFICATION", "off"), ("RATE_LIMITS", "off")];
    assert_eq!(bad_names(with(&off)), ["SHOP_VERIFICATION", "RATE_LIMITS"]);
    assert!(said(&off[..1], "SHOP_VERIFICATION").contains("ALLOW_LOCAL=true"));
    assert_eq!(bad_names(with(&[off[0], ("ALLOW_LOCAL", "false")])), ["SHOP_VERIFICATION"]);
    let config = with(&[off[0], off[1], ("ALLOW_LOCAL", "true")]).unwrap();
    assert!(!config.verification_required && !config.rate_limits && config.allow_local);
    // A word that is none leaves the protection on, and ALLOW_LOCAL off.
    assert_eq!(bad_names(with(&[off[0], ("ALLOW_LOCAL", "yes")])), ["SHOP_VERIFICATION", "ALLOW_LOCAL"]);
    let mut local = Set::from([("ALLOW_LOCAL", "true".to_owned())]);
    assert!(read(&local).unwrap_err().allow_local, "known even when the rest is wrong");
    local.insert("ALLOW_LOCAL", "maybe".to_owned());
    assert!(!read(&local).unwrap_err().allow_local);
}

#[test]
fn fees_are_basis_points_and_minor_units() {
    for (bps, fixed) in [("FEE_BPS", "FEE_FIXED"), ("STRIPE_COST_BPS", "STRIPE_COST_FIXED")] {
        for bad in ["-1", "10001", "2.5", "2,5", "+5", "1e2", "99999999999999999999", "2 5"] {
            assert!(said(&[(bps, bad)], bps).contains("from 0 to 10000"), "{bps} {bad}");
        }
        for bad in ["usd", "usd=", "usd=-1", "usd=1.5", "=30", "xyz=30", "usd:30", "usd=1000000000000", "usd=1;eur=2"] {
            assert!(said(&[(fixed, bad)], fixed).contains("entry 1"), "{fixed} {bad}");
        }
        assert!(said(&[(fixed, "usd=1,USD=2")], fixed).contains("entry 2 twice"));
        assert_eq!(bad_names(with(&[(bps, "x"), (fixed, "x,y")])).len(), 3, "each entry is told");
    }
}

#[test]
fn a_secret_does_not_show_itself() {
    let mut set = good();
    for (name, value) in [
        ("STRIPE_SECRET_KEY", "sk_live_planted"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_planted"),
        ("STRIPE_HOOK_SECRETS", "whsec_planted"),
        ("ADMIN_KEY", "planted-0123456789"),
    ] {
        set.insert(name, value.to_owned());
    }
    let config = read(&set).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("planted") && !shown.contains("001122"), "{shown}");
    assert_eq!(format!("{:?}", Secret::new("planted")), "Secret(…)");
}
