//! What agents are answered in six dialects (contract, *ACP*). The answers of [`samples_for_the_official_schemas`] are held against the
//! official JSON Schemas by tests/acp/schemas.test.mjs; what no schema says, is said here.

use cognitivecart_worker::acp::dialect::Dialect::{self, *};
use cognitivecart_worker::acp::order::{self, Adjustment, Card, Fulfillment, FulfillmentEvent, LineRef, OrderDoc};
use cognitivecart_worker::acp::session::{
    Address, Allocation, Applied, Contact, DeliveryOption, Line, Link, Message, Named, OrderRef, Rejected, Selected, Seller, Session,
    Status, TaxPart, Totals,
};
use cognitivecart_worker::acp::{problem, read, write};
use cognitivecart_worker::error::Problem;
use serde_json::{Value, json};
use std::path::PathBuf;

const ALL: [Dialect; 6] = [Stripe, V20250929, V20251212, V20260116, V20260130, V20260417];
const CREATED: i64 = 1_795_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Goods {
    Physical,
    Digital,
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tax {
    Unknown,
    Added,
    Included,
    Both,
}

pub fn seller() -> Seller {
    let link = |kind: &str, path: &str, title: Option<&str>| Link {
        kind: kind.to_owned(),
        url: format!("https://shop.example/{path}"),
        title: title.map(str::to_owned),
    };
    Seller {
        name: "Mugs & More".to_owned(),
        site_url: "https://shop.example".to_owned(),
        account: Some("acct_1Mug".to_owned()),
        links: vec![
            link("terms_of_use", "terms", Some("Terms")),
            link("privacy_policy", "privacy", None),
            link("return_policy", "returns", Some("Returns")),
            link("shipping_policy", "shipping", None),
            link("contact_us", "contact", None),
            link("press", "press", None),
        ],
        public_url: "https://pay.example".to_owned(),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn address() -> Address {
    Address {
        name: "Ada Byron".to_owned(),
        line_one: "1 Main St".to_owned(),
        line_two: text("Apt 4"),
        city: "Springfield".to_owned(),
        state: "IL".to_owned(),
        country: "US".to_owned(),
        postal_code: "62701".to_owned(),
        company: text("Engines Ltd"),
    }
}

fn mug() -> Line {
    Line {
        id: "li_1".to_owned(),
        product: "mug-blue".to_owned(),
        quantity: 3,
        title: "Blue mug".to_owned(),
        description: text("Holds 300 ml."),
        link: text("https://shop.example/p/mug?color=blue"),
        images: vec!["https://shop.example/i/mug.jpg".to_owned(), "https://shop.example/i/mug back.jpg".to_owned(), "mug.jpg".to_owned()],
        brand: text("Potter"),
        group: text("mug"),
        category: text("Home > Kitchen"),
        variant: vec![
            Named { name: "color".to_owned(), value: "Blue".to_owned() },
            Named { name: "age_group".to_owned(), value: "adult".to_owned() },
        ],
        availability: "preorder".to_owned(),
        available: Some(7),
        unit_amount: 1000,
        base_amount: 3000,
        ..Line::default()
    }
}

fn song() -> Line {
    Line {
        id: "li_2".to_owned(),
        product: "song".to_owned(),
        quantity: 1,
        title: "Song".to_owned(),
        digital: true,
        availability: "in_stock".to_owned(),
        unit_amount: 199,
        base_amount: 199,
        ..Line::default()
    }
}

/// A priced checkout. Mugs are 0.50 off, each; `discounts` adds 10 % on mugs, 1.00 on the order, and a code that is none.
fn sold(goods: Goods, tax: Tax, discounts: bool) -> Session {
    let mut session = Session {
        id: "checkout_01".to_owned(),
        status: Status::Ready,
        currency: "usd".to_owned(),
        livemode: true,
        created: CREATED,
        updated: CREATED + 60,
        expires_at: CREATED + 21_600,
        ..Session::default()
    };
    if goods != Goods::Digital {
        session.lines.push(Line { discount: 150, ..mug() });
        session.address = Some(address());
        session.options.push(DeliveryOption {
            kind: "shipping".to_owned(),
            id: "std".to_owned(),
            title: "Standard".to_owned(),
            description: text("3 to 5 days"),
            carrier: text("USPS"),
            earliest: Some(CREATED + 3 * 86_400),
            latest: Some(CREATED + 5 * 86_400),
            subtotal: 500,
            total: 500,
            ..DeliveryOption::default()
        });
        session.options.push(DeliveryOption {
            id: "fast".to_owned(),
            title: "Express".to_owned(),
            subtotal: 1500,
            total: 1500,
            ..session.options[0].clone()
        });
    }
    if goods != Goods::Physical {
        session.lines.push(song());
        session.options.push(DeliveryOption {
            kind: "digital".to_owned(),
            id: "mail".to_owned(),
            title: "By email".to_owned(),
            ..DeliveryOption::default()
        });
    }
    session.selected = ["shipping", "digital"]
        .into_iter()
        .filter_map(|kind| {
            let option = session.options.iter().find(|option| option.kind == kind)?;
            let mine = |line: &&Line| line.digital == (kind == "digital");
            let item_ids = session.lines.iter().filter(mine).map(|line| line.id.clone()).collect();
            Some(Selected { kind: kind.to_owned(), option_id: option.id.clone(), item_ids })
        })
        .collect();
    // Digital first, to see that the shipping one is told where there can be only one.
    session.selected.reverse();
    if discounts {
        session.codes = vec!["Ten".to_owned(), "one".to_owned(), "OLD".to_owned()];
        if let Some(line) = session.lines.iter_mut().find(|line| !line.digital) {
            line.discount += 285;
            session.applied.push(Applied {
                id: "di_1".to_owned(),
                code: text("Ten"),
                coupon: "ten".to_owned(),
                name: "10% off".to_owned(),
                percent_bps: Some(1000),
                amount: 285,
                each: true,
                starts: Some(CREATED - 1),
                ends: Some(CREATED + 86_400),
                allocations: vec![Allocation { line: 0, amount: 285 }],
                ..Applied::default()
            });
        }
        let last = session.lines.len() - 1;
        session.lines[last].order_discount = 100;
        session.applied.push(Applied {
            id: "di_2".to_owned(),
            code: None,
            coupon: "one".to_owned(),
            name: "1.00 off".to_owned(),
            amount_off: Some(100),
            amount: 100,
            each: false,
            allocations: vec![Allocation { line: last as i64, amount: 100 }],
            ..Applied::default()
        });
        let message = "The code 'OLD' is not valid any more.".to_owned();
        session.rejected.push(Rejected { code: "OLD".to_owned(), reason: "discount_code_expired".to_owned(), message: message.clone() });
        session.messages.push(Message {
            kind: "warning".to_owned(),
            code: text("discount_code_expired"),
            param: text("$.discounts.codes[2]"),
            content: message,
            resolution: text("recoverable"),
        });
    }
    let (added, included) = match tax {
        Tax::Unknown => (0, 0),
        Tax::Added => (825, 0),
        Tax::Included => (0, 1900),
        Tax::Both => (500, 700),
    };
    let mut totals = Totals { fee: 25, ..Totals::default() };
    let add = |taxes: &mut Vec<TaxPart>, name: &str, rate_bps: i64, inclusive: bool| {
        taxes.push(TaxPart { name: name.to_owned(), rate_bps, amount: 0, inclusive });
    };
    if added > 0 {
        add(&mut totals.taxes, "IL state tax", added - 200, false);
        add(&mut totals.taxes, "County tax", 200, false);
    }
    if included > 0 {
        add(&mut totals.taxes, "VAT", included, true);
    }
    for line in &mut session.lines {
        line.subtotal = line.base_amount - line.discount;
        let net = line.subtotal - line.order_discount;
        line.tax = (net * added + 5_000) / 10_000;
        line.included_tax = net - net * 10_000 / (10_000 + included);
        line.tax_rate_bps = added + included;
        line.total = line.subtotal + line.tax;
        totals.items_base_amount += line.base_amount;
        totals.items_discount += line.discount;
        totals.subtotal += line.subtotal;
        totals.discount += line.order_discount;
        totals.tax += line.tax;
        totals.included_tax += line.included_tax;
    }
    if added > 0 {
        totals.taxes[1].amount = totals.tax / 5;
        totals.taxes[0].amount = totals.tax - totals.tax / 5;
    }
    if let Some(part) = totals.taxes.iter_mut().find(|part| part.inclusive) {
        part.amount = totals.included_tax;
    }
    if goods != Goods::Digital {
        totals.fulfillment = 500;
    }
    totals.total = totals.subtotal - totals.discount + totals.fulfillment + totals.tax + totals.fee;
    session.totals = totals;
    session
}

fn buyers() -> [Value; 5] {
    [
        json!({ "email": "ada@example.com", "first_name": "Ada", "last_name": "Byron", "phone_number": "+15551234567" }),
        json!({ "email": "ada@example.com", "full_name": "Ada King Byron", "customer_id": "c_1", "account_type": "business",
            "company": { "name": "Engines" }, "loyalty": { "points_balance": 5 },
            "tax_exemption": { "certificate_id": "x", "certificate_type": "resale" } }),
        json!({ "email": "ada@example.com" }),
        Value::Null,
        json!({ "email": "ada@example.com", "full_name": "Ada" }),
    ]
}

/// What stands in the way, as pricing and paying say it.
fn troubles() -> Vec<Message> {
    let message = |kind: &str, code: Option<&str>, param: Option<&str>, resolution: Option<&str>| Message {
        kind: kind.to_owned(),
        code: code.map(str::to_owned),
        param: param.map(str::to_owned),
        content: "Something <b>is</b> so.".to_owned(),
        resolution: resolution.map(str::to_owned),
    };
    vec![
        message("error", Some("out_of_stock"), Some("$.line_items[0]"), Some("recoverable")),
        message("error", Some("quantity_exceeded"), Some("$.line_items[0].quantity"), None),
        message("error", Some("missing"), Some("$.fulfillment_details.address"), Some("requires_buyer_input")),
        message("error", Some("invalid"), Some("$.fulfillment_details.email"), None),
        message("error", Some("region_restricted"), Some("$.fulfillment_details.address.country"), Some("recoverable")),
        message("error", Some("payment_declined"), Some("$.payment_data"), Some("requires_buyer_review")),
        message("error", Some("unsupported"), Some("$.selected_fulfillment_options[0]"), None),
        message("error", Some("what the shop calls it"), None, Some("whenever")),
        message("error", None, None, None),
        message("warning", Some("price_change"), Some("$.totals"), Some("requires_buyer_review")),
        message("warning", Some("out_of_stock"), None, None),
        message("warning", None, None, None),
        message("info", None, None, None),
        message("shout", None, None, None),
    ]
}

/// Every status × goods × tax × discounts, each with one of the many ways in which the rest can be.
fn many() -> Vec<(String, Session, Seller)> {
    let mut all = Vec::new();
    for status in Status::ALL {
        for goods in [Goods::Physical, Goods::Digital, Goods::Mixed] {
            for tax in [Tax::Unknown, Tax::Added, Tax::Included, Tax::Both] {
                for discounts in [false, true] {
                    let place = all.len();
                    let (mut session, mut seller) = (sold(goods, tax, discounts), seller());
                    session.status = status;
                    session.buyer = buyers()[place % 5].clone();
                    session.livemode = place % 2 == 0;
                    if place % 3 == 1 {
                        session.contact =
                            Some(Contact { name: text("Ada"), phone_number: text("15551234567"), email: text("ada@example.com") });
                    }
                    if status == Status::NotReady {
                        session.messages.extend(troubles());
                        if tax == Tax::Unknown {
                            (session.address, session.options, session.selected) = (None, vec![], vec![]);
                        }
                    }
                    if place % 4 == 1 {
                        session.capabilities = match place % 3 {
                            0 => json!({ "interventions": { "supported": ["3ds"] }, "extensions": ["discount"] }),
                            1 => json!({}),
                            _ => json!({ "extensions": ["loyalty"] }),
                        };
                        session.groups = json!([{ "id": "g", "item_ids": ["li_1"], "destination_type": "shipping", "fulfillment_details": {
                            "name": "Ada", "address": { "name": "A", "line_one": "1", "city": "C", "state": "", "country": "US",
                                "postal_code": "1", "company": "E" } } }]);
                        session.metadata = json!({ "any": { "thing": [1] } });
                        (session.locale, session.timezone, session.quote_id) = (text("en-US"), text("UTC"), text("q_1"));
                        session.order_notes = text("Ring twice.");
                    }
                    match place % 7 {
                        2 => seller.account = None,
                        3 => {
                            seller.links = vec![Link {
                                kind: "seller_shop_policies".to_owned(),
                                url: "https://shop.example/p".to_owned(),
                                title: None,
                            }]
                        }
                        4 => (seller.links, seller.name) = (vec![], String::new()),
                        5 => seller.links[1].url = "not an address".to_owned(),
                        _ => {}
                    }
                    if status == Status::Completed {
                        let words = ["created", "manual_review", "confirmed", "processing", "shipped", "completed", "canceled"];
                        session.order = Some(OrderRef {
                            id: "ord_1".to_owned(),
                            number: (place % 2 == 0).then(|| "1001".to_owned()),
                            permalink_url: "https://shop.example/orders/1001".to_owned(),
                            status: words[place % 7].to_owned(),
                        });
                    }
                    let name = format!("{}-{goods:?}-{tax:?}{}", status.name(), if discounts { "-discounts" } else { "" }).to_lowercase();
                    all.push((name, session, seller));
                }
            }
        }
    }
    all
}

fn an_order(goods: Goods) -> OrderDoc {
    let session = sold(goods, Tax::Both, true);
    OrderDoc {
        id: "ord_1".to_owned(),
        transaction: "cct_1".to_owned(),
        checkout_session_id: session.id.clone(),
        livemode: true,
        agent: text("Claude"),
        permalink_url: "https://pay.example/orders/ord_1".to_owned(),
        status: "created".to_owned(),
        currency: session.currency.clone(),
        delivery: session
            .options
            .iter()
            .filter(|option| session.selected.iter().any(|chosen| chosen.option_id == option.id))
            .cloned()
            .collect(),
        address: session.address.clone(),
        contact: Some(Contact { name: text("Ada at work"), phone_number: text("15551234567"), email: None }),
        buyer: buyers()[0].clone(),
        billing: Some(address()),
        card: Some(Card { brand: text("visa"), last4: text("4242"), exp_month: Some(12), exp_year: Some(2030) }),
        receipt_number: text("1234-5678"),
        receipt_url: text("https://pay.stripe.com/receipts/1"),
        order_notes: text("Ring twice."),
        lines: session.lines,
        totals: session.totals,
        discounts: session.applied,
        created: CREATED,
        updated: CREATED,
        ..OrderDoc::default()
    }
}

fn refund(id: &str, kind: &str, status: &str, amount: Option<i64>) -> Adjustment {
    Adjustment {
        id: id.to_owned(),
        kind: kind.to_owned(),
        status: status.to_owned(),
        amount,
        currency: text("usd"),
        reason: text("requested_by_customer"),
        description: text("Broken"),
        line_items: vec![LineRef { id: "li_1".to_owned(), quantity: 1 }, LineRef { id: "li_1".to_owned(), quantity: 0 }],
        occurred_at: CREATED + 100,
    }
}

fn shipment(kind: &str, status: &str, line: &str, quantity: i64) -> Fulfillment {
    Fulfillment {
        id: format!("ful_{line}"),
        kind: kind.to_owned(),
        status: status.to_owned(),
        line_items: vec![LineRef { id: line.to_owned(), quantity }],
        carrier: text("USPS"),
        tracking_number: text("94001"),
        tracking_url: text("https://usps.example/94001"),
        latest: Some(CREATED + 500),
        events: vec![FulfillmentEvent {
            id: "evt_1".to_owned(),
            kind: "shipped".to_owned(),
            occurred_at: CREATED + 200,
            location: text("Reno"),
            ..FulfillmentEvent::default()
        }],
        ..Fulfillment::default()
    }
}

fn orders() -> Vec<(&'static str, OrderDoc)> {
    let mut shipped = an_order(Goods::Mixed);
    (shipped.order_number, shipped.order_id, shipped.status) = (text("1001"), text("77"), "processing".to_owned());
    shipped.fulfillments = vec![shipment("shipping", "in_transit", "li_1", 2), shipment("digital", "delivered", "li_2", 1)];
    shipped.fulfillments[1].access_url = text("https://shop.example/download/1");
    shipped.fulfillments[1].license_key = text("AAAA-BBBB");
    shipped.fulfillments[1].access_expires_at = Some(CREATED + 86_400);
    let mut refunded = an_order(Goods::Physical);
    refunded.status = "completed".to_owned();
    refunded.fulfillments = vec![shipment("shipping", "delivered", "li_1", 3)];
    refunded.adjustments = vec![
        refund("adj_1", "refund", "completed", Some(500)),
        refund("adj_2", "refund", "failed", Some(300)),
        refund("adj_3", "credit", "completed", Some(200)),
        refund("adj_4", "return", "completed", None),
        refund("adj_5", "dispute", "pending", Some(100)),
        refund("adj_6", "refund", "pending", Some(50)),
    ];
    let mut canceled = an_order(Goods::Digital);
    (canceled.status, canceled.buyer, canceled.billing, canceled.card, canceled.contact) =
        ("canceled".to_owned(), Value::Null, None, None, None);
    let mut done = an_order(Goods::Mixed);
    done.status = "shipped".to_owned();
    vec![("created", an_order(Goods::Mixed)), ("shipped", shipped), ("refunded", refunded), ("canceled", canceled), ("done", done)]
}

fn amounts(totals: &Value) -> Vec<(String, i64)> {
    totals.as_array().unwrap().iter().map(|total| (total["type"].as_str().unwrap().to_owned(), total["amount"].as_i64().unwrap())).collect()
}

fn amount(totals: &Value, kind: &str) -> i64 {
    let all = amounts(totals);
    let found: Vec<i64> = all.iter().filter(|(name, _)| name == kind).map(|(_, amount)| *amount).collect();
    assert_eq!(found.len(), 1, "{kind} is there once: {all:?}");
    found[0]
}

fn without_null(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("{path} is null"),
        Value::Array(elements) => elements.iter().for_each(|element| without_null(element, &format!("{path}[]"))),
        Value::Object(members) => members.iter().for_each(|(name, member)| without_null(member, &format!("{path}.{name}"))),
        _ => {}
    }
}

#[test]
fn the_figures_of_every_answer_agree() {
    for (name, session, seller) in many() {
        for dialect in ALL {
            let answer = write::session(dialect, &session, &seller);
            let of = |kind: &str| amount(&answer["totals"], kind);
            assert_eq!(of("total"), of("subtotal") - of("discount") + of("fulfillment") + of("tax") + of("fee"), "{name}");
            assert_eq!(of("subtotal"), of("items_base_amount") - of("items_discount"), "{name}");
            let mut sums = [0; 3];
            for line in answer["line_items"].as_array().unwrap() {
                let of = |older: &str, newer: &str| {
                    if dialect < V20260130 { line[older].as_i64().unwrap() } else { amount(&line["totals"], newer) }
                };
                let (base, discount) = (of("base_amount", "items_base_amount"), of("discount", "items_discount"));
                let (subtotal, tax) = (of("subtotal", "subtotal"), of("tax", "tax"));
                assert_eq!((subtotal, of("total", "total")), (base - discount, subtotal + tax));
                if let Some(details) = line.get("discount_details").and_then(Value::as_array) {
                    assert_eq!(details.iter().map(|detail| detail["amount"].as_i64().unwrap()).sum::<i64>(), discount, "{details:?}");
                } else {
                    assert!(dialect < V20260130 || discount == 0);
                }
                sums[0] += base;
                sums[1] += discount;
                sums[2] += subtotal;
            }
            assert_eq!(sums, [of("items_base_amount"), of("items_discount"), of("subtotal")]);
            for applied in answer.pointer("/discounts/applied").and_then(Value::as_array).into_iter().flatten() {
                match applied.get("allocations").and_then(Value::as_array) {
                    Some(shares) => {
                        assert_eq!(shares.iter().map(|share| share["amount"].as_i64().unwrap()).sum::<i64>(), applied["amount"])
                    }
                    None => assert_eq!(applied["method"], "across", "without allocations it is a discount on the order"),
                }
            }
            if let Some(parts) = answer["totals"].as_array().unwrap().iter().find_map(|total| total.get("breakdown")?.as_array()) {
                assert_eq!(parts.iter().map(|part| part["amount"].as_i64().unwrap()).sum::<i64>(), of("tax"));
            }
            without_null(&answer, "$");
            let options = answer["fulfillment_options"].as_array().unwrap();
            let chosen = answer.pointer("/selected_fulfillment_options").and_then(Value::as_array).cloned().unwrap_or_default();
            for chosen in &chosen {
                let inner = chosen.get(chosen["type"].as_str().unwrap()).unwrap_or(chosen);
                assert!(options.iter().any(|option| option["id"] == inner["option_id"] && option["type"] == chosen["type"]));
            }
            assert_eq!(chosen.len(), if dialect < V20251212 { 0 } else { session.selected.len() });
        }
        let cart = write::cart(&session, &seller);
        without_null(&cart, "$");
        assert_eq!(
            amounts(&cart["totals"]).iter().filter(|(kind, _)| kind == "tax" || kind == "fulfillment").count(),
            0,
            "a cart has no address"
        );
    }
}

#[test]
fn statuses_and_messages_have_the_nearest_word_of_each_version() {
    let word = |dialect: Dialect, status: Status| {
        let answer = write::session(dialect, &Session { status, ..Session::default() }, &seller());
        (answer["status"].as_str().unwrap().to_owned(), answer["messages"].clone())
    };
    for dialect in ALL {
        for status in [Status::NotReady, Status::Ready, Status::Completed, Status::Canceled] {
            assert_eq!(word(dialect, status), (status.name().to_owned(), json!([])));
        }
        let newer = dialect >= V20260130;
        assert_eq!(word(dialect, Status::InProgress).0, if newer { "complete_in_progress" } else { "in_progress" });
        assert_eq!(word(dialect, Status::Expired).0, if newer { "expired" } else { "canceled" });
        let (status, messages) = word(dialect, Status::AuthenticationRequired);
        if dialect < V20251212 {
            assert_eq!(
                (status.as_str(), &messages[0]["type"], &messages[0]["code"]),
                ("ready_for_payment", &json!("error"), &json!("requires_3ds"))
            );
        } else {
            assert_eq!((status.as_str(), messages), ("authentication_required", json!([])));
        }
    }
    let session = Session { messages: troubles(), ..Session::default() };
    let told = |dialect: Dialect| -> Vec<(String, String, String)> {
        let part = |message: &Value, name: &str| message.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let answer = write::session(dialect, &session, &seller());
        let messages = answer["messages"].as_array().unwrap();
        assert!(messages.iter().all(|message| message["content_type"] == "plain" && message["content"] == "Something <b>is</b> so."));
        assert_eq!(messages.iter().any(|message| message.get("severity").is_some()), dialect >= V20260130);
        assert_eq!(messages.iter().filter(|message| message.get("resolution").is_some()).count(), if dialect == V20260417 { 5 } else { 0 });
        messages.iter().map(|message| (part(message, "type"), part(message, "code"), part(message, "param"))).collect()
    };
    let as_told = |told: Vec<(String, String, String)>| told.iter().map(|(a, b, c)| format!("{a} {b} {c}")).collect::<Vec<_>>();
    assert_eq!(as_told(told(V20250929)), as_told(told(Stripe)));
    assert_eq!(
        as_told(told(V20250929)),
        [
            "error out_of_stock $.line_items[0]",
            "error out_of_stock $.line_items[0].item.quantity",
            "error missing $.fulfillment_address",
            "error invalid -",
            "error invalid $.fulfillment_address.country",
            "error payment_declined $.payment_data",
            "error invalid $.fulfillment_option_id",
            "error invalid -",
            "error invalid -",
            "info - $.totals",
            "info - -",
            "info - -",
            "info - -",
            "info - -",
        ]
    );
    assert_eq!(
        as_told(told(V20260417)),
        [
            "error out_of_stock $.line_items[0]",
            "error quantity_exceeded $.line_items[0].quantity",
            "error missing $.fulfillment_details.address",
            "error invalid $.fulfillment_details.email",
            "error region_restricted $.fulfillment_details.address.country",
            "error payment_declined $.payment_data",
            "error unsupported $.selected_fulfillment_options[0]",
            "error invalid -",
            "error invalid -",
            "warning price_change $.totals",
            "info - -",
            "info - -",
            "info - -",
            "info - -",
        ]
    );
    assert_eq!(as_told(told(V20260116))[3], "error invalid $.fulfillment_details.email");
}

#[test]
fn payment_is_advertised_as_each_version_has_it() {
    let session = sold(Goods::Physical, Tax::Added, false);
    let of = |dialect: Dialect| write::session(dialect, &session, &seller());
    assert_eq!(of(Stripe)["payment_provider"], json!({ "provider": "stripe", "supported_payment_methods": ["card"] }));
    assert_eq!(of(V20250929)["payment_provider"], of(Stripe)["payment_provider"]);
    assert_eq!(of(V20251212)["payment_provider"]["supported_payment_methods"][0]["type"], "card");
    assert_eq!(of(V20251212)["payment_provider"].get("merchant_id"), None);
    assert_eq!(of(V20260116)["payment_provider"]["merchant_id"], "acct_1Mug");
    for dialect in [V20260130, V20260417] {
        let answer = of(dialect);
        let handler = &answer["capabilities"]["payment"]["handlers"][0];
        assert_eq!((&handler["id"], &handler["name"]), (&json!(write::HANDLER), &json!("dev.acp.tokenized.card")));
        assert_eq!((&handler["config"]["merchant_id"], &handler["config"]["environment"]), (&json!("acct_1Mug"), &json!("production")));
        assert_eq!(handler.get("display_name").is_some(), dialect == V20260417);
        assert_eq!(answer.get("payment_provider"), None);
    }
    let test = Session { livemode: false, ..session.clone() };
    let config =
        |session: &Session, seller: &Seller| write::session(V20260417, session, seller)["capabilities"]["payment"]["handlers"].clone();
    assert_eq!(config(&test, &seller())[0]["config"]["environment"], "sandbox");
    // Objects for who named extensions, names for who may not know of objects.
    let extensions = |said: Value| {
        let session = Session { capabilities: said, ..session.clone() };
        write::session(V20260130, &session, &seller())["capabilities"].get("extensions").cloned()
    };
    assert_eq!(extensions(Value::Null), Some(json!(["discount"])));
    assert_eq!(extensions(json!({ "extensions": [] })), Some(json!(["discount"])));
    assert_eq!(extensions(json!({ "extensions": ["loyalty", "discount@2026-01-27"] })).unwrap()[0]["name"], "discount");
    assert_eq!(extensions(json!({ "extensions": ["loyalty"] })), None);
    let unconnected = Seller { account: None, ..seller() };
    assert_eq!(config(&session, &unconnected), json!([]));
    assert_eq!(write::session(V20260116, &session, &unconnected).get("payment_provider"), None);
    // What both can do (rfc.capability_negotiation, section 4.5).
    for (said, both) in [
        (Value::Null, json!(["3ds"])),
        (json!({}), json!([])),
        (json!({ "interventions": { "supported": ["address_verification"] } }), json!([])),
        (json!({ "interventions": { "supported": ["address_verification", "3ds"] } }), json!(["3ds"])),
    ] {
        let session = Session { capabilities: said.clone(), ..session.clone() };
        assert_eq!(write::session(V20260417, &session, &seller())["capabilities"]["interventions"]["supported"], both, "{said}");
    }
}

#[test]
fn a_buyer_is_told_as_far_as_a_version_has_words_for_him() {
    let of = |dialect: Dialect, buyer: &Value| {
        write::session(dialect, &Session { buyer: buyer.clone(), ..Session::default() }, &seller()).get("buyer").cloned()
    };
    let [named, full, nameless, none, short] = buyers();
    for dialect in [Stripe, V20250929, V20251212, V20260116] {
        assert_eq!(of(dialect, &named), Some(named.clone()));
        assert_eq!(of(dialect, &full), Some(json!({ "first_name": "Ada King", "last_name": "Byron", "email": "ada@example.com" })));
        assert_eq!(of(dialect, &short), Some(json!({ "first_name": "Ada", "last_name": "", "email": "ada@example.com" })));
        assert_eq!((of(dialect, &nameless), of(dialect, &none)), (None, None));
    }
    for dialect in [V20260130, V20260417] {
        for buyer in [&named, &full, &nameless, &short] {
            assert_eq!(of(dialect, buyer).as_ref(), Some(buyer));
        }
        assert_eq!(of(dialect, &none), None);
    }
}

#[test]
fn links_consents_and_continuing_elsewhere() {
    let kinds = |dialect: Dialect, seller: &Seller| -> Vec<String> {
        let answer = write::session(dialect, &sold(Goods::Digital, Tax::Unknown, false), seller);
        answer["links"].as_array().unwrap().iter().map(|link| link["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(Stripe, &seller()), ["terms_of_use", "privacy_policy", "seller_shop_policies"]);
    assert_eq!(kinds(V20251212, &seller()), ["terms_of_use", "privacy_policy", "return_policy"]);
    assert_eq!(kinds(V20260417, &seller()), ["terms_of_use", "privacy_policy", "return_policy", "shipping_policy", "contact_us"]);
    let oldest = Seller {
        links: vec![Link { kind: "seller_shop_policies".to_owned(), url: "https://shop.example/p".to_owned(), title: None }],
        ..seller()
    };
    assert_eq!(
        (kinds(V20250929, &oldest), kinds(V20260130, &oldest)),
        (vec!["seller_shop_policies".to_owned()], vec!["return_policy".to_owned()])
    );
    let options = |dialect: Dialect, status: Status, seller: &Seller| {
        write::session(dialect, &Session { status, ..Session::default() }, seller).get("marketing_consent_options").cloned()
    };
    let offered = options(V20260417, Status::Ready, &seller()).unwrap();
    assert_eq!((&offered[0]["channel"], &offered[0]["is_subscribed"]), (&json!("email"), &json!(false)));
    assert_eq!(offered[0]["privacy_policy_url"], "https://shop.example/privacy");
    assert_eq!(write::consent_channels(&seller()), ["email"]);
    assert_eq!(options(V20260130, Status::Ready, &seller()), None);
    assert_eq!(options(V20260417, Status::Completed, &seller()), None, "what is paid asks for nothing");
    assert_eq!((options(V20260417, Status::Ready, &oldest), write::consent_channels(&oldest).len()), (None, 0), "no policy, no consent");
    let stuck = Session { messages: troubles(), ..Session::default() };
    assert_eq!(write::session(V20260417, &stuck, &seller())["continue_url"], "https://shop.example");
    assert_eq!(write::session(V20260417, &Session::default(), &seller()).get("continue_url"), None);
}

#[test]
fn tax_that_prices_include_is_told_in_words() {
    let tax = |dialect: Dialect, tax: Tax| {
        let answer = write::session(dialect, &sold(Goods::Physical, tax, false), &seller());
        answer["totals"].as_array().unwrap().iter().find(|total| total["type"] == "tax").unwrap().clone()
    };
    assert_eq!(tax(Stripe, Tax::Included), json!({ "type": "tax", "display_text": "Tax (prices include USD 4.56)", "amount": 0 }));
    assert_eq!(
        tax(V20260417, Tax::Included),
        json!({ "type": "tax", "display_text": "Tax", "amount": 0, "description": "Prices include USD 4.56 (VAT 19%: USD 4.56)" })
    );
    assert_eq!(tax(V20260116, Tax::Included)["description"], "Prices include USD 4.56 (VAT 19%: USD 4.56)");
    assert_eq!(
        tax(V20260130, Tax::Added)["breakdown"],
        json!([
            { "jurisdiction": "IL state tax", "rate": 0.0625, "amount": 188 },
            { "jurisdiction": "County tax", "rate": 0.02, "amount": 47 },
        ])
    );
    assert_eq!(tax(V20260116, Tax::Added), json!({ "type": "tax", "display_text": "Tax", "amount": 235 }));
}

#[test]
fn nobody_is_named_in_the_discovery_document() {
    let document = write::discovery("https://pay.example", "https://pay.example/openapi.json");
    assert_eq!(document["api_base_url"], "https://pay.example");
    assert_eq!(document["protocol"]["version"], "2026-04-17");
    assert_eq!(document["protocol"]["supported_versions"].as_array().unwrap().last(), Some(&json!("2026-04-17")), "the last is the newest");
    assert!(!document.to_string().contains("acct_") && !document.to_string().contains("merchant"));
}

#[test]
fn an_agent_is_told_of_its_order_in_the_words_of_its_version() {
    let all = orders();
    let of = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, order)| order).unwrap();
    for dialect in [V20250929, V20251212, V20260116, V20260130] {
        assert_eq!(
            order::event(dialect, true, of("created")),
            json!({ "type": "order_create", "data": { "type": "order", "checkout_session_id": "checkout_01", "status": "created",
                "refunds": [], "permalink_url": "https://pay.example/orders/ord_1" } })
        );
        let refunded = order::event(dialect, false, of("refunded"));
        assert_eq!((&refunded["type"], &refunded["data"]["status"]), (&json!("order_update"), &json!("fulfilled")));
        let refund = |kind: &str, amount: i64| json!({ "type": kind, "amount": amount });
        let refunds = json!([refund("original_payment", 500), refund("store_credit", 200), refund("original_payment", 50)]);
        assert_eq!(refunded["data"]["refunds"], refunds);
        assert_eq!(order::event(dialect, false, of("shipped"))["data"]["status"], "confirmed");
    }
    assert_eq!(order::event(Stripe, true, of("created"))["type"], "order_created");
    assert_eq!(order::event(Stripe, false, of("created"))["type"], "order_updated");
    assert_eq!(order::event(Stripe, false, of("created"))["data"], order::event(V20250929, false, of("created"))["data"]);

    let event = order::event(V20260417, false, of("shipped"));
    let data = &event["data"];
    without_null(data, "$");
    let quantities = |data: &Value| -> Vec<(Value, String)> {
        let lines = data["line_items"].as_array().unwrap();
        lines.iter().map(|line| (line["quantity"].clone(), line["status"].as_str().unwrap().to_owned())).collect()
    };
    assert_eq!(
        quantities(data),
        [
            (json!({ "ordered": 3, "current": 3, "fulfilled": 2 }), "partial".to_owned()),
            (json!({ "ordered": 1, "current": 1, "fulfilled": 1 }), "fulfilled".to_owned()),
        ]
    );
    assert_eq!(data["order_number"], "1001");
    assert_eq!(data["fulfillments"][0]["destination"]["city"], "Springfield");
    assert_eq!(data["fulfillments"][1]["digital_delivery"]["license_key"], "AAAA-BBBB");
    assert_eq!(data["fulfillments"][1].get("destination"), None);
    let event = order::event(V20260417, false, of("refunded"));
    assert_eq!(amount(&event["data"]["totals"], "amount_refunded"), 500, "only what is completed");
    assert_eq!(amount(&event["data"]["totals"], "total"), of("refunded").totals.total, "the total stays what was charged");
    assert_eq!(
        quantities(&event["data"]),
        [(json!({ "ordered": 3, "current": 2, "fulfilled": 2 }), "fulfilled".to_owned())],
        "one came back"
    );
    assert_eq!(event["data"]["adjustments"][0]["line_items"], json!([{ "id": "li_1", "quantity": 1 }]));
    assert_eq!(event["data"]["adjustments"].as_array().unwrap().len(), 6);
    assert_eq!(
        quantities(&order::event(V20260417, false, of("canceled"))["data"]),
        [(json!({ "ordered": 1, "current": 0, "fulfilled": 0 }), "removed".to_owned())]
    );
    let done = order::event(V20260417, false, of("done"));
    assert!(quantities(&done["data"]).iter().all(|(_, status)| status == "fulfilled"), "shipped, and no deliveries told");
    assert_eq!(quantities(&order::event(V20260417, true, of("created"))["data"])[0].1, "processing");
}

#[test]
fn a_shop_sees_an_order_in_stripes_words() {
    let all = orders();
    let order = order::object(&all[1].1);
    assert_eq!((&order["object"], &order["id"], &order["transaction"]), (&json!("order"), &json!("ord_1"), &json!("cct_1")));
    assert_eq!((&order["order_date"], &order["receipt_number"]), (&json!(CREATED), &json!("1234-5678")));
    assert_eq!(order["card"], json!({ "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030 }));
    let line = &order["line_items"][0];
    assert_eq!(
        (&line["sku"], &line["description"], &line["quantity"], &line["unit_amount"]),
        (&json!("mug-blue"), &json!("Holds 300 ml."), &json!(3), &json!(1000))
    );
    assert_eq!(order["line_items"][1]["description"], "Song", "without words of its own a product has its title");
    // Lines, delivery and fees are what was paid.
    for (name, doc) in &all {
        let order = order::object(doc);
        let lines: i64 = order["line_items"].as_array().unwrap().iter().map(|line| line["amount_total"].as_i64().unwrap()).sum();
        let delivery: i64 =
            order["shipping_options"].as_array().unwrap().iter().map(|option| option["amount_total"].as_i64().unwrap()).sum();
        assert_eq!(lines + delivery + order["amount_fee"].as_i64().unwrap(), order["amount_total"], "{name}");
        for line in order["line_items"].as_array().unwrap() {
            let taxes = line["taxes"].as_array().unwrap();
            let added: i64 = taxes.iter().filter(|tax| tax["inclusive"] == false).map(|tax| tax["amount"].as_i64().unwrap()).sum();
            assert_eq!(line["amount_tax"], added, "{name}");
        }
    }
    assert_eq!(
        line["taxes"],
        json!([
            { "amount": 76, "type": "IL state tax", "rate": 3, "inclusive": false },
            { "amount": 52, "type": "County tax", "rate": 2, "inclusive": false },
            { "amount": 168, "type": "VAT", "rate": 7, "inclusive": true },
        ])
    );
    assert_eq!(
        order["shipping_details"],
        json!({ "name": "Ada at work", "phone": "15551234567", "address": { "line1": "1 Main St", "line2": "Apt 4",
        "city": "Springfield", "state": "IL", "postal_code": "62701", "country": "US", "company": "Engines Ltd" } })
    );
    assert_eq!((&order["billing_details"]["name"], &order["billing_details"]["email"]), (&json!("Ada Byron"), &json!("ada@example.com")));
    // What a shop reads is what it may write.
    assert_eq!(order["fulfillments"][0]["type"], "shipping");
    assert_eq!(order["fulfillments"][0]["estimated_delivery"], json!({ "earliest": null, "latest": CREATED + 500 }));
    assert_eq!(order["fulfillments"][0]["events"][0]["type"], "shipped");
    assert_eq!(order::object(&all[3].1)["billing_details"], Value::Null);
}

/// A document is read back from the table as it was written, whatever is in it.
#[test]
fn documents_survive_the_table() {
    use cognitivecart_worker::record::Json;
    for (name, session, _) in many() {
        assert_eq!(Session::stored(&session.json().to_string()).unwrap(), session, "{name}");
    }
    for (name, order) in orders() {
        assert_eq!(OrderDoc::stored(&order.json().to_string()).unwrap(), order, "{name}");
    }
}

/// One rich checkout, word by word, in each dialect. `ACP_GOLDEN=write` writes the files anew.
#[test]
fn golden_answers() {
    let mut session = sold(Goods::Mixed, Tax::Both, true);
    session.buyer = buyers()[1].clone();
    session.contact = Some(Contact { name: text("Ada at work"), phone_number: text("15551234567"), email: text("work@example.com") });
    session.capabilities = json!({ "interventions": { "supported": ["3ds"] }, "extensions": ["discount"] });
    (session.locale, session.order_notes) = (text("en-US"), text("Ring twice."));
    session.status = Status::Completed;
    session.order = Some(OrderRef {
        id: "ord_1".to_owned(),
        number: text("1001"),
        permalink_url: "https://shop.example/o/1001".to_owned(),
        status: "created".to_owned(),
    });
    let all = orders();
    for dialect in ALL {
        let answer = json!({
            "checkout": write::completed(dialect, &session, &seller()),
            "event": order::event(dialect, false, &all[1].1),
            "problem": problem::body(dialect, &read::create(dialect, &json!({ "items": [{ "id": "mug", "quantity": 0 }] })).unwrap_err()).1,
        });
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/native/golden/acp-{}.json", dialect.name()));
        let text = serde_json::to_string_pretty(&answer).unwrap() + "\n";
        if std::env::var("ACP_GOLDEN").is_ok_and(|word| word == "write") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        assert!(kept.replace("\r\n", "\n") == text, "{} is not what is answered now:\n{text}", path.display());
    }
}

/// Writes what tests/acp/schemas.test.mjs validates: `acp-samples/{dialect}/{kind}.{name}.json` in cargo's target folder.
#[test]
fn samples_for_the_official_schemas() {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("acp-samples");
    drop(std::fs::remove_dir_all(&home));
    let put = |dialect: Dialect, kind: &str, name: &str, value: &Value| {
        let folder = home.join(dialect.name());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{kind}.{name}.json")), value.to_string()).unwrap();
    };
    let problems = [
        problem::missing_version(),
        problem::unsupported_version("2024-01-01"),
        Problem::fault("x"),
        Problem::rate_limited(),
        Problem::stripe_unavailable("Later."),
        Problem::request(409, "idempotency_conflict", "No.").at("$.fulfillment_details.address"),
    ];
    for dialect in ALL {
        for (name, session, seller) in many() {
            put(dialect, "session", &name, &write::session(dialect, &session, &seller));
            if session.order.is_some() {
                put(dialect, "completed", &name, &write::completed(dialect, &session, &seller));
            }
            if dialect == V20260417 {
                put(dialect, "cart", &name, &write::cart(&session, &seller));
            }
        }
        for (place, problem) in problems.iter().enumerate() {
            put(dialect, "error", &place.to_string(), &problem::body(dialect, problem).1);
        }
        for (name, order) in orders() {
            put(dialect, "event", name, &order::event(dialect, name == "created", &order));
        }
        for (name, body) in [("create", super::acp_read::full_create(dialect)), ("complete", super::acp_read::full_complete(dialect))] {
            put(dialect, "request", name, &body);
        }
    }
    put(V20260417, "discovery", "all", &write::discovery("https://pay.example", "https://pay.example/openapi.json"));
}
