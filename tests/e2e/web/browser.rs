//! The pages in a real Chromium: what a person does on a night on call, in a wide and in a narrow window; the
//! rules of axe-core on every page; pictures of all pages.
//!
//! `.ci/test` installs Debian's chromium and chromium-driver, and names axe-core by `PENTAMER_AXE`. Without
//! them these tests say so and pass. `PENTAMER_PICTURES` names a folder for the pictures.

use super::super::cluster::shown;
use super::super::harness::{DEADLINE, Home, Pentamer, command, low_igm, panel, wait_for};
use super::pages::indexed;
use super::{PASSWORD, get, users};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const WIDE: (u32, u32) = (1280, 900);
const NARROW: (u32, u32) = (400, 860);

/// chromedriver, killed when dropped.
struct Driver {
    child: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("bound")
            .port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: chromedriver is not installed (Debian: chromium-driver)");
            return None;
        };
        let driver = Self {
            child,
            port,
            profile: tempfile::tempdir().expect("a directory"),
        };
        wait_for("chromedriver", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(driver)
    }

    async fn browser(&self, (width, height): (u32, u32), dark: bool) -> Client {
        let profile = self.profile.path().join(format!("{width}-{dark}"));
        let mut arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push(format!("--window-size={width},{height}"));
        if dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        // A phone's window: a desktop's would not go below 500.
        let device = json!({"width": width, "height": height, "pixelRatio": 1.0, "mobile": false, "touch": false});
        let options = json!({"args": arguments, "mobileEmulation": {"deviceMetrics": device}});
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("a browser")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

async fn text(browser: &Client, css: &str) -> String {
    let found = browser
        .wait()
        .at_most(DEADLINE)
        .for_element(Locator::Css(css))
        .await;
    found
        .unwrap_or_else(|error| panic!("{css}: {error}"))
        .text()
        .await
        .expect("text")
}

/// Waits until an element says something.
async fn until(browser: &Client, css: &str, wanted: &str) {
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        let said = match browser.find(Locator::Css(css)).await {
            Ok(found) => found.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        if said.contains(wanted) {
            return;
        }
        assert!(
            std::time::Instant::now() < end,
            "waited in vain for {wanted:?} in {css}: {said:?}"
        );
        tokio::task::yield_now().await;
    }
}

async fn click(browser: &Client, css: &str) {
    let found = browser
        .wait()
        .at_most(DEADLINE)
        .for_element(Locator::Css(css))
        .await;
    found
        .unwrap_or_else(|error| panic!("{css}: {error}"))
        .click()
        .await
        .expect("clicked");
}

async fn fill(browser: &Client, css: &str, value: &str) {
    let found = browser
        .wait()
        .at_most(DEADLINE)
        .for_element(Locator::Css(css))
        .await;
    found
        .unwrap_or_else(|error| panic!("{css}: {error}"))
        .send_keys(value)
        .await
        .expect("typed");
}

async fn open(browser: &Client, daemon: &Pentamer, path: &str) {
    browser
        .goto(&format!("http://{}{path}", daemon.http))
        .await
        .expect("opened");
}

/// No line of a page is wider than the window.
async fn fits(browser: &Client, path: &str) {
    let script = "return [document.documentElement.scrollWidth, window.innerWidth];";
    let widths = browser.execute(script, Vec::new()).await.expect("run");
    let (page, window) = (widths[0].as_u64(), widths[1].as_u64());
    assert!(page <= window, "{path} is wider than its window: {widths}");
}

async fn night(daemon: &Pentamer, driver: &Driver, window: (u32, u32), patient: &str) {
    let browser = driver.browser(window, false).await;
    open(&browser, daemon, "/").await;
    fill(&browser, "#name", "doctor").await;
    fill(&browser, "#password", PASSWORD).await;
    click(&browser, "form button").await;
    until(&browser, "h1", "Worklist").await;
    until(&browser, "[data-live-says]", "live").await;
    // The page is open, and the focus is on a filter, while a message comes.
    let focus = "document.querySelector('.filters a').focus(); window.scrollTo(0, 7);";
    browser.execute(focus, Vec::new()).await.expect("run");
    let mut sender = daemon.connect();
    assert_eq!(
        sender.exchange(&low_igm(&format!("B{patient}"), patient)),
        "AA"
    );
    until(&browser, "[data-live]", &format!("HOSP:{patient}")).await;
    until(&browser, "[data-live-says]", "1 new").await;
    let focused = browser
        .execute(
            "return document.activeElement.matches('.filters a');",
            Vec::new(),
        )
        .await;
    assert_eq!(
        focused.expect("run"),
        Value::Bool(true),
        "the place is not lost"
    );
    fits(&browser, "/").await;
    let row = format!("//tr[contains(., 'HOSP:{patient}')]//a");
    browser
        .find(Locator::XPath(&row))
        .await
        .expect("a row")
        .click()
        .await
        .expect("clicked");
    until(&browser, "h1", "Isolated low IgM").await;
    fits(&browser, "/alerts/…").await;
    // The trend, as a picture and as a table, without a mouse.
    let svg = browser
        .find(Locator::Css("svg.plot[role=img]"))
        .await
        .expect("a plot");
    let says = svg
        .attr("aria-label")
        .await
        .expect("read")
        .expect("a label");
    assert!(says.contains("IgM in g/L: 0.21 on"), "{says}");
    let summary = browser
        .find(Locator::Css("#trend ~ details summary"))
        .await
        .expect("a table");
    summary
        .send_keys(" ")
        .await
        .expect("opened by the keyboard");
    until(&browser, "#trend ~ details table", "0.21 g/L").await;
    fill(&browser, "#comment", "seen, repeat in March").await;
    fill(&browser, "#informed", "ward 3 by phone").await;
    click(&browser, "form[action$='/ack'] button").await;
    until(&browser, "#acknowledged ~ dl", "doctor").await;
    assert!(
        text(&browser, "#acknowledged ~ dl")
            .await
            .contains("ward 3 by phone")
    );
    click(&browser, "#acknowledged ~ div details summary").await;
    fill(&browser, "#reason", "in treatment").await;
    click(&browser, "form[action$='/mute'] button").await;
    until(&browser, "#acknowledged ~ .note", "in treatment").await;
    open(&browser, daemon, "/?show=muted").await;
    until(&browser, "[data-live]", &format!("HOSP:{patient}")).await;
    open(&browser, daemon, "/messages").await;
    fill(&browser, "#control_id", &format!("B{patient}")).await;
    click(&browser, "form[role=search] button").await;
    until(&browser, "tbody", &format!("B{patient}")).await;
    click(&browser, "tbody th a").await;
    until(&browser, "#segments ~ .scroll", "sending application").await;
    until(&browser, "#raw ~ pre", "<CR>").await;
    fits(&browser, "/messages/…").await;
    browser.close().await.expect("closed");
}

fn doctor() -> String {
    let (keys, _) = users();
    keys.replace("name = \"clinician\"", "name = \"doctor\"")
        .replace(
            "roles = [\"clinician\"]",
            "roles = [\"clinician\", \"operator\"]",
        )
}

#[test]
fn a_night_on_call_in_a_wide_and_in_a_narrow_window() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let daemon = Pentamer::start(Home::new("", "").with_http(&doctor()));
    run(async {
        night(&daemon, &driver, WIDE, "5001").await;
        night(&daemon, &driver, NARROW, "5002").await;
    });
}

#[test]
fn a_quarantined_message_is_mended_and_sent_through() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let daemon = Pentamer::start(Home::new("", ""));
    let message = low_igm("MEND", "6001").replace("2472-9^IgM^LN", "IMMM^Immunoglobulin M^L");
    assert!(message.contains("IMMM"));
    assert_eq!(daemon.connect().exchange(&message), "AA");
    daemon.settle();
    indexed(&daemon, 1);
    run(async {
        let browser = driver.browser(NARROW, false).await;
        open(&browser, &daemon, "/quarantine").await;
        until(&browser, "main", "Unknown code").await;
        until(&browser, "pre", "code = \"IMMM\"").await;
        fits(&browser, "/quarantine").await;
        browser.close().await.expect("closed");
    });
    // The lines that the page gives, as they are.
    let row =
        "[[analyte]]\nanalyte = \"IgM\"\nsystem = \"L\"\ncode = \"IMMM\"\nfeed = \"LAB/HOSP\"\n";
    let page = get(&daemon, "/quarantine").body.replace("&#34;", "\"");
    assert!(page.contains(row), "{page}");
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
    run(async {
        let browser = driver.browser(WIDE, false).await;
        open(&browser, &daemon, "/?show=open").await;
        until(&browser, "[data-live]", "Nothing here").await;
        open(&browser, &daemon, "/messages?outcome=quarantined").await;
        click(&browser, "tbody th a").await;
        click(&browser, "form[action$='/again'] button").await;
        until(&browser, "h1", "Message MEND").await;
        open(&browser, &daemon, "/").await;
        until(&browser, "[data-live]", "HOSP:6001").await;
        browser.close().await.expect("closed");
    });
}

/// Data that shows each state.
fn states(daemon: &Pentamer) {
    let mut sender = daemon.connect();
    for (n, igm) in [(1, "0.38"), (2, "<0.2"), (3, "0.9"), (4, "1,200")] {
        let patient = format!("70{n:02}");
        assert_eq!(
            sender.exchange(&panel(&format!("P{n}"), &patient, igm, "11.0", "2.0")),
            "AA"
        );
    }
    assert_eq!(
        sender.exchange(&panel("P5", "7005", "0.3", "4.1", "2.0")),
        "AA"
    );
    assert_eq!(
        sender.exchange(&panel("P6", "7006", "<0.5", "11.0", "2.0")),
        "AA"
    );
    daemon.settle();
    indexed(daemon, 6);
}

fn paths(daemon: &Pentamer) -> Vec<(&'static str, String)> {
    let list = get(daemon, "/api/v1/worklist").json();
    let id = list["items"][0]["alert_id"]
        .as_str()
        .expect("an alert")
        .to_owned();
    let messages = get(daemon, "/api/v1/messages?control_id=P4").json();
    let position = messages["items"][0]["position"]
        .as_u64()
        .expect("a position");
    [
        ("worklist", "/".to_owned()),
        ("review", "/?show=review".to_owned()),
        ("alert", format!("/alerts/{id}")),
        ("patient", "/patients/HOSP%3A7002".to_owned()),
        ("messages", "/messages".to_owned()),
        ("message", format!("/messages/{position}")),
        ("feeds", "/feeds".to_owned()),
        ("queue", "/queue".to_owned()),
        ("quarantine", "/quarantine".to_owned()),
        ("audit", "/audit".to_owned()),
        ("error", "/patients/none%3A1".to_owned()),
    ]
    .into()
}

/// Violations of axe-core on the page that is open.
async fn violations(browser: &Client, axe: &str) -> Value {
    browser.execute(axe, Vec::new()).await.expect("axe");
    let check = "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => [v.id, v.nodes.map(n => n.html + ' ' + n.failureSummary)])));";
    browser.execute_async(check, Vec::new()).await.expect("run")
}

#[test]
fn every_page_keeps_the_rules_of_axe() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let Some(axe) = std::env::var_os("PENTAMER_AXE")
        .map(PathBuf::from)
        .filter(|path| path.exists())
    else {
        eprintln!("skipped: PENTAMER_AXE names no axe.min.js (npm install axe-core)");
        return;
    };
    let axe = std::fs::read_to_string(axe).expect("axe-core");
    let daemon = Pentamer::start_default();
    let closed = Pentamer::start(Home::new("", "").with_http(&doctor()));
    states(&daemon);
    let (servers, instances) = shown::site();
    let mut servers = Some(servers);
    run(async {
        for (window, dark) in [(WIDE, false), (NARROW, true)] {
            let browser = driver.browser(window, dark).await;
            for (name, path) in paths(&daemon) {
                open(&browser, &daemon, &path).await;
                let found = violations(&browser, &axe).await;
                assert_eq!(found, json!([]), "{name}, dark: {dark}");
                fits(&browser, &path).await;
            }
            // The cluster while JetStream answers, and while it does not.
            let cluster = async || {
                open(&browser, &instances[0], "/cluster").await;
                let found = violations(&browser, &axe).await;
                assert_eq!(found, json!([]), "cluster, dark: {dark}");
                fits(&browser, "/cluster").await;
            };
            cluster().await;
            if dark {
                servers = None;
                shown::until_away(&instances[0]);
                cluster().await;
            }
            // Signing in, and being turned away.
            open(&browser, &closed, "/").await;
            assert_eq!(violations(&browser, &axe).await, json!([]), "dark: {dark}");
            fits(&browser, "/sign-in").await;
            fill(&browser, "#name", "nobody").await;
            fill(&browser, "#password", "wrong").await;
            click(&browser, "form button").await;
            until(&browser, "[role=alert]", "wrong").await;
            assert_eq!(violations(&browser, &axe).await, json!([]), "dark: {dark}");
            browser.close().await.expect("closed");
        }
    });
}

/// The rules that the standard makes, by html-validate; not those of taste.
const HTML_RULES: &str = r#"{"root": true, "extends": ["html-validate:standard"]}"#;

#[test]
fn every_page_is_valid_html() {
    let Some(program) = std::env::var_os("PENTAMER_HTML_VALIDATE")
        .map(PathBuf::from)
        .filter(|path| path.exists())
    else {
        eprintln!(
            "skipped: PENTAMER_HTML_VALIDATE names no html-validate (npm install html-validate)"
        );
        return;
    };
    let daemon = Pentamer::start_default();
    let closed = Pentamer::start(Home::new("", "").with_http(&doctor()));
    states(&daemon);
    let folder = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    file(".htmlvalidate.json", HTML_RULES);
    for (name, path) in paths(&daemon) {
        file(&format!("{name}.html"), &get(&daemon, &path).body);
    }
    let (servers, instances) = shown::site();
    file("cluster.html", &get(&instances[0], "/cluster").body);
    drop(servers);
    shown::until_away(&instances[0]);
    file("cluster-away.html", &get(&instances[0], "/cluster").body);
    file("sign-in.html", &get(&closed, "/sign-in").body);
    let validate = || {
        Command::new(&program)
            .args(["--formatter", "text", "."])
            .current_dir(folder.path())
            .output()
            .expect("run")
    };
    let said = validate();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}");
    // It finds what is there to be found.
    file(
        "broken.html",
        "<!DOCTYPE html><html lang=en><head><title>x</title></head><body><p><div></p></body></html>",
    );
    assert!(!validate().status.success(), "a wrong page is found");
}

/// `pentamer demo`, killed when dropped.
struct Demo {
    child: Child,
    http: String,
    _home: tempfile::TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    /// Waits until everything is there.
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let said = home.path().join("said");
        let child = command()
            .args(["demo", "--pace", "1ms"])
            .env("TMPDIR", home.path())
            .stdout(std::fs::File::create(&said).expect("made"))
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut demo = Self {
            child,
            http: String::new(),
            _home: home,
        };
        demo.http = wait_for("the demo", || {
            let text = std::fs::read_to_string(&said).ok()?;
            let url = text.split("http://").nth(1)?.split('/').next()?;
            text.contains("That was all").then(|| url.to_owned())
        });
        demo
    }

    fn get(&self, path: &str) -> String {
        super::get_at(self.http.parse().expect("an address"), path).body
    }
}

#[test]
fn the_demo_shows_each_state() {
    let demo = Demo::start();
    for (show, name) in [
        ("open", "SAMPLE, FLORA"),
        ("confirmed", "SAMPLE, HANNA"),
        ("provisional", "SAMPLE, GEORG"),
        ("acknowledged", "SAMPLE, HANNA"),
        ("muted", "SAMPLE, JUNE"),
        ("other", "EXAMPLE"),
        ("review", "SAMPLE, IVAN"),
    ] {
        let page = demo.get(&format!("/?show={show}"));
        assert!(page.contains(name), "{show}: {page}");
    }
    let course = demo.get("/patients/GENERAL%3A200001");
    assert!(
        course.contains("Falling for a year") && course.contains("class=\"ring\""),
        "{course}"
    );
    assert!(
        course.contains(" pre\"") && course.contains(" open\""),
        "every kind of symbol"
    );
}

#[test]
fn pictures_of_every_page() {
    let Some(folder) = std::env::var_os("PENTAMER_PICTURES").map(PathBuf::from) else {
        eprintln!("skipped: PENTAMER_PICTURES names no folder");
        return;
    };
    let Some(driver) = Driver::start() else {
        return;
    };
    let demo = Demo::start();
    let closed = Pentamer::start(Home::new("", "").with_http(&doctor()));
    let (_servers, instances) = shown::site();
    let list: Value =
        serde_json::from_str(&demo.get("/api/v1/worklist?show=confirmed")).expect("JSON");
    let id = list["items"][0]["alert_id"]
        .as_str()
        .expect("an alert")
        .to_owned();
    let found = wait_for("the index", || {
        let list = demo.get("/api/v1/messages?outcome=quarantined");
        let list: Value = serde_json::from_str(&list).ok()?;
        list["items"][0]["position"].as_u64()
    });
    let pages = [
        ("worklist", "/".to_owned()),
        ("review", "/?show=review".to_owned()),
        ("alert", format!("/alerts/{id}")),
        ("patient", "/patients/GENERAL%3A200001".to_owned()),
        ("messages", "/messages".to_owned()),
        ("message", format!("/messages/{found}")),
        ("feeds", "/feeds".to_owned()),
        ("queue", "/queue".to_owned()),
        ("cluster", "/cluster".to_owned()),
        ("quarantine", "/quarantine".to_owned()),
        ("audit", "/audit".to_owned()),
        ("error", "/patients/none%3A1".to_owned()),
        ("sign-in", "/sign-in".to_owned()),
    ];
    let windows = [
        ((1_280, 1_400), false, "wide"),
        ((1_280, 1_400), true, "wide-dark"),
        ((400, 1_800), false, "narrow"),
        ((400, 1_800), true, "narrow-dark"),
    ];
    run(async {
        for (window, dark, word) in windows {
            let browser = driver.browser(window, dark).await;
            for (name, path) in &pages {
                let url = match *name {
                    "sign-in" => format!("http://{}{path}", closed.http),
                    "cluster" => format!("http://{}{path}", instances[0].http),
                    _ => format!("http://{}{path}", demo.http),
                };
                browser.goto(&url).await.expect("opened");
                let picture = browser.screenshot().await.expect("a picture");
                std::fs::write(folder.join(format!("{name}-{word}.png")), picture)
                    .expect("written");
            }
            browser.close().await.expect("closed");
        }
    });
}

#[test]
fn pictures_of_a_report() {
    let Some(folder) = std::env::var_os("PENTAMER_PICTURES").map(PathBuf::from) else {
        eprintln!("skipped: PENTAMER_PICTURES names no folder");
        return;
    };
    let Some(driver) = Driver::start() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let (archive, report) = (
        dir.path().join("year.hl7.zst"),
        dir.path().join("report.html"),
    );
    let run_it = |words: &str, paths: [&std::path::Path; 2]| {
        let mut words: Vec<_> = words.split(' ').map(std::ffi::OsString::from).collect();
        for (word, path) in ["OUT", "IN"].into_iter().zip(paths) {
            words
                .iter_mut()
                .filter(|one| *one == word)
                .for_each(|one| *one = path.into());
        }
        let done = command().args(words).status().expect("ran");
        assert!(done.success());
    };
    let words = "generate --seed 5 --messages 40000 --low 6 --out OUT";
    run_it(words, [&archive, &archive]);
    run_it("screen IN --quiet --report OUT", [&report, &archive]);
    let windows = [
        ((1_400, 3_000), false, "wide"),
        ((1_400, 3_000), true, "wide-dark"),
        ((420, 3_600), false, "narrow"),
        ((420, 3_600), true, "narrow-dark"),
    ];
    run(async {
        for (window, dark, word) in windows {
            let browser = driver.browser(window, dark).await;
            let url = format!("file://{}", report.display());
            browser.goto(&url).await.expect("opened");
            fits(&browser, "the report").await;
            let picture = browser.screenshot().await.expect("a picture");
            std::fs::write(folder.join(format!("screen-{word}.png")), picture).expect("written");
            browser.close().await.expect("closed");
        }
    });
}
