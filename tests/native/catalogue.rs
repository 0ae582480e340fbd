//! A catalogue on its way in: bytes to rows, rows to products.

use cognitivecart_worker::feed::{Cells, Feed, Format, Row};
use cognitivecart_worker::money::{Amount, Currency};
use cognitivecart_worker::product::{self, Fault, Product, Rules};
use cognitivecart_worker::text::{civil_day, percent_decoded};
use cognitivecart_worker::weburl::fill_order;
use serde_json::{Map, Value, json};

const RULES: Rules = Rules { allow_local: false };

/// The rows of a file that comes in pieces of some bytes each.
fn rows(format: Format, file: &[u8], length: usize) -> Result<(Vec<String>, Vec<Row>), String> {
    let (mut feed, mut rows) = (Feed::new(format), Vec::new());
    for piece in file.chunks(length) {
        feed.push(piece, &mut rows).map_err(|problem| format!("{} {}: {}", problem.status, problem.code, problem.message))?;
    }
    feed.finish(&mut rows).map_err(|problem| format!("{} {}: {}", problem.status, problem.code, problem.message))?;
    Ok((feed.header().to_vec(), rows))
}

/// Cut at every place there is: the same rows each time.
fn table(format: Format, file: &str) -> Vec<Vec<String>> {
    let (_, whole) = rows(format, file.as_bytes(), usize::MAX).unwrap();
    for cut in 1..=file.len() {
        let (mut feed, mut found) = (Feed::new(format), Vec::new());
        for piece in [&file.as_bytes()[..cut], &file.as_bytes()[cut..]] {
            feed.push(piece, &mut found).unwrap();
        }
        feed.finish(&mut found).unwrap();
        assert_eq!(found, whole, "cut at {cut}");
    }
    assert_eq!(rows(format, file.as_bytes(), 1).unwrap().1, whole);
    whole.into_iter().map(|row| if let Ok(Cells::Table(texts)) = row.cells { texts } else { panic!("{row:?}") }).collect()
}

#[test]
fn csv_wherever_it_is_cut() {
    let file = "\u{feff}ID, Title ,price\r\n1,\"Käse, \"\"alt\"\"\r\nund rund\",2\r\n\r\n2,Öl 🫒,\r\n,,\r\n3,\"\",\"4\"";
    assert_eq!(rows(Format::Csv, file.as_bytes(), 1).unwrap().0, ["id", "title", "price"]);
    assert_eq!(table(Format::Csv, file), [vec!["1", "Käse, \"alt\"\r\nund rund", "2"], vec!["2", "Öl 🫒", ""], vec!["3", "", "4"]]);
    // Lines may end in any of three ways, and spreadsheets leave out empty cells at the end.
    for end in ["\n", "\r\n", "\r"] {
        assert_eq!(table(Format::Csv, &["id,a,b", "1,x,y", "2", ""].join(end)), [vec!["1", "x", "y"], vec!["2"]]);
    }
    assert_eq!(table(Format::Tsv, "id\ta\n1\tx, \"y\"\n2\t\"a\tb\"\n"), [["1", "x, \"y\""], ["2", "a\tb"]]);
    assert_eq!(table(Format::Csv, ""), Vec::<Vec<String>>::new());
}

#[test]
fn a_bad_row_is_a_bad_row() {
    let wrong = |file: &[u8]| {
        let (_, rows) = rows(Format::Csv, file, 3).unwrap();
        rows.into_iter().map(|row| (row.number, row.cells.map(|_| ()))).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong(b"id,a\n1,\"x\"y,\"\n2,b\n3,b,c\n4,\xfc\n5,b\n"),
        [
            (1, Err("has text behind a quoted cell: quotes within quotes are doubled")),
            (2, Ok(())),
            (3, Err("has more cells than the header")),
            (4, Err("is not UTF-8")),
            (5, Ok(()))
        ]
    );
    let (_, lines) = rows(Format::Ndjson, b"{\"id\":1}\n\n[1]\n{\"a\":\n \r\n\"\xfc\"\n{}", 2).unwrap();
    let lines: Vec<_> = lines.into_iter().map(|row| (row.number, row.cells.map(|_| ()))).collect();
    assert_eq!(lines, [(1, Ok(())), (2, Err("is no JSON object")), (3, Err("is no valid JSON")), (4, Err("is not UTF-8")), (5, Ok(()))]);
}

#[test]
fn where_the_damage_has_no_end_the_file_is_refused() {
    let refused = |format, file: &str, begins: &str| {
        for length in [1, 1000, usize::MAX] {
            let why = rows(format, file.as_bytes(), length).unwrap_err();
            assert!(why.starts_with(begins), "{why}");
        }
    };
    // An open quote swallows all that follows: a replacement would lose it.
    refused(Format::Csv, "id,a\n1,b\n2,\"c\n3,d\n", "422 catalogue_malformed: Row 2 ends within a quoted cell");
    refused(Format::Csv, &format!("id,a\n1,\"{}", "x".repeat(200_000)), "422 catalogue_malformed: Row 1 has more than 131072 bytes");
    refused(
        Format::Ndjson,
        &format!("[{}]", "{\"id\":1},".repeat(20_000)),
        "422 catalogue_malformed: Row 1 has more than 131072 bytes: send one object a line",
    );
    refused(Format::Csv, "\u{0}", "422 catalogue_header_invalid");
    refused(Format::Csv, "sku,title\n1,2\n", "422 catalogue_header_invalid: The header has no column id; it reads: sku, title.");
    refused(Format::Csv, "id,Price,price\n", "422 catalogue_header_invalid: The header names the column price twice.");
    refused(Format::Csv, &format!("id{}\n", ",x".repeat(201)), "422 catalogue_malformed: Row 1 has more than 200 cells");
    assert!(rows(Format::Csv, b"\xff\xfei\0d\0", 1).unwrap_err().contains("UTF-16"));
}

#[test]
fn media_types() {
    assert_eq!(Format::of("text/csv"), Some(Format::Csv));
    assert_eq!(Format::of("TEXT/CSV; header=present; Charset=\"UTF-8\""), Some(Format::Csv));
    assert_eq!(Format::of("text/tab-separated-values"), Some(Format::Tsv));
    assert_eq!(Format::of("application/x-ndjson"), Some(Format::Ndjson));
    for other in ["", "text/csv; charset=windows-1252", "application/json", "text/plain", "csv"] {
        assert_eq!(Format::of(other), None, "{other}");
    }
}

fn cells(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { panic!("no object") }
}

/// A row that is good, with some cells changed.
fn row(more: Value) -> Result<Product, Vec<Fault>> {
    let mut all = cells(json!({ "id": "mug", "title": "Mug", "price": "12.30 USD", "availability": "in_stock" }));
    for (name, value) in cells(more) {
        all.insert(name, value);
    }
    product::read(all, RULES)
}

fn faults(more: Value) -> Vec<(String, &'static str)> {
    row(more).map(|_| ()).unwrap_err().into_iter().map(|fault| (fault.field, fault.code)).collect()
}

#[test]
fn prices_are_read_digit_by_digit() {
    let price = |text: &str| {
        row(json!({ "price": text })).map(|product| (product.row.price, product.row.currency)).map_err(|f| (f[0].code, f[0].what.clone()))
    };
    for (text, minor, currency) in [
        ("12.30 USD", 1230, "usd"),
        ("12.3 usd", 1230, "usd"),
        ("12 EUR", 1200, "eur"),
        ("0 USD", 0, "usd"),
        ("0.01 USD", 1, "usd"),
        ("500 JPY", 500, "jpy"),
        ("500 ISK", 50_000, "isk"),
        ("500.00 ISK", 50_000, "isk"),
        ("500 UGX", 50_000, "ugx"),
        ("1.230 KWD", 1230, "kwd"),
        ("1.2 KWD", 1200, "kwd"),
        ("9007199254.99 USD", 900_719_925_499, "usd"),
        ("0.29 USD", 29, "usd"),
        ("1234.50 HUF", 123_450, "huf"),
        (" 12.30   USD ", 1230, "usd"),
    ] {
        assert_eq!(price(text), Ok((minor, currency.to_owned())), "{text}");
    }
    for (text, why) in [
        ("12.345 USD", "has more decimals than its currency"),
        ("12.300 USD", "has more decimals than its currency"),
        ("500.0 JPY", "has more decimals than its currency"),
        ("1.2345 KWD", "has more decimals than its currency"),
        ("1.234 KWD", "is not a multiple of the smallest amount of its currency"),
        ("500.50 ISK", "is not a multiple of the smallest amount of its currency"),
        ("12,30 USD", "must be digits with a decimal point, as in 12.30 USD"),
        ("1e3 USD", "must be digits with a decimal point, as in 12.30 USD"),
        ("-1 USD", "must be digits with a decimal point, as in 12.30 USD"),
        (".5 USD", "must be digits with a decimal point, as in 12.30 USD"),
        ("5. USD", "must be digits with a decimal point, as in 12.30 USD"),
        ("99999999999 USD", "is more than Stripe charges"),
        ("99999999999999999999999 USD", "is more than Stripe charges"),
        ("12.30", "must be an amount and a currency, as in 12.30 USD"),
        ("12.30USD", "must be an amount and a currency, as in 12.30 USD"),
    ] {
        assert_eq!(price(text), Err(("price_invalid", why.to_owned())), "{text}");
    }
    assert_eq!(price("12.30 XYZ").unwrap_err().0, "currency_unsupported");
    let minor = |amount: Value, currency: &str| {
        row(json!({ "price": { "amount": amount, "currency": currency } })).map(|p| p.row.price).map_err(|f| f[0].code)
    };
    assert_eq!(minor(json!(1230), "usd"), Ok(1230));
    assert_eq!(minor(json!(50_000), "isk"), Ok(50_000));
    for (amount, currency) in [
        (json!(12.5), "usd"),
        (json!(-1), "usd"),
        (json!("12"), "usd"),
        (json!(1), "xyz"),
        (json!(50_050), "isk"),
        (json!(1_000_000_000_000_i64), "usd"),
    ] {
        assert_eq!(minor(amount, currency), Err("price_invalid"), "{currency}");
    }
    // As it is written again.
    for (code, minor, text) in
        [("usd", 1230, "12.30"), ("jpy", 500, "500"), ("isk", 50_000, "500"), ("kwd", 1230, "1.230"), ("usd", 5, "0.05")]
    {
        assert_eq!(Currency::parse(code).unwrap().decimal(Amount::new(minor).unwrap()), text);
    }
}

#[test]
fn each_fault_names_its_column() {
    let missing = product::read(cells(json!({ "title": " ", "price": "", "color": "red" })), RULES).unwrap_err();
    let missing: Vec<_> = missing.iter().map(|fault| (fault.field.as_str(), fault.code, fault.message())).collect();
    assert_eq!(
        missing,
        [
            ("id", "parameter_missing", "id is missing.".to_owned()),
            ("title", "parameter_missing", "title is missing.".to_owned()),
            ("availability", "parameter_missing", "availability is missing.".to_owned()),
            ("price", "parameter_missing", "price is missing.".to_owned()),
        ]
    );
    for (column, value, code) in [
        ("id", json!("x".repeat(101)), "parameter_invalid"),
        ("id", json!("a\u{0}b"), "parameter_invalid"),
        ("title", json!("x".repeat(151)), "parameter_invalid"),
        ("title", json!(["x"]), "parameter_invalid_string"),
        ("availability", json!("sold"), "parameter_invalid"),
        ("link", json!("http://shop.example/"), "url_invalid"),
        ("link", json!("shop.example"), "url_invalid"),
        ("image_link", json!("javascript:alert(1)"), "url_invalid"),
        ("video_link", json!("ftp://x.example/"), "url_invalid"),
        ("additional_image_link", json!("https://a.example/1,x"), "url_invalid"),
        ("additional_image_link", json!(vec!["https://a.example/1"; 11]), "parameter_invalid"),
        ("inventory_quantity", json!(-1), "parameter_invalid_integer"),
        ("inventory_quantity", json!("1.5"), "parameter_invalid_integer"),
        ("inventory_quantity", json!(2_000_000_000), "parameter_invalid_integer"),
        ("inventory_not_tracked", json!("maybe"), "parameter_invalid"),
        ("is_digital", json!("maybe"), "parameter_invalid"),
        ("stripe_product_tax_code", json!("txcd_1"), "parameter_invalid"),
        ("tax_behavior", json!("included"), "parameter_invalid"),
        ("condition", json!("broken"), "parameter_invalid"),
        ("sale_price", json!("13 USD"), "price_invalid"),
        ("sale_price", json!("1 EUR"), "price_invalid"),
        ("sale_price_effective_date", json!("2026-07-01"), "parameter_invalid"),
        ("sale_price_effective_date", json!("2026-02-30/2026-03-01"), "parameter_invalid"),
        ("sale_price_effective_date", json!("2026-07-02/2026-07-01"), "parameter_invalid"),
        ("availability_date", json!("soon"), "parameter_invalid"),
        ("brand", json!("x".repeat(71)), "parameter_invalid"),
        ("shelf", json!("x".repeat(5001)), "parameter_invalid"),
    ] {
        assert_eq!(faults(json!({ column: value })), [(column.to_owned(), code)], "{column}");
    }
}

#[test]
fn what_a_row_says() {
    let product = row(json!({
        "availability": "In Stock", "inventory_quantity": "7", "sale_price": "10.00 USD", "sale_price_effective_date": "2026-07-01/2026-07-31",
        "additional_image_link": "https://a.example/1.jpg , https://a.example/2.jpg", "gtin": 4_006_381_333_931_i64, "is_digital": "yes",
        "color": " blue ", "shelf": "B4", "": "nothing", "weird": { "a": [1] }, "empty": "", "object": "x",
    }))
    .unwrap();
    let of = &product.row;
    assert!(product.stock_given && !product.deleted);
    assert_eq!(
        (of.availability.as_str(), of.inventory_quantity, of.digital, of.gtin.as_deref()),
        ("in_stock", Some(7), 1, Some("4006381333931"))
    );
    assert_eq!(of.additional_image_link.as_deref(), Some("https://a.example/1.jpg,https://a.example/2.jpg"));
    // The last day is meant as a whole.
    assert_eq!((of.sale_from, of.sale_until), (Some(1_782_864_000), Some(1_785_542_400)));
    assert_eq!([1_782_863_999, 1_782_864_000, 1_785_542_399, 1_785_542_400].map(|now| of.price_at(now)), [1230, 1000, 1000, 1230]);
    assert_eq!(serde_json::from_str::<Value>(&of.extra).unwrap(), json!({ "color": "blue", "shelf": "B4", "weird": "{\"a\":[1]}" }));
    let object = of.object(1_782_864_000);
    assert_eq!(
        (&object["price"], &object["sale_price"], &object["unit_amount"], &object["color"]),
        (&json!("12.30 USD"), &json!("10.00 USD"), &json!(1000), &json!("blue"))
    );
    assert_eq!(object["extra"], json!({ "shelf": "B4", "weird": "{\"a\":[1]}" }));
    assert!(object.get("brand").is_none());
    // Not said, or said not to be: not tracked.
    assert_eq!((row(json!({})).unwrap().row.inventory_quantity, row(json!({})).unwrap().stock_given), (None, false));
    let untracked = row(json!({ "inventory_quantity": 7, "inventory_not_tracked": true })).unwrap();
    assert_eq!((untracked.row.inventory_quantity, untracked.stock_given), (None, true));
    // Of a row that takes a product out nothing else is read.
    let gone = product::read(cells(json!({ "id": "mug", "delete": "TRUE", "price": "?" })), RULES).unwrap();
    assert!(gone.deleted && gone.row.id == "mug");
    assert!(product::read(cells(json!({ "delete": true })), RULES).is_err());
    // On a developer's machine only.
    let local =
        || cells(json!({ "id": "a", "title": "A", "price": "1 USD", "availability": "in_stock", "link": "http://localhost:8789/p" }));
    assert!(product::read(local(), RULES).is_err() && product::read(local(), Rules { allow_local: true }).is_ok());
}

#[test]
fn moments_with_offsets() {
    let span =
        |text: &str| row(json!({ "sale_price_effective_date": text })).map(|p| (p.row.sale_from.unwrap(), p.row.sale_until.unwrap())).ok();
    assert_eq!(span("2026-07-01T08:00-0700/2026-07-01T15:00:30Z"), Some((1_782_918_000, 1_782_918_031)));
    assert_eq!(span("2026-07-01T00:00:00.000+05:30/2026-07-01 00:00"), Some((1_782_844_200, 1_782_864_001)));
    for wrong in [
        "2026-07-01T25:00Z/2026-07-02",
        "2026-7-1/2026-07-02",
        "2026-07-01T08/2026-07-02",
        "2026-07-01T08:00+7:/2026-07-02",
        "/",
        "a/b",
        "2026-07-01T08:00:00:00Z/2026-07-02",
    ] {
        assert_eq!(span(wrong), None, "{wrong}");
    }
    for (date, day) in [
        ((1970, 1, 1), 0),
        ((1972, 2, 29), 789),
        ((2000, 2, 29), 11_016),
        ((2000, 3, 1), 11_017),
        ((2026, 7, 1), 20_635),
        ((2100, 2, 28), 47_540),
        ((2100, 3, 1), 47_541),
    ] {
        assert_eq!(civil_day(date.0, date.1, date.2), Some(day), "{date:?}");
    }
    for (year, month, day) in [(2100, 2, 29), (2026, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0)] {
        assert_eq!(civil_day(year, month, day), None);
    }
}

#[test]
fn words_by_which_it_is_found() {
    assert_eq!(
        product::words(&["SKU-12/b", "Blue MUGS, big (glass) ÜBER 2x", "Mug's"]),
        ["sku", "12", "b", "blue", "mug", "big", "glass", "über", "2x", "s"]
    );
    assert_eq!(product::words(&["?!", ""]), Vec::<String>::new());
    assert_eq!(product::words(&["ΠΊΝΑΚΑΣ"]), product::words(&["πίνακας"]));
    assert_eq!(product::words(&[&"a1 b2 ".repeat(50)]), ["a1", "b2"]);
    assert!(product::words(&[&(0..99).map(|n| format!("w{n} ")).collect::<String>()]).len() <= 32);
}

#[test]
fn a_single_product_knows_its_columns() {
    let one = |body: Value| {
        product::read_one(&body, "mug/1", RULES)
            .map(|p| p.row.id)
            .map_err(|p| (p.status, p.code.to_string(), p.param.clone().unwrap_or_default()))
    };
    let good = json!({ "title": "Mug", "price": "1 USD", "availability": "in_stock" });
    let with = |more: Value| {
        let mut all = cells(good.clone());
        all.extend(cells(more));
        Value::Object(all)
    };
    assert_eq!(one(good.clone()), Ok("mug/1".to_owned()));
    assert_eq!(
        one(with(json!({ "id": "mug/1", "color": "red", "extra": { "shelf": "B4" }, "unit_amount": 5, "updated": 1, "brand": null }))),
        Ok("mug/1".to_owned())
    );
    for (body, status, code, param) in [
        (with(json!({ "shelf": "B4" })), 400, "parameter_unknown", "shelf"),
        (with(json!({ "delete": true })), 400, "parameter_unknown", "delete"),
        (with(json!({ "extra": { "color": "red" } })), 400, "parameter_unknown", "extra[color]"),
        (with(json!({ "extra": [] })), 400, "parameter_invalid_object", "extra"),
        (with(json!({ "title": null })), 400, "parameter_missing", "title"),
        (with(json!({ "title": {} })), 400, "parameter_invalid_string", "title"),
        (with(json!({ "id": "other" })), 422, "parameter_invalid", "id"),
        (with(json!({ "price": "1.234 USD" })), 422, "price_invalid", "price"),
        (json!([]), 400, "json_invalid", ""),
    ] {
        assert_eq!(one(body), Err((status, code.to_owned(), param.to_owned())));
    }
}

#[test]
fn what_can_be_sold() {
    let stock = |more: Value, held: i64| {
        let mut row = row(more).unwrap().row;
        row.held = held;
        row.sellable()
    };
    assert_eq!(stock(json!({}), 9), None);
    assert_eq!(stock(json!({ "inventory_quantity": 7 }), 3), Some(4));
    assert_eq!(stock(json!({ "inventory_quantity": 7 }), 9), Some(0));
    assert_eq!(stock(json!({ "inventory_quantity": 7, "availability": "out_of_stock" }), 0), Some(0));
    assert_eq!(stock(json!({ "inventory_quantity": 0, "availability": "backorder" }), 0), None);
    assert_eq!(stock(json!({ "inventory_quantity": 0, "availability": "preorder" }), 0), None);
    assert_eq!(stock(json!({ "disable_checkout": true }), 0), Some(0));
}

#[test]
fn segments_and_templates() {
    assert_eq!(percent_decoded("a%20b%2Fc%C3%BC+").as_deref(), Some("a b/cü+"));
    for wrong in ["%", "%2", "%zz", "%+1", "%ff"] {
        assert_eq!(percent_decoded(wrong), None, "{wrong}");
    }
    assert_eq!(
        fill_order("https://s.example/{ORDER}?o={ORDER_ID}", "ord_1", Some("a/b ?")).as_deref(),
        Some("https://s.example/ord_1?o=a%2Fb%20%3F")
    );
    assert_eq!(fill_order("https://s.example/{ORDER_ID}", "ord_1", None), None);
    assert_eq!(fill_order("https://s.example/{ORDER}", "ord_1", None).as_deref(), Some("https://s.example/ord_1"));
    // An id of the shop's is no way out of its place, and a dot does not become a segment.
    assert_eq!(fill_order("https://s.example/o/{ORDER_ID}", "ord_1", Some("..")).as_deref(), Some("https://s.example/o/%2E%2E"));
}
