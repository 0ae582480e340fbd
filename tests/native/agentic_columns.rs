//! A catalogue on its way to Stripe: rows checked and written, a shop's own file let through, Stripe's answers read.

use cognitivecart_worker::agentic::columns::{self, Bad, ErrorFile, FeedType, Header, OnError, Sieve};
use cognitivecart_worker::feed::Format;
use cognitivecart_worker::product::{self, ProductRow, Rules};
use cognitivecart_worker::record::Record;
use cognitivecart_worker::stripe::import::{self, ErrorsAt, Import, ImportSet};
use serde_json::{Value, json};

const RULES: Rules = Rules { allow_local: false };

fn product(more: Value) -> ProductRow {
    let mut cells = json!({"id": "mug", "title": "Mug", "description": "A mug", "link": "https://s.example/mug", "image_link": "https://s.example/mug.jpg",
        "price": "12.30 USD", "availability": "in_stock", "inventory_quantity": "7"});
    for (name, value) in more.as_object().unwrap() {
        cells[name] = value.clone();
    }
    product::read(cells.as_object().unwrap().clone(), RULES).unwrap().row
}

fn texts(row: &ProductRow, kind: FeedType) -> Vec<(String, String)> {
    columns::product_cells(row, kind).into_iter().map(|(name, text)| (name.into_owned(), text.into_owned())).collect()
}

fn wrong(more: Value) -> Vec<(String, &'static str)> {
    let row = product(more);
    columns::faults(&columns::product_cells(&row, FeedType::Product), FeedType::Product)
        .into_iter()
        .map(|fault| (fault.field, fault.code))
        .collect()
}

#[test]
fn a_product_in_each_feed() {
    let row = product(
        json!({"sale_price": "9 USD", "brand": "Acme", "shelf": "B4", "is_digital": true, "stripe_product_tax_code": "txcd_99999999"}),
    );
    let named = |kind| texts(&row, kind).iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" ");
    assert_eq!(
        named(FeedType::Product),
        "id=mug title=Mug description=A mug link=https://s.example/mug image_link=https://s.example/mug.jpg price=12.30 USD \
         sale_price=9.00 USD availability=in_stock inventory_quantity=7 stripe_product_tax_code=txcd_99999999 brand=Acme shelf=B4"
    );
    assert_eq!(named(FeedType::Inventory), "id=mug availability=in_stock inventory_quantity=7");
    assert_eq!(named(FeedType::Pricing), "id=mug price=12.30 USD sale_price=9.00 USD");
    // What is not counted says so, and what is gone cannot be had.
    let free = product(json!({"inventory_quantity": ""}));
    assert!(texts(&free, FeedType::Inventory).contains(&("inventory_not_tracked".into(), "true".into())));
    assert_eq!(
        columns::gone_cells("mug")[1..],
        [("availability".into(), "out_of_stock".into()), ("inventory_quantity".into(), "0".into())]
    );
    // Amounts as the currency has them.
    for (price, written) in [("500 JPY", "500 JPY"), ("1.230 KWD", "1.230 KWD"), ("500 ISK", "500 ISK")] {
        assert!(texts(&product(json!({"price": price})), FeedType::Pricing).contains(&("price".into(), written.into())), "{price}");
    }
}

#[test]
fn what_stripe_wants_of_every_product_and_the_worker_does_not() {
    assert_eq!(wrong(json!({})), []);
    for name in ["description", "link", "image_link"] {
        assert_eq!(wrong(json!({name: ""})), [(name.to_owned(), "parameter_missing")]);
    }
    assert_eq!(wrong(json!({"availability": "preorder"})), [("availability_date".to_owned(), "parameter_missing")]);
    assert_eq!(wrong(json!({"availability": "preorder", "availability_date": "2027-01-01"})), []);
}

#[test]
fn each_column_that_has_words_a_length_or_a_range() {
    let good = json!({"color": "c".repeat(100), "material": "m".repeat(100), "size": "s".repeat(20), "age_group": "kids", "gender": "unisex",
        "shipping_cost_basis": "per_item", "popularity_score": "4.5", "return_rate": "0", "product_review_rating": "5", "product_review_count": "12",
        "expiration_date": "2027-01-01"});
    assert_eq!(wrong(good), []);
    for (name, bad) in [
        ("color", "c".repeat(101)),
        ("material", "m".repeat(101)),
        ("size", "s".repeat(21)),
        ("age_group", "old".into()),
        ("gender", "none".into()),
        ("shipping_cost_basis", "by_weight".into()),
        ("popularity_score", "5.1".into()),
        ("popularity_score", "NaN".into()),
        ("return_rate", "-1".into()),
        ("product_review_rating", "0".into()),
        ("product_review_count", "many".into()),
        ("expiration_date", "soon".into()),
    ] {
        let found = wrong(json!({name: bad}));
        assert_eq!(found.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn what_is_written_is_read_again_and_as_long_as_it_was_counted() {
    let rows = [
        product(json!({"title": "Mug, \"big\"", "description": "two\nlines", "note": "ü"})),
        product(json!({"id": "b", "brand": "=Acme"})),
    ];
    let mut header = Header::default();
    let (mut text, mut counted) = (String::new(), 0);
    for row in &rows {
        let cells = columns::product_cells(row, FeedType::Product);
        header.add(&cells);
        counted += cells.iter().map(|(_, text)| columns::cell_length(text)).sum::<usize>();
    }
    text.push_str(&header.line());
    for row in &rows {
        columns::write_line(&mut text, &header.0, &columns::product_cells(row, FeedType::Product));
    }
    assert_eq!(text.len(), header.line().len() + counted + rows.len() * header.0.len());
    // Nothing is defused: Stripe takes it as it stands.
    assert!(text.contains(",=Acme") && text.contains("\"Mug, \"\"big\"\"\""));
    let (out, bad) = sieve(FeedType::Product, OnError::Skip, text.as_bytes(), 7).unwrap();
    assert_eq!((String::from_utf8(out).unwrap(), bad), (text, vec![]));
}

/// A file in pieces through the sieve: what goes out, and what does not.
fn sieve(kind: FeedType, on_error: OnError, file: &[u8], length: usize) -> Result<(Vec<u8>, Vec<Bad>), String> {
    let mut sieve = Sieve::new(Format::Csv, kind, on_error, RULES);
    let (mut out, mut bad) = (Vec::new(), Vec::new());
    let told = |problem: cognitivecart_worker::error::Problem| format!("{} {}", problem.code, problem.message);
    for piece in file.chunks(length) {
        sieve.push(piece, &mut out, &mut bad).map_err(told)?;
    }
    sieve.finish(&mut out, &mut bad).map_err(told)?;
    Ok((out, bad))
}

const HEADER: &str = "\u{feff}ID,Title,description,link,image_link,price,availability,shelf\r\n";
const GOOD: &str = "1,\"Käse, \"\"alt\"\"\",T,https://s.example/1,https://s.example/1.jpg,5 USD,in_stock,=B4\r\n";
const BAD: &str = "2,No price,T,https://s.example/2,https://s.example/2.jpg,cheap,in_stock,x\r\n";
const LAST: &str = "3,c,T,https://s.example/3,https://s.example/3.jpg,7 EUR,preorder,";

#[test]
fn bad_rows_are_left_out_and_the_others_pass_byte_for_byte_wherever_the_file_is_cut() {
    let file = [HEADER, GOOD, "\r\n", BAD, GOOD.replace('1', "9").as_str(), LAST].concat();
    let expected = [HEADER, GOOD, GOOD.replace('1', "9").as_str()].concat();
    for length in [1, 2, 3, 10, 64, 10_000] {
        let (out, bad) = sieve(FeedType::Product, OnError::Skip, file.as_bytes(), length).unwrap();
        // An empty line that stood before a row that is left out goes with it.
        assert_eq!(String::from_utf8(out).unwrap(), expected, "pieces of {length}");
        let told: Vec<_> = bad.iter().map(|bad| (bad.row, bad.id.as_deref().unwrap(), bad.faults[0].field.as_str())).collect();
        assert_eq!(told, [(2, "2", "price"), (4, "3", "availability_date")], "pieces of {length}");
    }
    let (_, bad) = sieve(FeedType::Product, OnError::Skip, file.as_bytes(), 64).unwrap();
    assert_eq!(bad[0].objects()[0]["message"], "price must be an amount and a currency, as in 12.30 USD.");
    let kept: Value = serde_json::from_str(&bad[0].kept()).unwrap();
    assert_eq!(
        kept,
        json!([
            "price must be an amount and a currency, as in 12.30 USD.",
            "2",
            "No price",
            "T",
            "https://s.example/2",
            "https://s.example/2.jpg",
            "cheap",
            "in_stock",
            "x"
        ])
    );
}

#[test]
fn a_file_that_is_passed_on_is_not_touched_behind_its_header() {
    let file = [HEADER, BAD, "an \"open quote, and \u{fffd}\n"].concat();
    for length in [1, 5, 1000] {
        assert_eq!(sieve(FeedType::Product, OnError::Pass, file.as_bytes(), length).unwrap(), (file.clone().into_bytes(), vec![]));
    }
    assert!(
        sieve(FeedType::Product, OnError::Skip, b"id,title,description,link,image_link,price,availability\n1,\"open", 9)
            .unwrap_err()
            .starts_with("catalogue_malformed")
    );
}

#[test]
fn headers() {
    let told = |kind, header: &str| sieve(kind, OnError::Pass, header.as_bytes(), 1000).err().unwrap_or_default();
    assert_eq!(
        told(FeedType::Product, "id,title,price\n"),
        "catalogue_header_invalid The header has no columns description, link, image_link, availability (feed_type product). Nothing was sent."
    );
    assert!(told(FeedType::Product, "title,price\n").contains("no column id"));
    assert_eq!(told(FeedType::Product, "id,delete\n1,true\n"), "");
    assert_eq!(told(FeedType::Inventory, "id,inventory_quantity,warehouse\n"), "");
    assert!(told(FeedType::Inventory, "id,stock\n").contains("no column inventory_quantity"));
    assert!(told(FeedType::Pricing, "id\n").contains("no column price"));
    assert_eq!(told(FeedType::Promotion, "promotion_id,long_title\n"), "");
    assert!(told(FeedType::Product, "").starts_with("catalogue_header_invalid"));
    assert!(told(FeedType::Product, "id,id\n").contains("twice"));
}

#[test]
fn rows_of_stock_and_prices() {
    let rows = |kind, file: &str| {
        let (_, bad) = sieve(kind, OnError::Skip, file.as_bytes(), 6).unwrap();
        bad.iter()
            .map(|bad| format!("{} {}", bad.row, bad.faults.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>().join("+")))
            .collect::<Vec<_>>()
    };
    let stock = "id,availability,inventory_quantity,inventory_not_tracked\na,in_stock,5,\n,,1,\nb,maybe,1,\nc,in_stock,-1,\nd,in_stock,,\ne,in_stock,,true\n";
    assert_eq!(rows(FeedType::Inventory, stock), ["2 id", "3 availability", "4 inventory_quantity", "5 inventory_quantity"]);
    assert_eq!(
        rows(FeedType::Pricing, "id,price,sale_price\na,5 USD,\nb,,\nc,5 USD,x\nd,5 xyz,4 USD\n"),
        ["2 price", "3 sale_price", "4 price"]
    );
    assert_eq!(rows(FeedType::Promotion, "promotion_id,x\n1,\n"), Vec::<String>::new());
    assert_eq!(
        rows(FeedType::Product, "id,delete\na,true\nb,perhaps\n"),
        ["2 delete+title+availability+price+description+link+image_link"]
    );
}

#[test]
fn stripes_refused_rows_come_under_the_columns_that_were_sent() {
    for length in [1, 9, 1000] {
        let mut file = ErrorFile::new(Format::Csv, vec!["id".into(), "title".into(), "price".into()]);
        let mut kept = Vec::new();
        for piece in b"price,stripe_error_message,id,line\ncheap,\"Bad, \"\"very\"\"\",a,7\n,No price,b,8\n".chunks(length) {
            file.push(Some(piece), &mut kept).unwrap();
        }
        file.push(None, &mut kept).unwrap();
        assert_eq!(file.columns, ["id", "title", "price", "line"]);
        assert_eq!(kept, [r#"["Bad, \"very\"","a","","cheap","7"]"#, r#"["No price","b","","","8"]"#]);
    }
}

fn v2(status: &str, details: Value) -> Import {
    let object = json!({"id": "pcimprt_1", "object": "v2.commerce.product_catalog_import", "created": "2026-11-28T00:00:00Z", "feed_type": "product",
        "livemode": false, "metadata": {}, "mode": "upsert", "status": status, "status_details": {status: details}});
    Import::from_value(object).unwrap()
}

#[test]
fn what_stripe_says_of_an_import() {
    let waiting =
        v2("awaiting_upload", json!({"upload_url": {"url": "https://stripeusercontent.com/f", "expires_at": "2026-11-28T00:15:00.000Z"}}));
    assert_eq!(waiting.state().unwrap().upload, Some(("https://stripeusercontent.com/f".into(), 1_795_824_900)));
    let bad = v2(
        "succeeded_with_errors",
        json!({"error_count": "2", "success_count": 98, "samples": [{"row": "3"}],
        "error_file": {"content_type": "text/csv", "size": "12", "download_url": {"url": "https://x", "expires_at": "2026-11-28T00:15:00Z"}}}),
    );
    let state = bad.state().unwrap();
    assert_eq!((state.success_count, state.error_count, state.errors), (Some(98), Some(2), Some(ErrorsAt::Address("https://x".into()))));
    assert!(state.samples.len() == 1 && bad.state().unwrap().ended());
    let failed = v2("failed", json!({"code": "invalid_file", "failure_message": "No\u{0} header", "type": "cannot_proceed"}));
    assert_eq!(failed.state().unwrap().problem, Some(("invalid_file".into(), "No header".into())));
    assert_eq!(v2("pondering", json!({})).state(), None);
    assert!(!v2("processing", json!({"error_count": "0", "success_count": "0"})).state().unwrap().ended());
}

#[test]
fn import_sets_in_the_words_of_v2() {
    let set = |status: &str, result: Value| {
        let state = ImportSet::from_value(json!({"id": "impset_1", "status": status, "result": result})).unwrap().state();
        (state.status, state.success_count, state.error_count, state.errors)
    };
    assert_eq!(set("pending", Value::Null), ("processing", None, None, None));
    assert_eq!(set("something new", Value::Null).0, "processing");
    let result = json!({"errors": {"file": "file_1", "row_count": 30}, "rows_processed": 120, "successes": {"row_count": 90}});
    assert_eq!(
        set("succeeded_with_errors", result.clone()),
        ("succeeded_with_errors", Some(90), Some(30), Some(ErrorsAt::File("file_1".into())))
    );
    assert_eq!(set("succeeded", result).0, "succeeded_with_errors");
    assert_eq!(set("succeeded", json!({"errors": {"file": null, "row_count": 0}, "successes": {"row_count": 9}})).0, "succeeded");
    assert_eq!(set("failed", json!({"errors": {"file": "../secret"}})), ("failed", None, None, None));
}

#[test]
fn addresses_for_files_are_stripes() {
    let stripe = "https://api.stripe.com";
    let address = |raw: &str| import::address(raw, stripe, false);
    for good in
        ["https://stripeusercontent.com/files/us-west-2/upload/wksp_1?a=b%2F&c=d~", "https://files.stripe.com/x", "https://stripe.com/"]
    {
        assert_eq!(address(good).as_deref(), Ok(good));
    }
    for bad in [
        "http://stripeusercontent.com/x",
        "https://evil-stripe.com/x",
        "https://stripe.com.evil.example/x",
        "https://stripe.com@evil.example/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/x",
        "http://localhost:8787/x",
        "https://api.stripe.com\\@evil.example/",
        "file:///etc/passwd",
        "/relative",
        "",
    ] {
        assert!(address(bad).is_err(), "{bad}");
    }
    // What stands in for Stripe on one's own machine, and there only.
    assert!(import::address("http://localhost:4000/x", "http://localhost:3000", true).is_ok());
    assert!(import::address("http://localhost:3000/x", "http://localhost:3000", false).is_ok());
    assert!(import::address("http://localhost:4000/x", "http://localhost:3000", false).is_err());
    assert!(import::address("http://localhost:4000/x", stripe, true).is_err());
    assert!(import::address("http://localhost.evil.example/x", "http://localhost:3000", true).is_err());
}

#[test]
fn calls_to_stripe() {
    let made = import::create("product", "replace", "ccim_1", "acct_1", "ccim_1-1");
    assert_eq!(
        (made.method, made.path.as_str(), made.account.as_deref(), made.idempotency_key.as_deref()),
        ("POST", "/v2/commerce/product_catalog/imports", Some("acct_1"), Some("ccim_1-1"))
    );
    assert_eq!(
        serde_json::from_str::<Value>(made.json.as_deref().unwrap()).unwrap(),
        json!({"feed_type": "product", "mode": "replace", "metadata": {"cc_import": "ccim_1"}})
    );
    assert_eq!(import::retrieve("pcimprt_1/../x", "acct_1").path, "/v2/commerce/product_catalog/imports/pcimprt_1%2F%2E%2E%2Fx");
    let set = import::create_set("file_1", "inventory_feed", "acct_1", "k");
    assert_eq!(
        (set.form.as_deref(), set.version.header()),
        (Some("file=file_1&standard_data_format=inventory_feed"), "2025-09-30.clover;udap_beta=v1")
    );
    let (before, after) = import::around("b", "text/csv");
    assert!(
        before.contains("name=\"purpose\"\r\n\r\ndata_management_manual_upload\r\n--b\r\n")
            && before.ends_with("Content-Type: text/csv\r\n\r\n")
    );
    assert_eq!(after, "\r\n--b--\r\n");
}
