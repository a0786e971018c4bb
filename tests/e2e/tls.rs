//! TLS on both sides of real daemons, with certificates made here (WIRE N-1, P-12).

use super::harness::{DEADLINE, Home, Pentamer, command, framed, low_igm, wait_for};
use super::lis::{Lis, acknowledge};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Identity {
    pub cert: String,
    pub key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        roots
    }

    /// For `name`, to accept connections and to make them, valid up to that year.
    pub fn issue(&self, name: &str, until: i32) -> Identity {
        let both = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.issue_for(name, until, both)
    }

    fn issue_for(&self, name: &str, until: i32, uses: Vec<ExtendedKeyUsagePurpose>) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.extended_key_usages = uses;
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("signed");
        Identity {
            cert: cert.pem(),
            key: key.serialize_pem(),
            der: cert.der().clone(),
            key_der: key.serialize_der(),
        }
    }
}

impl Identity {
    /// Writes both files; the configuration's keys for them.
    pub fn write(&self, dir: &Path, name: &str) -> String {
        let path = |end: &str| dir.join(format!("{name}.{end}"));
        std::fs::write(path("pem"), &self.cert).expect("written");
        std::fs::write(path("key"), &self.key).expect("written");
        format!(
            "cert_file = \"{}\", key_file = \"{}\"",
            path("pem").display(),
            path("key").display()
        )
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key_der.clone());
        (vec![self.der.clone()], key.into())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A sender that trusts `authority` and may show `identity`.
pub fn connect(
    to: std::net::SocketAddr,
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> Stream {
    connect_to("lab.example", to, authority, identity, versions)
}

/// The same, to a server of this name.
pub fn connect_to(
    name: &str,
    to: std::net::SocketAddr,
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> Stream {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(authority.roots());
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.chain();
            builder.with_client_auth_cert(chain, key).expect("fits")
        }
    };
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = TcpStream::connect(to).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    StreamOwned::new(session, stream)
}

/// Sends a frame and returns what comes back as one.
pub fn exchange(stream: &mut Stream, frame: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(frame)?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\x1c\r") {
        if stream.read(&mut byte)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.push(byte[0]);
    }
    Ok(answer)
}

/// A home with certificates in it; `tls` is the listener's table beside `cert_file` and `key_file`.
pub fn home(authority: &Authority, until: i32, tls: &str, listener: &str) -> Home {
    let home = Home::new("", "");
    std::fs::write(home.path().join("ca.pem"), authority.pem()).expect("written");
    let files = authority
        .issue("lab.example", until)
        .write(home.path(), "lab");
    let tls = tls.replace("CA", &home.path().join("ca.pem").display().to_string());
    let text = format!("tls = {{ {files}{tls} }}\n{listener}");
    home.with_listener(&text)
}

const BOTH: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;

fn message(id: &str) -> Vec<u8> {
    framed(&low_igm(id, id))
}

fn accepted(answer: &[u8], id: &str) -> bool {
    String::from_utf8_lossy(answer).contains(&format!("MSA|AA|{id}\r"))
}

#[test]
fn an_endpoint_speaks_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let daemon = Pentamer::start(home(&authority, 2099, "", ""));
    for (version, id) in [
        (&rustls::version::TLS12, "12"),
        (&rustls::version::TLS13, "13"),
    ] {
        let mut sender = connect(daemon.mllp, &authority, None, &[version]);
        let answer = exchange(&mut sender, &message(id)).expect("an answer");
        assert!(accepted(&answer, id));
        assert_eq!(
            sender.conn.protocol_version(),
            Some(version.version),
            "as asked"
        );
    }
    let left = daemon.metric("pentamer_tls_expires_seconds", "side=\"tls\"");
    assert!(left > 1e9, "{left} seconds left");
}

#[test]
fn only_certificates_of_the_authority_and_with_a_listed_name_may_send() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let tls = ", client_ca_file = \"CA\", client_names = [\"analyzer-1.lab.example\"]";
    let daemon = Pentamer::start(home(&authority, 2099, tls, ""));
    let good = authority.issue("analyzer-1.lab.example", 2099);
    let mut sender = connect(daemon.mllp, &authority, Some(&good), BOTH);
    let answer = exchange(&mut sender, &message("1")).expect("an answer");
    assert!(accepted(&answer, "1"));
    let wrong = [
        None,
        Some(authority.issue("analyzer-2.lab.example", 2099)),
        Some(authority.issue("analyzer-1.lab.example", 2020)),
        Some(stranger.issue("analyzer-1.lab.example", 2099)),
        Some(authority.issue_for(
            "analyzer-1.lab.example",
            2099,
            vec![ExtendedKeyUsagePurpose::ServerAuth],
        )),
    ];
    for (number, identity) in wrong.iter().enumerate() {
        let mut sender = connect(daemon.mllp, &authority, identity.as_ref(), BOTH);
        assert!(exchange(&mut sender, &message("2")).is_err(), "{number}");
        wait_for("the count", || {
            (daemon.wire("tls_denied") == number as f64 + 1.0).then_some(())
        });
    }
    assert_eq!(daemon.stored(), 1.0);
}

#[test]
fn who_speaks_no_tls_is_named() {
    let authority = Authority::new();
    let daemon = Pentamer::start(home(&authority, 2099, "", ""));
    let mut sender = daemon.connect();
    sender.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(sender.rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || {
        (daemon.wire("tls_failed") == 1.0).then_some(())
    });
    let mut sender = daemon.connect();
    sender.send(&message("1"));
    assert_eq!(sender.rest(), Vec::<Vec<u8>>::new());
    wait_for("the count", || {
        (daemon.wire("tls_plaintext") == 1.0).then_some(())
    });
}

/// New certificates hold for new connections; open ones go on; wrong files change nothing.
#[test]
fn certificates_are_read_again_without_closing_anything() {
    let (first, second) = (Authority::new(), Authority::new());
    let daemon = Pentamer::start(home(&first, 2099, "", ""));
    let mut open = connect(daemon.mllp, &first, None, BOTH);
    assert!(accepted(
        &exchange(&mut open, &message("1")).expect("an answer"),
        "1"
    ));
    second
        .issue("lab.example", 2098)
        .write(daemon.home.path(), "lab");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the new certificate", || {
        daemon
            .home
            .log()
            .contains("certificates_reloaded")
            .then_some(())
    });
    assert!(accepted(
        &exchange(&mut open, &message("2")).expect("an answer"),
        "2"
    ));
    let mut new = connect(daemon.mllp, &second, None, BOTH);
    assert!(accepted(
        &exchange(&mut new, &message("3")).expect("an answer"),
        "3"
    ));
    assert!(exchange(&mut connect(daemon.mllp, &first, None, BOTH), b"x").is_err());

    std::fs::write(daemon.home.path().join("lab.key"), "half a fi").expect("written");
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the word about it", || {
        daemon
            .home
            .log()
            .contains("certificates_kept")
            .then_some(())
    });
    let mut again = connect(daemon.mllp, &second, None, BOTH);
    assert!(accepted(
        &exchange(&mut again, &message("4")).expect("an answer"),
        "4"
    ));
    let (_, status) = daemon.stop();
    assert!(status.success());
}

#[test]
fn a_certificate_near_its_end_is_told_of() {
    let authority = Authority::new();
    let daemon = Pentamer::start(home(&authority, 2021, "", ""));
    assert!(daemon.metric("pentamer_tls_expires_seconds", "") < 0.0);
    wait_for("the notice", || {
        let told = certificate_notice(&daemon)?;
        told.contains("of listener `lab` ended at 2021-01-01T00:00:00")
            .then_some(())
    });
    let log = daemon.home.log();
    assert!(log.contains("certificate_ended"), "{log}");
    assert!(log.contains("ended at 2021-01-01T00:00:00Z"), "{log}");
}

/// The text of the notice about certificates, if it stands.
fn certificate_notice(daemon: &Pentamer) -> Option<String> {
    let page: serde_json::Value = serde_json::from_str(&daemon.get("/api/v1/notices").1).ok()?;
    let items = page["items"].as_array()?;
    let found = items.iter().find(|item| item["kind"] == "certificate")?;
    Some(found["text"].as_str()?.to_owned())
}

/// New files need no signal; those that cannot be used are a notice until they can.
#[test]
fn new_files_are_taken_up_by_themselves() {
    let (first, second) = (Authority::new(), Authority::new());
    let daemon = Pentamer::start(home(&first, 2099, "", ""));
    let mut open = connect(daemon.mllp, &first, None, BOTH);
    assert!(accepted(
        &exchange(&mut open, &message("1")).expect("an answer"),
        "1"
    ));
    let renewed = second.issue("lab.example", 2098);
    std::fs::write(daemon.home.path().join("lab.pem"), &renewed.cert).expect("written");
    let told = wait_for("the notice", || certificate_notice(&daemon));
    assert!(
        told.contains("does not fit the certificate") && told.contains("`tls` of listener `lab`"),
        "{told}"
    );
    let mut meanwhile = connect(daemon.mllp, &first, None, BOTH);
    assert!(accepted(
        &exchange(&mut meanwhile, &message("2")).expect("an answer"),
        "2"
    ));
    std::fs::write(daemon.home.path().join("lab.key"), &renewed.key).expect("written");
    wait_for("the end of the notice", || {
        certificate_notice(&daemon).is_none().then_some(())
    });
    let mut new = connect(daemon.mllp, &second, None, BOTH);
    assert!(accepted(
        &exchange(&mut new, &message("3")).expect("an answer"),
        "3"
    ));
    assert!(accepted(
        &exchange(&mut open, &message("4")).expect("an answer"),
        "4"
    ));
}

/// N-1: nothing older than TLS 1.2, and nobody who begins a handshake and never ends it.
#[test]
fn old_versions_and_handshakes_that_stand_still_are_refused() {
    let authority = Authority::new();
    let daemon = Pentamer::start(home(&authority, 2099, "", ""));
    let mut stalled = daemon.connect();
    stalled.send(b"\x16\x03\x01\x00\xff\x01");
    // A ClientHello of TLS 1.1 with signature algorithms, as OpenSSL sends it.
    let mut hello = vec![0x16, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 1]);
    let mut old = daemon.connect().stream;
    old.write_all(&hello).expect("written");
    let mut alert = Vec::new();
    old.read_to_end(&mut alert).expect("read");
    // fatal(2) protocol_version(70)
    assert_eq!((alert.first(), &alert[5..]), (Some(&0x15), &[2, 70][..]));
    wait_for("the count", || {
        (daemon.wire("tls_failed") == 1.0).then_some(())
    });
    let mut good = connect(daemon.mllp, &authority, None, BOTH);
    assert!(accepted(
        &exchange(&mut good, &message("1")).expect("an answer"),
        "1"
    ));
    assert_eq!(stalled.rest(), Vec::<Vec<u8>>::new(), "after ten seconds");
    wait_for("the count", || {
        (daemon.wire("tls_failed") == 2.0).then_some(())
    });
}

/// A system that speaks TLS, and asks for a certificate where `client` says whose.
fn tls_lis(authority: &Authority, client: Option<&Authority>) -> Lis {
    let (chain, key) = authority.issue("lab.example", 2099).chain();
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(BOTH)
        .expect("versions");
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => builder.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(client.roots()),
                provider(),
            )
            .build()
            .expect("a verifier"),
        ),
    };
    let config = Arc::new(builder.with_single_cert(chain, key).expect("fits"));
    Lis::start(move |stream| {
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut stream = StreamOwned::new(session, stream);
        let mut frame = Vec::new();
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte) {
            frame.push(byte[0]);
            if frame.ends_with(b"\x1c\r") {
                let answer = acknowledge(&std::mem::take(&mut frame), "AA");
                if stream
                    .write_all(&answer)
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    return;
                }
            }
        }
    })
}

#[test]
fn a_relay_speaks_tls_on_each_side_by_itself() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (sender_tls, lis_tls) in [(true, false), (false, true), (true, true)] {
        let lis = if lis_tls {
            tls_lis(&theirs, Some(&ours))
        } else {
            Lis::accepting()
        };
        let mut home = home(&ours, 2099, "", "");
        std::fs::write(home.path().join("lis-ca.pem"), theirs.pem()).expect("written");
        let mine = ours.issue("pentamer", 2099).write(home.path(), "pentamer");
        let mut text = lis.relay("");
        if lis_tls {
            let ca = home.path().join("lis-ca.pem");
            text += &format!(
                "relay_tls = {{ ca_file = \"{}\", server_name = \"lab.example\", {mine} }}\n",
                ca.display()
            );
        }
        if sender_tls {
            text += &home.listener_text();
        }
        home = home.with_listener(&text);
        let daemon = Pentamer::start(home);
        let frame = message("1");
        let answer = if sender_tls {
            exchange(&mut connect(daemon.mllp, &ours, None, BOTH), &frame).expect("an answer")
        } else {
            let mut sender = daemon.connect();
            sender.send(&frame);
            sender.answer().expect("an answer")
        };
        assert_eq!(answer, acknowledge(&frame, "AA"), "{sender_tls} {lis_tls}");
        wait_for("the message", || (daemon.stored() == 1.0).then_some(()));
    }
}

/// A system whose certificate is not trusted is as good as down (P-2).
#[test]
fn a_system_that_cannot_be_trusted_is_not_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let lis = tls_lis(&theirs, None);
    let home = Home::new("", "");
    std::fs::write(home.path().join("ca.pem"), ours.pem()).expect("written");
    let text = lis.relay(&format!(
        "relay_tls = {{ ca_file = \"{}\", server_name = \"lab.example\" }}",
        home.path().join("ca.pem").display()
    ));
    let daemon = Pentamer::start(home.with_listener(&text));
    let mut sender = daemon.connect().stream;
    assert_eq!(super::relay::read_to_end(&mut sender), (Vec::new(), true));
    let log = daemon.home.log();
    assert!(
        log.contains("lis_unreachable") && log.contains("invalid peer certificate"),
        "{log}"
    );
}

/// P-12, P-14: TLS from end to end through a relay that has none: opaque bytes.
#[test]
fn tls_of_the_ends_passes_as_it_is() {
    let authority = Authority::new();
    let lis = tls_lis(&authority, None);
    let daemon = Pentamer::start(Home::new(&lis.relay(""), ""));
    let mut sender = connect(daemon.mllp, &authority, None, BOTH);
    let frame = message("1");
    assert_eq!(
        exchange(&mut sender, &frame).expect("an answer"),
        acknowledge(&frame, "AA")
    );
    drop(sender);
    wait_for("the count", || {
        (daemon.wire("opaque_bytes") > 1_000.0).then_some(())
    });
    daemon.settle();
    assert_eq!((daemon.stored(), daemon.wire("junk_bytes")), (0.0, 0.0));
}

#[test]
fn send_speaks_tls_and_shows_its_certificate() {
    let authority = Authority::new();
    let daemon = Pentamer::start(home(&authority, 2099, ", client_ca_file = \"CA\"", ""));
    let dir = daemon.home.path();
    authority.issue("sender", 2099).write(dir, "sender");
    std::fs::write(dir.join("message.hl7"), low_igm("1", "1")).expect("written");
    let path = |name: &str| dir.join(name).display().to_string();
    let send = |more: &[&str]| {
        let output = command()
            .arg("send")
            .arg(daemon.mllp.to_string())
            .arg(path("message.hl7"))
            .args(["--tls-ca", &path("ca.pem")])
            .args(more)
            .output()
            .expect("run");
        let text = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        (output.status.code(), text)
    };
    let (cert, key) = (path("sender.pem"), path("sender.key"));
    let with_cert = ["--tls-cert", &cert, "--tls-key", &key];
    let named = ["--tls-name", "lab.example"];
    let (code, text) = send(&[&with_cert[..], &named].concat());
    assert_eq!(code, Some(0), "{text}");
    let address = daemon.mllp.to_string();
    let generated = command()
        .args(["generate", "--messages", "9", "--send", &address])
        .args(["--tls-ca", &path("ca.pem")])
        .args([&with_cert[..], &named].concat())
        .output()
        .expect("run");
    let told = String::from_utf8_lossy(&generated.stdout).into_owned();
    assert!(told.contains("sent        9\n"), "{told}");
    assert_eq!(generated.status.code(), Some(0), "{told}");
    let (code, text) = send(&named);
    assert_eq!(code, Some(1), "without a certificate: {text}");
    let (code, text) = send(&with_cert);
    assert_eq!(code, Some(1), "under another name: {text}");
    assert!(text.contains("not valid for name"), "{text}");
    let (code, text) = send(&["--tls-cert", &cert]);
    assert_eq!(code, Some(2), "a certificate without its key: {text}");
    assert_eq!(daemon.stored(), 10.0);
}
