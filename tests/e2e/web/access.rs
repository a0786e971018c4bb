//! Who may see and do what: sign-in, roles, tokens, proxies, and what other sites may not.

use super::super::harness::{Home, Pentamer, command, low_igm, wait_for};
use super::{FORM, JSON, PASSWORD, ask, csrf, get, sign_in, token, users};
use std::time::{Duration, Instant};

fn start(keys: &str) -> Pentamer {
    Pentamer::start(home(keys))
}

fn home(keys: &str) -> Home {
    Home::new("", "").with_http(keys)
}

/// Every route with the method and the role that it needs, as the description has it and the pages know it.
fn routes(daemon: &Pentamer, headers: &str) -> Vec<(String, String, String)> {
    let document = ask(daemon, "GET", "/api/v1/openapi.json", headers, "").json();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, about) in methods.as_object().expect("methods") {
            let role = about["description"].as_str().expect("a role");
            let role = role.trim_start_matches("Role: ").trim_end_matches('.');
            let path: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { "1" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            routes.push((method.to_uppercase(), path, role.to_owned()));
        }
    }
    assert!(routes.len() > 25, "{routes:?}");
    for (method, path, role) in [
        ("GET", "/", "viewer"),
        ("GET", "/alerts/1", "viewer"),
        ("POST", "/alerts/1/ack", "clinician"),
        ("POST", "/alerts/1/mute", "clinician"),
        ("POST", "/alerts/1/lift", "clinician"),
        ("GET", "/patients/H%3A1", "viewer"),
        ("POST", "/patients/H%3A1/note", "clinician"),
        ("GET", "/messages", "viewer"),
        ("GET", "/messages/1", "viewer"),
        ("POST", "/messages/1/again", "operator"),
        ("GET", "/feeds", "viewer"),
        ("GET", "/queue", "viewer"),
        ("POST", "/queue/log/requeue", "operator"),
        ("GET", "/cluster", "viewer"),
        ("GET", "/quarantine", "viewer"),
        ("POST", "/quarantine/retry", "operator"),
        ("GET", "/audit", "viewer"),
    ] {
        routes.push((method.to_owned(), path.to_owned(), role.to_owned()));
    }
    routes
}

#[test]
fn no_route_opens_without_its_role() {
    let (keys, tokens) = users();
    let daemon = start(&keys);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let routes = routes(&daemon, &bearer(&tokens[0]));
    let roles = ["viewer", "clinician", "operator"];
    for (method, path, needed) in &routes {
        if path.ends_with("/stream") {
            continue;
        }
        let body = if path.starts_with("/api") { JSON } else { FORM };
        let nobody = ask(&daemon, method, path, body, "{}");
        let turned_away = nobody.status == 401 || nobody.status == 303;
        assert!(
            turned_away,
            "{method} {path} without a name: {}",
            nobody.status
        );
        assert!(!nobody.body.contains("items"), "{path}");
        for (role, token) in roles.iter().zip(&tokens) {
            let headers = format!("{}{body}", bearer(token));
            let reply = ask(&daemon, method, path, &headers, "{}");
            assert!(reply.status < 500, "{method} {path}: {}", reply.status);
            let may = needed == "viewer" || needed == role;
            let refused = reply.status == 403 && reply.body.contains("your roles do not allow");
            assert_eq!(
                !may, refused,
                "{method} {path} as {role}: {} {}",
                reply.status, reply.body
            );
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&daemon, path).status, 200, "{path} is for everybody");
    }
    assert_eq!(
        get(&daemon, "/nowhere").status,
        303,
        "nobody learns which pages there are"
    );
}

#[test]
fn a_sign_in_begins_a_session_of_its_own_and_ends_it() {
    let (keys, _) = users();
    let daemon = start(&keys);
    let away = get(&daemon, "/alerts/1?x=1");
    assert_eq!(
        away.header("location"),
        Some("/sign-in?next=%2falerts%2f1%3fx%3d1")
    );
    let body = |name: &str, password: &str| {
        format!(
            "name={name}&password={}&next=/queue",
            password.replace(' ', "+")
        )
    };
    let planted = format!("{FORM}Cookie: pentamer=planted\r\n");
    let reply = ask(
        &daemon,
        "POST",
        "/sign-in",
        &planted,
        &body("clinician", PASSWORD),
    );
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some("/queue"))
    );
    let cookie = reply.header("set-cookie").expect("a cookie").to_owned();
    assert!(
        !cookie.contains("planted")
            && cookie.contains("httponly")
            && cookie.contains("samesite=lax"),
        "{cookie}"
    );
    assert_eq!(
        ask(&daemon, "GET", "/queue", "Cookie: pentamer=planted\r\n", "").status,
        303
    );
    let cookie = sign_in(&daemon, "clinician");
    let page = ask(&daemon, "GET", "/patients/H%3A1", &cookie, "");
    assert_eq!(page.status, 404, "signed in");
    // Another sign-in in the same browser ends the first session.
    let headers = format!("{FORM}{cookie}");
    assert_eq!(
        ask(
            &daemon,
            "POST",
            "/sign-in",
            &headers,
            &body("viewer", PASSWORD)
        )
        .status,
        303
    );
    assert_eq!(
        ask(&daemon, "GET", "/queue", &cookie, "").status,
        303,
        "rotated"
    );
    let cookie = sign_in(&daemon, "clinician");
    let page = ask(&daemon, "GET", "/", &cookie, "").body;
    let headers = format!("{FORM}{cookie}");
    assert_eq!(
        ask(&daemon, "POST", "/sign-out", &headers, "csrf=wrong").status,
        403
    );
    let out = format!("csrf={}", csrf(&page));
    assert_eq!(
        ask(&daemon, "POST", "/sign-out", &headers, &out).status,
        303
    );
    assert_eq!(ask(&daemon, "GET", "/", &cookie, "").status, 303);
    let reply = ask(
        &daemon,
        "POST",
        "/sign-in",
        FORM,
        &body("viewer", PASSWORD).replace("/queue", "//evil.example"),
    );
    assert_eq!(
        reply.header("location"),
        Some("/"),
        "nobody is sent away from here"
    );
}

#[test]
fn other_sites_cannot_act_through_a_browser() {
    let (keys, _) = users();
    let daemon = start(&keys);
    assert_eq!(daemon.connect().exchange(&low_igm("CSRF1", "4711")), "AA");
    daemon.settle();
    let cookie = sign_in(&daemon, "clinician");
    let list = ask(&daemon, "GET", "/api/v1/worklist", &cookie, "").json();
    let id = list["items"][0]["alert_id"]
        .as_str()
        .expect("an alert")
        .to_owned();
    let page = ask(&daemon, "GET", &format!("/alerts/{id}"), &cookie, "").body;
    let csrf = csrf(&page);
    let ack = "{\"comment\": \"seen\"}";
    let path = format!("/api/v1/alerts/{id}/ack");
    let with = |more: &str| {
        ask(
            &daemon,
            "POST",
            &path,
            &format!("{JSON}{cookie}{more}"),
            ack,
        )
        .status
    };
    assert_eq!(with(""), 403, "a cookie alone does nothing");
    assert_eq!(with("X-CSRF-Token: wrong\r\n"), 403);
    let right = format!("X-CSRF-Token: {csrf}\r\n");
    assert_eq!(
        with(&format!("{right}Origin: http://evil.example\r\n")),
        403
    );
    // Another user's does not do either.
    let other = sign_in(&daemon, "viewer");
    let theirs = ask(&daemon, "GET", "/", &other, "").body;
    assert_eq!(
        with(&format!("X-CSRF-Token: {}\r\n", super::csrf(&theirs))),
        403
    );
    let form = "csrf=&comment=x";
    assert_eq!(
        ask(
            &daemon,
            "POST",
            &format!("/alerts/{id}/ack"),
            &format!("{FORM}{cookie}"),
            form
        )
        .status,
        403
    );
    assert_eq!(with(&right), 200);
    let item = ask(&daemon, "GET", &format!("/api/v1/alerts/{id}"), &cookie, "").json();
    assert_eq!(
        item["acknowledged"]["by"], "clinician",
        "whoever is signed in, whatever the body says"
    );
    for reply in [
        get(&daemon, "/sign-in"),
        ask(&daemon, "GET", "/", &cookie, ""),
    ] {
        assert_eq!(reply.header("x-frame-options"), Some("deny"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(
            reply
                .header("content-security-policy")
                .expect("a policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn failed_tries_lock_and_tell_nothing_of_who_there_is() {
    let (keys, _) = users();
    let daemon = start(&keys);
    let attempt = |name: &str| {
        let begin = Instant::now();
        let reply = ask(
            &daemon,
            "POST",
            "/sign-in",
            FORM,
            &format!("name={name}&password=wrong+password"),
        );
        (reply, begin.elapsed())
    };
    // Names that there are and names that there are not, in turn: the same answer, and about the same time.
    let (mut there, mut absent): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (known, took) = attempt("viewer");
        there.push(took);
        let (unknown, took) = attempt("nobodyX");
        absent.push(took);
        assert_eq!((known.status, unknown.status), (401, 401));
        assert_eq!(known.body.replace("viewer", "nobodyX"), unknown.body);
    }
    let (there, absent) = (
        there.iter().min().expect("one"),
        absent.iter().min().expect("one"),
    );
    let ratio = there.as_secs_f64() / absent.as_secs_f64();
    assert!((0.3..3.3).contains(&ratio), "{there:?} and {absent:?}");
    let locked = wait_for("the lock", || {
        let (reply, _) = attempt("viewer");
        (reply.status == 429).then_some(reply)
    });
    assert!(locked.body.contains("Too many failed tries"));
    let right = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(
        ask(&daemon, "POST", "/sign-in", FORM, &right).status,
        429,
        "the right one too"
    );
}

#[test]
fn tokens_proxies_and_reloads() {
    let (old, hash) = token();
    let (good, good_hash) = token();
    let keys = format!(
        "users = [{{ name = \"ward\", roles = [\"viewer\"] }}]\n\
         tokens = [{{ name = \"old\", hash = \"{hash}\", roles = [\"viewer\"], expires = \"2020-01-01T00:00:00Z\" }}, \
         {{ name = \"good\", hash = \"{good_hash}\", roles = [\"viewer\"] }}]\n\
         trusted_header = \"X-Remote-User\"\ntrusted_proxies = [\"127.0.0.1\"]\n"
    );
    let daemon = start(&keys);
    let with = |headers: &str| ask(&daemon, "GET", "/api/v1/queue", headers, "").status;
    assert_eq!(with(&format!("Authorization: Bearer {good}\r\n")), 200);
    assert_eq!(
        with(&format!("Authorization: Bearer {old}\r\n")),
        401,
        "expired"
    );
    assert_eq!(with("X-Remote-User: ward\r\n"), 200);
    assert_eq!(with("X-Remote-User: nobody\r\n"), 401);
    assert_eq!(
        with("Host: pentamer.example.org\r\nX-Remote-User: ward\r\n"),
        200,
        "a proxy has another name"
    );
    // A user that is taken out of the file is out with the reload.
    let text = std::fs::read_to_string(daemon.home.config()).expect("read");
    let text = text.replace(
        "users = [{ name = \"ward\", roles = [\"viewer\"] }]",
        "users = []",
    );
    std::fs::write(daemon.home.path().join("pentamer.toml"), text).expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the reload", || {
        (with("X-Remote-User: ward\r\n") == 401).then_some(())
    });
    assert_eq!(with(&format!("Authorization: Bearer {good}\r\n")), 200);
}

#[test]
fn without_users_only_this_machine_is_served() {
    let daemon = Pentamer::start_default();
    assert_eq!(get(&daemon, "/").status, 200);
    let foreign = ask(&daemon, "GET", "/", "Host: evil.example\r\n", "");
    assert_eq!(foreign.status, 403);
    let other = ask(&daemon, "GET", "/", "Origin: http://evil.example\r\n", "");
    assert_eq!(other.status, 403);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pentamer.toml");
    for (keys, expected) in [
        ("bind = \"0.0.0.0:0\"", "without users only loopback"),
        (
            "bind = \"0.0.0.0:0\"\nusers = [{ name = \"a\", roles = [\"viewer\"] }]",
            "in the clear",
        ),
        (
            "users = [{ name = \"a\", roles = [\"boss\"] }]",
            "`viewer`, `clinician` or `operator`",
        ),
        (
            "users = [{ name = \"a\", password_hash = \"secret\", roles = [\"viewer\"] }]",
            "argon2id",
        ),
        ("trusted_header = \"X-User\"", "only hold together"),
    ] {
        std::fs::write(&file, format!("[http]\n{keys}\n")).expect("written");
        let output = command()
            .arg("check")
            .arg("--config")
            .arg(&file)
            .output()
            .expect("ended");
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(
            !output.status.success() && said.contains(expected),
            "{keys}: {said}"
        );
    }
}

#[test]
fn garbage_and_large_bodies_are_answered_and_harm_nothing() {
    let daemon = Pentamer::start_default();
    for path in [
        "/alerts/%00",
        "/alerts/'%20OR%201=1--",
        "/patients/%FF%FE",
        "/patients/..%2f..%2fetc%2fpasswd",
        "/api/v1/messages/-1",
        "/api/v1/alerts/%FF",
        "/messages/18446744073709551616",
        "/messages/-1",
        "/messages/0",
        "/?show=nothing",
        "/?limit=1",
        "/messages?since=yesterday",
        "/messages?cursor=x",
        "/api/v1/audit?limit=0",
        "/api/v1/messages?%zz=1",
        "/api/v1/quarantine?reason=none",
        "/static/",
        "/api/v1/worklist?cursor=99999999999999999999",
        "/alerts/%F0%9F%92%89",
        "/audit?by=%22%3E%3Cscript%3E",
    ] {
        let reply = get(&daemon, path);
        assert!(
            (200..500).contains(&reply.status),
            "{path}: {}",
            reply.status
        );
        assert!(!reply.body.contains("<script>alert"), "{path}");
        if path.starts_with("/api/") && reply.status != 200 {
            let kind = reply.header("content-type");
            assert_eq!(kind, Some("application/problem+json"), "{path}");
        }
    }
    let large = "x".repeat(200_000);
    for (path, kind) in [
        ("/sign-in", FORM),
        ("/alerts/1/ack", FORM),
        ("/api/v1/alerts/1/ack", JSON),
        ("/api/v1/mutes", JSON),
    ] {
        let reply = ask(&daemon, "POST", path, kind, &large);
        assert!(
            matches!(reply.status, 400 | 413 | 422),
            "{path}: {}",
            reply.status
        );
    }
    assert_eq!(get(&daemon, "/healthz").status, 200);
}
