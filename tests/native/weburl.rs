//! Which addresses are let in, and in which form they come out.

use super::dice::Dice;
use cognitivecart_worker::weburl::{
    MAX_LENGTH, PLACEHOLDER, WebUrl, fill_session, is_web_url, origin_only, parse_with_placeholder, site_url,
};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

fn url(raw: &str) -> WebUrl {
    WebUrl::parse(raw, false).unwrap_or_else(|why| panic!("{raw}: {why}"))
}

#[test]
fn addresses_come_out_as_a_browser_writes_them() {
    for (raw, written) in [
        ("https://shop.example", "https://shop.example/"),
        ("HTTPS://Shop.EXAMPLE/Path", "https://shop.example/Path"),
        ("https://shop.example:443/", "https://shop.example/"),
        ("https://shop.example:8443", "https://shop.example:8443/"),
        ("https://shop.example:80/", "https://shop.example:80/"),
        ("https://shop.example?a=b", "https://shop.example/?a=b"),
        ("https://shop.example#a", "https://shop.example/#a"),
        ("https://shop.example/a?", "https://shop.example/a?"),
        ("https://shop.example/a#", "https://shop.example/a#"),
        ("https://shop.example/a?b#c?d#", ""),
        ("https://shop.example/a?b#c?d/e", "https://shop.example/a?b#c?d/e"),
        ("https://shop.example/a?b?c//d", "https://shop.example/a?b?c//d"),
        ("https://shop.example/it's?it's#it's", "https://shop.example/it's?it%27s#it's"),
        ("https://shop.example/%7Ea/;b=1,2/@:!$&'()*+", "https://shop.example/%7Ea/;b=1,2/@:!$&'()*+"),
        ("https://shop.example//a///b/", "https://shop.example//a///b/"),
        ("https://shop.example/.a/..b/c../...", "https://shop.example/.a/..b/c../..."),
        ("https://shop.example/?u=https://x@evil.example", "https://shop.example/?u=https://x@evil.example"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://1.2.3.4.shop.example/", "https://1.2.3.4.shop.example/"),
        ("https://localhost.example/", "https://localhost.example/"),
    ] {
        match WebUrl::parse(raw, false) {
            Ok(url) => {
                assert_eq!(url.to_string(), written, "{raw}");
                assert_eq!(WebUrl::parse(written, false).as_ref(), Ok(&url), "parsing what was written: {raw}");
            }
            Err(why) => assert_eq!(written, "", "{raw}: {why}"),
        }
    }
}

#[test]
fn parts() {
    let url = url("https://Shop.example:8443/a/b?c=d#e");
    assert_eq!(url.origin(), "https://shop.example:8443");
    assert_eq!((url.path(), url.query(), url.fragment()), ("/a/b", Some("c=d"), Some("e")));
    let bare = self::url("https://shop.example");
    assert_eq!((bare.path(), bare.query(), bare.fragment()), ("/", None, None));
}

#[test]
fn hostile_addresses_are_refused() {
    for raw in [
        // no https
        "",
        "/",
        "//shop.example/",
        "shop.example",
        "https:",
        "https:/",
        "https:shop.example",
        "https:/shop.example/",
        "http://shop.example/",
        "ftp://shop.example/",
        "javascript:alert(1)//https://shop.example/",
        "data:text/html,https://shop.example/",
        "javascript://shop.example/%0aalert(1)",
        "https ://shop.example/",
        "xhttps://shop.example/",
        "httpss://shop.example/",
        "wss://shop.example/",
        "view-source:https://shop.example/",
        // spaces and controls, wherever a browser would drop them
        " https://shop.example/",
        "https://shop.example/ ",
        "ht\ttps://shop.example/",
        "https://shop\n.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/\0",
        "https://shop.example/a b",
        "https://shop.example/\u{7f}",
        "https://shop.example/\u{a0}",
        // backslashes, which browsers take for slashes
        "https:\\\\shop.example\\",
        "https://evil.example\\@shop.example/",
        "https://shop.example\\.evil.example/",
        "https://shop.example/a\\..\\b",
        "https://shop.example/?a=\\",
        "https://shop.example/#\\",
        // no host
        "https://",
        "https:///",
        "https:///shop.example/",
        "https://?",
        "https://#",
        "https://:443/",
        "https://./",
        // credentials
        "https://user@shop.example/",
        "https://user:password@shop.example/",
        "https://shop.example@evil.example/",
        "https://@shop.example/",
        "https://shop.example:443@evil.example/",
        "https://a@b@shop.example/",
        // ports
        "https://shop.example:/",
        "https://shop.example:0/",
        "https://shop.example:65536/",
        "https://shop.example:0443/",
        "https://shop.example:+443/",
        "https://shop.example:-1/",
        "https://shop.example:443:443/",
        "https://shop.example:4 43/",
        "https://shop.example:99999999999999999999/",
        "https://shop.example:８０/",
        // hosts that are no public names
        "https://localhost/",
        "https://localhost:8443/",
        "https://intranet/",
        "https://a.localhost/",
        "https://A.LocalHost/",
        "https://localhost./",
        "https://shop.example./",
        "https://shop..example/",
        "https://.example/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a.-example/",
        "https://a_b.example/",
        "https://shop.exam%70le/",
        "https://%73hop.example/",
        "https://shop.example%2f.evil.example/",
        "https://shop.example%00.evil.example/",
        "https://sh*p.example/",
        "https://shop!.example/",
        "https://shop.example;evil/",
        "https://shop,example.com/",
        "https://shop.example|evil.com/",
        // IP literals in every dress
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://1.2.3/",
        "https://a.1/",
        "https://a.0x1/",
        "https://a.0x/",
        "https://a.09/",
        "https://256.256.256.256/",
        "https://1.2.3.4./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.a]/",
        "https://[]/",
        "https://::1/",
        "https://a.[::1]/",
        // letters that only look like some
        "https://shöp.example/",
        "https://shop。example/",
        "https://ｓhop.example/",
        "https://shop.example/ä",
        "https://shop.example/?ä",
        "https://shop.exampl\u{435}/",
        "https://sho\u{ad}p.example/",
        "https://①②⑦.0.0.1/",
        // dot segments
        "https://shop.example/.",
        "https://shop.example/..",
        "https://shop.example/a/../b",
        "https://shop.example/a/./b",
        "https://shop.example/a/..",
        "https://shop.example/%2e",
        "https://shop.example/%2E%2e/",
        "https://shop.example/.%2e/b",
        "https://shop.example/%2e./b",
        "https://shop.example/a/..%2fb",
        "https://shop.example/a%2F..%2F..",
        "https://shop.example/a%5c..%5Cb",
        "https://shop.example/../?q",
        // bad percent-encodings
        "https://shop.example/%",
        "https://shop.example/%2",
        "https://shop.example/%zz",
        "https://shop.example/%%20",
        "https://shop.example/?%",
        "https://shop.example/?a=%u0041",
        "https://shop.example/#%g0",
        "https://shop.example/%2/",
        // characters that a browser would encode, or RFC 3986 does not know
        "https://shop.example/<script>",
        "https://shop.example/\"",
        "https://shop.example/`",
        "https://shop.example/{a}",
        "https://shop.example/a|b",
        "https://shop.example/^",
        "https://shop.example/[a]",
        "https://shop.example/?a[]=b",
        "https://shop.example/?a=\"b",
        "https://shop.example/?<",
        "https://shop.example/#<",
        "https://shop.example/#`",
        "https://shop.example/#a#b",
        "https://shop.example/{CHECKOUT_SESSION_ID}",
    ] {
        assert!(WebUrl::parse(raw, false).is_err(), "let in: {raw:?} as {}", WebUrl::parse(raw, false).unwrap());
        assert!(WebUrl::parse(raw, true).is_err() || raw.contains("localhost") || raw.contains("127.0.0.1"), "let in locally: {raw:?}");
    }
}

#[test]
fn lengths_are_bounded() {
    let long = |length: usize| format!("https://shop.example/{:a<1$}", "", length - "https://shop.example/".len());
    assert!(WebUrl::parse(&long(MAX_LENGTH), false).is_ok());
    assert!(WebUrl::parse(&long(MAX_LENGTH + 1), false).is_err());
    let label = "a".repeat(63);
    assert!(WebUrl::parse(&format!("https://{label}.example/"), false).is_ok());
    assert!(WebUrl::parse(&format!("https://a{label}.example/"), false).is_err());
    let host = |last: &str| format!("https://{label}.{label}.{label}.{last}.example/");
    assert!(WebUrl::parse(&host(&"a".repeat(53)), false).is_ok(), "253 characters");
    assert!(WebUrl::parse(&host(&"a".repeat(54)), false).is_err(), "254 characters");
}

#[test]
fn a_machine_of_ones_own_adds_two_hosts_and_no_more() {
    for (raw, written) in [
        ("http://localhost", "http://localhost/"),
        ("http://LocalHost:8789/shop", "http://localhost:8789/shop"),
        ("http://127.0.0.1:80/", "http://127.0.0.1/"),
        ("http://localhost:443/", "http://localhost:443/"),
    ] {
        assert_eq!(WebUrl::parse(raw, true).map(|url| url.to_string()).as_deref(), Ok(written));
        assert!(WebUrl::parse(raw, false).is_err(), "{raw}");
    }
    for raw in [
        "https://localhost/",
        "https://127.0.0.1/",
        "http://127.0.0.2/",
        "http://127.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://localhost./",
        "http://a.localhost/",
        "http://shop.example/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://user@localhost/",
        "http://localhost\\@evil.example/",
        "http://localhost:0/",
        "http://localhost:99999/",
        "http://localhost/../",
        "http://localhost /",
        "http://192.168.0.1/",
        "http://127.0.0.1.evil.example/",
        "ftp://localhost/",
    ] {
        assert!(WebUrl::parse(raw, true).is_err(), "{raw}");
    }
    assert!(WebUrl::parse("https://shop.example/", true).is_ok());
}

#[test]
fn a_site_has_one_spelling() {
    for raw in ["https://shop.example", "https://shop.example/", "https://SHOP.example:443", "HTTPS://shop.example:443//"] {
        assert_eq!(site_url(raw, false).as_deref(), Ok("https://shop.example"), "{raw}");
    }
    for raw in ["https://shop.example:8443/en", "https://Shop.Example:8443/en/", "https://shop.example:8443/en///"] {
        assert_eq!(site_url(raw, false).as_deref(), Ok("https://shop.example:8443/en"), "{raw}");
    }
    assert_eq!(site_url("http://localhost:8789/", true).as_deref(), Ok("http://localhost:8789"));
    for raw in
        ["https://shop.example/?", "https://shop.example/?a", "https://shop.example/#", "https://shop.example/#a", "http://shop.example"]
    {
        assert!(site_url(raw, false).is_err(), "{raw}");
    }
}

#[test]
fn an_origin_is_nothing_but_an_origin() {
    assert_eq!(origin_only("https://Shop.example:443", false).as_deref(), Ok("https://shop.example"));
    assert_eq!(origin_only("https://shop.example:1/", false).as_deref(), Ok("https://shop.example:1"));
    for raw in [
        "https://shop.example/a",
        "https://shop.example//",
        "https://shop.example/?",
        "https://shop.example#",
        "http://localhost",
        "null",
        "*",
    ] {
        assert!(origin_only(raw, false).is_err(), "{raw}");
    }
}

#[test]
fn our_parameters_go_behind_the_query_and_before_the_fragment() {
    let params = [("session_id", "cs_1"), ("order_id", "a b&c=d#é")];
    let ours = "session_id=cs_1&order_id=a+b%26c%3Dd%23%C3%A9";
    for (raw, want) in [
        ("https://shop.example", format!("https://shop.example/?{ours}")),
        ("https://shop.example/ok?", format!("https://shop.example/ok?{ours}")),
        ("https://shop.example/ok?key=wc_1", format!("https://shop.example/ok?key=wc_1&{ours}")),
        ("https://shop.example/ok?key=wc_1&", format!("https://shop.example/ok?key=wc_1&{ours}")),
        ("https://shop.example/ok#top", format!("https://shop.example/ok?{ours}#top")),
        ("https://shop.example/ok?a#top?b", format!("https://shop.example/ok?a&{ours}#top?b")),
        // Ours take the place of the shop's own by the same name, however it is written; no other is touched.
        ("https://shop.example/?session_id=x", format!("https://shop.example/?{ours}")),
        ("https://shop.example/?a=%41&session%5Fid=x&order_id&b=c", format!("https://shop.example/?a=%41&b=c&{ours}")),
    ] {
        assert_eq!(url(raw).with_params(&params), want);
        assert!(WebUrl::parse(&want, false).is_ok());
    }
    assert_eq!(url("https://shop.example/a?b#c").with_params(&[]), "https://shop.example/a?b#c");
    assert_eq!(url("https://shop.example/a").with_params(&[]), "https://shop.example/a");
}

/// Whatever a shop's order id holds, the address that is made of it can be taken apart again and gives it back.
#[test]
fn parameters_survive() {
    for value in
        ["", "&", "=", "#", "%", "%41", "+", " ", "\r\nLocation: https://evil.example", "'\"<>`{}|\\^[]", "日本", "\u{1f6d2}", "\0"]
    {
        let written = url("https://shop.example/ok?x=1#f").with_params(&[("v", value)]);
        let again = url(&written);
        let pairs: Vec<_> = form_urlencoded::parse(again.query().unwrap().as_bytes()).into_owned().collect();
        assert_eq!(pairs, [("x".to_owned(), "1".to_owned()), ("v".to_owned(), value.to_owned())]);
        assert_eq!((again.origin().as_str(), again.fragment()), ("https://shop.example", Some("f")));
    }
}

#[test]
fn under_a_site_goes_by_whole_segments() {
    let site = url("https://shop.example/en");
    for (raw, inside) in [
        ("https://shop.example/en", true),
        ("https://shop.example/en/", true),
        ("https://shop.example/en/wp-json/cc/v1/challenge", true),
        ("https://shop.example/en?rest_route=/cc/v1/challenge", true),
        ("https://shop.example:443/en/a", true),
        ("https://shop.example/", false),
        ("https://shop.example/english", false),
        ("https://shop.example/EN/a", false),
        ("https://shop.example/%65n/a", false),
        ("https://shop.example//en/a", false),
        ("https://shop.example/de/en", false),
        ("https://shop.example:8443/en/a", false),
        ("https://www.shop.example/en/a", false),
    ] {
        assert_eq!(url(raw).under(&site), inside, "{raw}");
        assert_eq!(url(raw).under(&url("https://shop.example/en/")), inside, "{raw} under a site with a slash");
    }
    assert!(url("https://shop.example/any/where").under(&url("https://shop.example")));
    assert!(!url("https://shop.example/").under(&url("https://shop.example.evil.example/")));
    let local = |raw| WebUrl::parse(raw, true).unwrap();
    assert!(!local("http://localhost:1/a").under(&local("http://localhost:2/")));
    assert!(!local("http://localhost/a").under(&local("http://127.0.0.1/")));
}

#[test]
fn the_placeholder_is_filled_in_wherever_it_may_stand() {
    for raw in [
        "https://shop.example/ok?s={CHECKOUT_SESSION_ID}",
        "https://shop.example/ok/{CHECKOUT_SESSION_ID}?s={CHECKOUT_SESSION_ID}#{CHECKOUT_SESSION_ID}",
        "https://shop.example/ok",
    ] {
        let checked = parse_with_placeholder(raw, false).unwrap();
        assert_eq!(checked.origin(), "https://shop.example");
        let filled = fill_session(raw, "cs_test_a1");
        assert!(!filled.contains('{'));
        assert_eq!(filled.matches("cs_test_a1").count(), raw.matches(PLACEHOLDER).count());
        assert_eq!(url(&filled).to_string(), filled);
    }
    for raw in [
        "https://{CHECKOUT_SESSION_ID}/",
        "https://{CHECKOUT_SESSION_ID}.example/",
        "https://shop.example{CHECKOUT_SESSION_ID}/",
        "https://shop.example:{CHECKOUT_SESSION_ID}/",
        "https://{CHECKOUT_SESSION_ID}@shop.example/",
        "{CHECKOUT_SESSION_ID}://shop.example/",
        "{CHECKOUT_SESSION_ID}",
        "https://shop.example/{checkout_session_id}",
        "https://shop.example/{CHECKOUT_SESSION_ID",
        "https://shop.example/{{CHECKOUT_SESSION_ID}}",
        "https://shop.example/%{CHECKOUT_SESSION_ID}",
        "http://shop.example/{CHECKOUT_SESSION_ID}",
    ] {
        assert!(parse_with_placeholder(raw, false).is_err(), "{raw}");
    }
}

/// An address that was accepted for a transaction must not turn out too long when the buyer comes back.
#[test]
fn what_was_accepted_takes_the_longest_session_id() {
    let id = format!("cs_{}", "a".repeat(252));
    let mut accepted = 0;
    for padding in 1_500..MAX_LENGTH {
        let raw = format!("https://shop.example/{}?s={PLACEHOLDER}", "a".repeat(padding));
        if parse_with_placeholder(&raw, false).is_ok() {
            accepted += 1;
            assert!(WebUrl::parse(&fill_session(&raw, &id), false).is_ok(), "padding {padding}");
        }
    }
    assert!(accepted > 0 && accepted < MAX_LENGTH - 1_500, "the edge lies within what was tried");
}

#[test]
fn pictures_may_lie_anywhere_on_the_web() {
    for raw in [
        "https://cdn.example/a.png",
        "http://cdn.example/a b.png".replace(' ', "%20").as_str(),
        "HTTP://cdn/a",
        "https://10.0.0.1:8080/a",
        "https://cdn.example/schön.jpg",
        "https://[::1]/a",
        "https://cdn.example?x[]=1",
    ] {
        assert!(is_web_url(raw), "{raw}");
    }
    for raw in [
        "",
        "a.png",
        "/a.png",
        "//cdn.example/a.png",
        "data:image/png;base64,AA==",
        "javascript:alert(1)",
        "ftp://cdn.example/a",
        "https://",
        "https:///a",
        "https://?a",
        "https://:80/a",
        "https://user@cdn.example/a",
        "https://cdn.example/a b",
        "https://cdn.example/\n",
        "https:\\\\cdn.example",
        "x https://cdn.example/",
        "file:///etc/passwd",
    ] {
        assert!(!is_web_url(raw), "{raw}");
    }
}

/// Takes characters out of an address and puts splinters into it.
fn bend(dice: &mut Dice, address: &str) -> String {
    let splinters = [
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        "%",
        ".",
        "..",
        "%2e",
        "%2F",
        "[",
        "]",
        "0",
        "0x",
        "127.0.0.1",
        "localhost",
        "xn--",
        "é",
        "\u{ff0e}",
        "\t",
        "https://",
        "//",
        "'",
        "-",
        "_",
        "{",
        PLACEHOLDER,
        "\u{202e}",
    ];
    let mut raw: Vec<char> = address.chars().collect();
    for _ in 0..dice.within(1, 3) {
        let at = dice.within(0, raw.len() as i64) as usize;
        if dice.within(0, 2) == 0 && at < raw.len() {
            raw.remove(at);
        } else {
            raw.splice(at..at, dice.one_of(&splinters).chars());
        }
    }
    raw.into_iter().collect()
}

/// Bent addresses: nothing panics, and what is let in reads the same the second time and keeps its origin.
#[test]
fn bent_addresses_are_refused_or_stable() {
    let mut dice = Dice(7);
    let seeds =
        ["https://shop.example:8443/a/b?c=d#e", "http://localhost:8789/x", "https://xn--a.example/%2e%41?q='#f", "https://a.b.c.d/.."];
    let mut let_in = 0;
    for _ in 0..100_000 {
        let seed = dice.one_of(&seeds);
        let raw = bend(&mut dice, seed);
        if let Ok(url) = WebUrl::parse(&raw, true) {
            let_in += 1;
            let written = url.to_string();
            assert_eq!(WebUrl::parse(&written, true).as_ref(), Ok(&url), "{raw:?}");
            assert!(written.starts_with(&format!("{}/", url.origin())), "{raw:?}");
            assert!(url.under(&WebUrl::parse(&url.origin(), true).unwrap()), "{raw:?}");
            assert!(is_web_url(&raw), "{raw:?}");
        }
    }
    assert!(let_in > 1_000, "only {let_in} of the bent addresses were let in: the test tries nothing");
}

/// An address of parts that are on the edge of the grammar, of which most are let in.
fn composed(dice: &mut Dice) -> String {
    let labels = [
        "shop",
        "SHOP",
        "a",
        "0",
        "1",
        "127",
        "0x7f",
        "0xg",
        "1e3",
        "a-b",
        "a--b",
        "x_y",
        "-a",
        "localhost",
        "xn--bcher-kva",
        "XN--Bcher-KVA",
        "xn--a",
        "xn--",
        "xn--a-",
        "xn--shop-",
        "xn--80ak6aa92e",
        "xn--bcher-kva-",
        "xn--0",
        "xn--1ug",
        "xn--ls8h",
    ];
    let last = ["example", "com", "EXAMPLE", "co", "d1", "e3", "xn--p1ai", "xn--fiqs8s", "xn--a", "example.", "0x1", "1"];
    let ports = ["", "", "", ":443", ":80", ":8443", ":65535", ":65536", ":0", ":", ":0443"];
    let pieces = [
        "/",
        "/",
        "a",
        "Z",
        "9",
        "-",
        ".",
        "_",
        "~",
        "!",
        "$",
        "&",
        "'",
        "(",
        ")",
        "*",
        "+",
        ",",
        ";",
        "=",
        ":",
        "@",
        "%41",
        "%2F",
        "%2e",
        "%00",
        "%0d%0a",
        "%ff",
        "%C3%A9",
        "%5c",
        "%27",
        "/.a",
        "/...",
        "//",
        "http://",
        PLACEHOLDER,
    ];
    let some = |dice: &mut Dice, most: i64, more: &[&str]| -> String {
        (0..dice.within(0, most))
            .map(|_| if !more.is_empty() && dice.within(0, 5) == 0 { dice.one_of(more) } else { dice.one_of(&pieces) })
            .collect()
    };
    let mut raw = dice.one_of(&["https://", "https://", "https://", "HTTPS://", "hTtPs://", "http://"]).to_owned();
    if raw.starts_with("http:") {
        raw.push_str(dice.one_of(&["localhost", "127.0.0.1", "LocalHost", "127.1", "localhost."]));
    } else {
        for _ in 0..dice.within(0, 3) {
            raw.push_str(dice.one_of(&labels));
            raw.push('.');
        }
        raw.push_str(dice.one_of(&last));
    }
    raw.push_str(dice.one_of(&ports));
    if dice.within(0, 3) > 0 {
        raw.push('/');
        raw.push_str(&some(dice, 6, &[]));
    }
    if dice.within(0, 1) > 0 {
        raw.push('?');
        raw.push_str(&some(dice, 6, &["?"]));
    }
    if dice.within(0, 1) > 0 {
        raw.push('#');
        raw.push_str(&some(dice, 4, &["?"]));
    }
    raw
}

/// Two parsers read a shop's address: ours, and that of whoever follows it. Each address that is let in must be the very same
/// place to `new URL()`; `weburl.mjs` compares them one by one, in Node. No other way to try the second parser is as close
/// to a browser's: both follow the URL Standard.
#[test]
fn what_is_let_in_is_the_same_to_new_url() {
    let mut dice = Dice(11);
    let mut cases = String::new();
    let mut let_in = 0;
    for n in 0..40_000 {
        let mut raw = composed(&mut dice);
        if n % 2 == 1 {
            raw = bend(&mut dice, &raw);
        }
        if raw.contains(PLACEHOLDER) {
            let checked = parse_with_placeholder(&raw, true);
            raw = fill_session(&raw, "cs_test_a1B2");
            // What was checked with one id in it is the same with another.
            if let Ok(checked) = checked {
                assert_eq!(WebUrl::parse(&raw, true).map(|url| url.origin()), Ok(checked.origin()), "{raw}");
            }
        }
        if let Ok(url) = WebUrl::parse(&raw, true) {
            let_in += 1;
            let value = dice.one_of(&["a b&c=d#é", "", "%41+", "\r\nx: y", "日本"]);
            let case = json!({
                "raw": raw, "href": url.to_string(), "origin": url.origin(), "path": url.path(), "query": url.query(), "fragment": url.fragment(),
                "site": site_url(&raw, true).ok(), "value": value, "with": url.with_params(&[("cc", value)]),
            });
            cases.push_str(&format!("{case}\n"));
        }
    }
    assert!(let_in > 4_000, "only {let_in} of the addresses were let in: the test tries little");

    let node = std::env::var("NODE_BIN").unwrap_or_else(|_| "node".to_owned());
    let mut compare = Command::new(&node)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/native/weburl.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{node} is needed for its new URL(): {why}"));
    // It reads to the end before it says anything. Should it die before that, its own words are the better message.
    let _ = compare.stdin.take().unwrap().write_all(cases.as_bytes());
    let said = compare.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}{err}");
    assert!(out.starts_with(&format!("{let_in} compared")), "{out}");
}

/// A shop's return address is written anew, kept, and read again when the merchant comes back: had it grown beyond the limit, he
/// would meet an error page instead, after his account was connected.
#[test]
fn an_address_that_grows_when_it_is_written_anew_is_measured_as_written() {
    let marks = |n: usize| format!("https://shop.example/?{}", "'".repeat(n));
    let longest = (MAX_LENGTH - marks(0).len()) / 3;
    let kept = WebUrl::parse(&marks(longest), false).unwrap().to_string();
    assert!(WebUrl::parse(&kept, false).is_ok());
    assert!(WebUrl::parse(&marks(longest + 1), false).unwrap_err().contains("2048"));
    // The slash that a bare host gets counts too.
    assert!(WebUrl::parse(&format!("https://shop.example?{}", "a".repeat(MAX_LENGTH - 21)), false).is_err());
}
