//! What the pages show, and what they never do.

use super::super::harness::{Home, Pentamer, low_igm, wait_for};
use super::{FORM, JSON, ask, csrf, get};
use serde_json::{Value, json};

fn first_alert(daemon: &Pentamer) -> String {
    let list = get(daemon, "/api/v1/worklist").json();
    list["items"][0]["alert_id"]
        .as_str()
        .expect("an alert")
        .to_owned()
}

#[test]
fn every_page_shows_what_came() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("WEB1", "4711")), "AA");
    daemon.settle();
    let worklist = get(&daemon, "/").body;
    assert!(
        worklist.contains("HOSP:4711") && worklist.contains("Isolated low IgM"),
        "{worklist}"
    );
    let id = first_alert(&daemon);
    let alert = get(&daemon, &format!("/alerts/{id}"));
    assert_eq!(alert.status, 200);
    // CLINICAL 7, in its order.
    let mut at = 0;
    for part in [
        "<h1>Isolated low IgM</h1>",
        "id=\"evidence\"",
        "id=\"trend\"",
        "<svg class=\"plot\"",
        "The trend as a table",
        "id=\"missing\"",
        "not visible to this system",
        "id=\"associations\"",
        "id=\"steps\"",
        "Repeat IgG, IgA and IgM",
        "id=\"timeline\"",
        "a screening hint from laboratory data, not a diagnosis",
        "takes no treatment decision",
    ] {
        let found = alert.body.get(at..).and_then(|rest| rest.find(part));
        at += found.unwrap_or_else(|| panic!("{part} is missing, or too early"));
    }
    for (path, text) in [
        ("/patients/HOSP%3A4711", "Every result"),
        ("/feeds", "Silent for"),
        ("/queue", "alerts.jsonl"),
        ("/quarantine", "Everything was understood"),
        ("/?show=review", "Nobody to review"),
    ] {
        let page = get(&daemon, path);
        assert!(
            page.status == 200 && page.body.contains(text),
            "{path}: {}",
            page.body
        );
    }
    // An entry is recorded before its page is shown, and on this page when the fold has seen it.
    daemon.settle();
    let audit = get(&daemon, "/audit").body;
    for act in ["view worklist", "view alert", "view patient"] {
        assert!(audit.contains(act), "{act}");
    }
    assert!(audit.contains("the chain is whole"));
    let missing = get(&daemon, "/patients/HOSP%3A1");
    assert_eq!(missing.status, 404);
    assert!(
        missing.body.contains("<h1>Not Found</h1>"),
        "a page for people"
    );
}

#[test]
fn a_person_acknowledges_mutes_and_notes() {
    let daemon = Pentamer::start_default();
    assert_eq!(daemon.connect().exchange(&low_igm("WEB2", "4711")), "AA");
    daemon.settle();
    let path = format!("/alerts/{}", first_alert(&daemon));
    let csrf = csrf(&get(&daemon, &path).body);
    let post = |path: &str, body: &str| ask(&daemon, "POST", path, FORM, body);
    let ack = format!("csrf={csrf}&comment=seen+%3Cb%3E&informed=ward+by+phone");
    assert_eq!(
        post(&format!("{path}/ack"), "csrf=wrong&comment=x").status,
        403
    );
    assert_eq!(
        post(&format!("{path}/ack"), &format!("csrf={csrf}&comment=+")).status,
        422
    );
    assert_eq!(post(&format!("{path}/ack"), &ack).status, 303);
    let page = get(&daemon, &path).body;
    assert!(
        page.contains("seen &#60;b&#62;") && page.contains("ward by phone"),
        "{page}"
    );
    assert!(
        !get(&daemon, "/").body.contains("HOSP:4711"),
        "nothing is to be done"
    );
    assert!(
        get(&daemon, "/?show=acknowledged")
            .body
            .contains("HOSP:4711")
    );
    let mute = format!("csrf={csrf}&days=30&reason=in+treatment");
    assert_eq!(post(&format!("{path}/mute"), &mute).status, 303);
    let page = get(&daemon, &path).body;
    assert!(
        page.contains("in treatment") && get(&daemon, "/?show=muted").body.contains("HOSP:4711")
    );
    let id = page
        .split("name=\"mute\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let lift = format!("csrf={csrf}&mute={}", id.expect("a mute"));
    assert_eq!(post(&format!("{path}/lift"), &lift).status, 303);
    assert!(!get(&daemon, "/?show=muted").body.contains("HOSP:4711"));
    let note = format!("csrf={csrf}&text=asked+for+subclasses");
    assert_eq!(post("/patients/HOSP%3A4711/note", &note).status, 303);
    assert!(
        get(&daemon, "/patients/HOSP%3A4711")
            .body
            .contains("asked for subclasses")
    );
    // All of it is in the chain, and each entry follows the one before.
    daemon.settle();
    let entries = get(&daemon, "/api/v1/audit?limit=1000").json();
    let items = entries["items"].as_array().expect("a list").clone();
    let acts: Vec<&str> = items.iter().filter_map(|one| one["act"].as_str()).collect();
    for act in ["acknowledge", "mute", "lift_mute", "note"] {
        assert!(acts.contains(&act), "{act} in {acts:?}");
    }
    for pair in items.windows(2) {
        assert_eq!(pair[0]["previous"], pair[1]["hash"]);
    }
    assert_eq!(entries["breaks"], 0);
}

/// In every field of a message that is shown anywhere.
const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

#[test]
fn what_a_message_says_is_text_on_every_page() {
    let daemon = Pentamer::start_default();
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%d%H%M%S+0000")
        .to_string();
    let result = |n: u32, id: &str, value: &str| {
        format!(
            "OBX|{n}|NM|{id}|{EVIL}|{value}|g/L|0.4-2.3|L|||F|||{now}|{EVIL}||{EVIL}\rNTE|1||{EVIL}\r"
        )
    };
    let evil = format!(
        "MSH|^~\\&|{EVIL}|{EVIL}|{EVIL}|{EVIL}|{now}||ORU^R01|{EVIL}|P|2.5.1\r\
         PID|1||{EVIL}^^^{EVIL}^MR||{EVIL}^{EVIL}||19800101|F\r\
         OBR|1|{EVIL}|{EVIL}|{EVIL}^{EVIL}|||{now}\r{}{}{}DG1|1||C90.0^{EVIL}^I10\r",
        result(1, &format!("2472-9^{EVIL}^LN"), "0.21"),
        result(2, &format!("2465-3^{EVIL}^LN"), "1,200"),
        result(3, &format!("{EVIL}^{EVIL}^{EVIL}"), EVIL),
    );
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&evil), "AA");
    assert_eq!(
        sender.exchange(&evil.replacen("0.21", "0.22", 1).replace("ORU^R01", EVIL)),
        "AA"
    );
    daemon.settle();
    indexed(&daemon, 2);
    let list = get(&daemon, "/api/v1/messages").json();
    let position = list["items"][1]["position"].as_u64().expect("a position");
    let key = get(&daemon, &format!("/api/v1/messages/{position}")).json();
    let key = key["patients"][0]
        .as_str()
        .unwrap_or("none:none")
        .to_owned();
    let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut paths: Vec<String> = [
        "/",
        "/?show=all",
        "/?show=review",
        "/messages",
        "/quarantine",
        "/feeds",
        "/audit",
        "/queue",
    ]
    .map(str::to_owned)
    .into();
    paths.push(format!("/messages/{position}"));
    paths.push(format!(
        "/messages?control_id={}",
        EVIL.bytes()
            .map(|b| format!("%{b:02X}"))
            .collect::<String>()
    ));
    paths.push(format!("/patients/{encoded}"));
    let items = get(&daemon, "/api/v1/worklist?show=all").json();
    for item in items["items"].as_array().expect("a list") {
        paths.push(format!(
            "/alerts/{}",
            item["alert_id"].as_str().expect("an id")
        ));
    }
    let mut shown = 0;
    for path in &paths {
        let page = get(&daemon, path);
        assert!(page.status < 500, "{path}: {}", page.status);
        assert!(
            !page.body.contains("<script>alert") && !page.body.contains("<img src=x"),
            "{path}: {}",
            page.body
        );
        shown += usize::from(page.body.contains("&#60;script&#62;alert"));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    assert!(shown >= 5, "it was shown on {shown} pages of {paths:?}");
    let raw = get(&daemon, &format!("/api/v1/messages/{position}/raw"));
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    assert!(
        raw.header("content-disposition")
            .expect("a name")
            .starts_with("attachment")
    );
    assert!(raw.body.contains(EVIL));
}

/// Until so many messages are indexed.
pub(super) fn indexed(daemon: &Pentamer, count: usize) {
    wait_for("the index", || {
        let list = get(daemon, "/api/v1/messages?limit=1000").json();
        (list["items"].as_array()?.len() >= count).then_some(())
    });
}

#[test]
fn messages_are_found_by_all_that_is_known_of_them_and_after_a_loss_of_the_index() {
    let home = Home::new("", "");
    let daemon = Pentamer::start(home);
    let mut sender = daemon.connect();
    assert_eq!(sender.exchange(&low_igm("IDX1", "4711")), "AA");
    assert_eq!(sender.exchange(&low_igm("IDX1", "4711")), "AA");
    assert_eq!(
        sender.exchange(&low_igm("IDX2", "4712").replace("0.21", "1.1")),
        "AA"
    );
    assert_eq!(
        sender.exchange(&low_igm("IDX3", "4713").replace("0.21", "1,200")),
        "AA"
    );
    assert_eq!(
        sender.exchange("MSH|^~\\&|OTHER|HOSP|||20260101||SIU^S12|IDX4|P|2.5"),
        "AA"
    );
    daemon.settle();
    indexed(&daemon, 5);
    let ids = |daemon: &Pentamer, query: &str| -> Vec<String> {
        let list = get(daemon, &format!("/api/v1/messages?{query}")).json();
        let items = list["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {list}"));
        items
            .iter()
            .map(|one| one["control_id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let check = |daemon: &Pentamer| {
        assert_eq!(ids(daemon, "control_id=IDX2"), ["IDX2"]);
        assert_eq!(ids(daemon, "patient=HOSP%3A4713"), ["IDX3"]);
        assert_eq!(ids(daemon, "patient=4713"), ["IDX3"]);
        assert_eq!(ids(daemon, "type=SIU"), ["IDX4"]);
        assert_eq!(ids(daemon, "feed=OTHER/HOSP"), ["IDX4"]);
        assert_eq!(ids(daemon, "outcome=quarantined"), ["IDX3"]);
        assert_eq!(ids(daemon, "outcome=duplicate"), ["IDX1"]);
        assert_eq!(ids(daemon, "outcome=paged"), ["IDX1"]);
        assert_eq!(ids(daemon, "outcome=normal"), ["IDX2"]);
        assert_eq!(ids(daemon, "outcome=ignored"), ["IDX4"]);
        assert!(ids(daemon, "until=2020-01-01").is_empty());
        assert_eq!(ids(daemon, "since=2020-01-01").len(), 5);
    };
    wait_for("the page to be known", || {
        (ids(&daemon, "outcome=paged") == ["IDX1"]).then_some(())
    });
    check(&daemon);
    // Page by page nothing is left out.
    let mut found = Vec::new();
    let mut next = Value::from("");
    while let Some(cursor) = next.as_str() {
        let cursor = if cursor.is_empty() {
            String::new()
        } else {
            format!("&cursor={cursor}")
        };
        let list = get(&daemon, &format!("/api/v1/messages?limit=2{cursor}")).json();
        found.extend(list["items"].as_array().expect("a list").clone());
        next = list["next"].clone();
    }
    assert_eq!(found.len(), 5);
    let (home, _) = daemon.stop();
    std::fs::remove_dir_all(home.data().join("index")).expect("removed");
    let daemon = Pentamer::start(home);
    indexed(&daemon, 5);
    wait_for("the page to be known", || {
        (ids(&daemon, "outcome=paged") == ["IDX1"]).then_some(())
    });
    check(&daemon);
}

#[test]
fn a_message_that_is_understood_by_now_pages_when_it_is_sent_through_again() {
    let daemon = Pentamer::start(Home::new("", ""));
    let message = low_igm("AGAIN1", "4711")
        .replace("|g/L|0.4-2.3|", "||0.4-2.3|")
        .replace("2472-9^IgM^LN", "IGMX^Immunoglobulin X^L");
    assert_eq!(daemon.connect().exchange(&message), "AA");
    daemon.settle();
    indexed(&daemon, 1);
    let list = get(&daemon, "/api/v1/worklist").json();
    assert_eq!(list["items"], json!([]), "nobody knows this code");
    let row =
        "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IGMX\"\ndefault_unit = \"g/L\"\n";
    let text = std::fs::read_to_string(daemon.home.config()).expect("read");
    std::fs::write(
        daemon.home.path().join("pentamer.toml"),
        format!("{text}\n{row}"),
    )
    .expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the reload", || {
        daemon.home.log().contains("\"reloaded\"").then_some(())
    });
    daemon.settle();
    let list = get(&daemon, "/api/v1/worklist").json();
    assert_eq!(
        list["items"],
        json!([]),
        "other tables page for nothing old"
    );
    let messages = get(&daemon, "/api/v1/messages?control_id=AGAIN1").json();
    let position = messages["items"][0]["position"]
        .as_u64()
        .expect("a position");
    let path = format!("/api/v1/messages/{position}/again");
    assert_eq!(ask(&daemon, "POST", &path, JSON, "{}").status, 200);
    daemon.settle();
    wait_for("the alert", || {
        let list = get(&daemon, "/api/v1/worklist").json();
        (list["items"].as_array()?.len() == 1).then_some(())
    });
    assert_eq!(
        ask(
            &daemon,
            "POST",
            "/api/v1/quarantine/999999/retry",
            JSON,
            "{}"
        )
        .status,
        404
    );
}

#[test]
fn what_is_quarantined_is_grouped_with_lines_that_would_mend_it() {
    let daemon = Pentamer::start_default();
    let mut sender = daemon.connect();
    for n in 0..3 {
        let message = low_igm(&format!("Q{n}"), "4711").replace("0.21", "1,200");
        assert_eq!(sender.exchange(&message), "AA");
    }
    daemon.settle();
    let page = get(&daemon, "/quarantine").body;
    assert!(
        page.contains("Ambiguous number <span class=\"tag prompt\">3</span>"),
        "{page}"
    );
    assert!(page.contains("decimal = &#34;,&#34;"), "{page}");
    let csrf = csrf(&page);
    let body = format!("csrf={csrf}&reason=ambiguous_number&feed=LAB%2FHOSP&listener=lab");
    assert_eq!(
        ask(&daemon, "POST", "/quarantine/retry", FORM, &body).status,
        303
    );
    daemon.settle();
    // They are as unreadable as before, and each stands there once.
    let list = get(&daemon, "/api/v1/quarantine").json();
    assert_eq!(list["items"].as_array().expect("a list").len(), 3, "{list}");
    assert!(
        list["items"][0]["remedy"]
            .as_str()
            .expect("a remedy")
            .contains("decimal")
    );
}

#[test]
fn a_code_in_other_delimiters_has_the_lines_that_would_map_it() {
    let daemon = Pentamer::start_default();
    let message = low_igm("D1", "4711")
        .replace("2472-9^IgM^LN", "IMMX^Immunoglobulin M^L")
        .replace('^', "$");
    assert_eq!(daemon.connect().exchange(&message), "AA");
    daemon.settle();
    let page = get(&daemon, "/quarantine").body;
    assert!(page.contains("code = &#34;IMMX&#34;"), "{page}");
    assert!(page.contains("sent Immunoglobulin M with g/L"), "{page}");
}

#[test]
fn static_files_and_the_description_are_known_by_their_hash() {
    let daemon = Pentamer::start_default();
    for path in [
        "/static/pentamer.css",
        "/static/pentamer.js",
        "/api/v1/openapi.json",
        "/api/v1/mutes",
    ] {
        let first = get(&daemon, path);
        assert_eq!(first.status, 200, "{path}");
        let etag = first.header("etag").expect("a tag").to_owned();
        let again = ask(
            &daemon,
            "GET",
            path,
            &format!("If-None-Match: {etag}\r\n"),
            "",
        );
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
    }
    assert_eq!(get(&daemon, "/static/../../etc/passwd").status, 404);
    assert_eq!(get(&daemon, "/static/%2e%2e%2fpentamer.css").status, 404);
}
