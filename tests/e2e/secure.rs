//! Sinks over TLS, with accounts whose passwords are in files: mail, the broker, the stream, and a listener of
//! ours. Each also with an authority that has not signed the server: nothing is sent to a stranger.

use super::harness::{Home, Pentamer, wait_for};
use super::receivers::broker::{Mail, Nats, Rabbit};
use super::receivers::jwt::Operator;
use super::sinks::{QUICK, page};
use super::tls::{Authority, Identity};
use std::path::{Path, PathBuf};

const HOST: &str = "127.0.0.1";

/// The server's authority and another one, and where they are kept.
struct Trust {
    home: Home,
    server: Identity,
}

impl Trust {
    fn new() -> Self {
        let home = Home::new("", "");
        let (good, other) = (Authority::new(), Authority::new());
        for (name, authority) in [("good", &good), ("other", &other)] {
            std::fs::write(home.path().join(name), authority.pem()).expect("written");
        }
        std::fs::write(home.path().join("password"), "s3cret\n").expect("written");
        let server = good.issue(HOST, 2090);
        Self { home, server }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The server's certificate and key in a directory.
    fn identity(&self, dir: &Path) -> [PathBuf; 2] {
        self.server.write(dir, "server");
        [dir.join("server.pem"), dir.join("server.key")]
    }

    /// One page to two sinks of these lines: `good` knows the authority, `other` another one.
    fn prove(self, lines: &str) {
        let mut extra = String::new();
        for name in ["good", "other"] {
            extra.push_str(&format!(
                "[[sink]]\nname = \"{name}\"\n{lines}\n{QUICK}timeout = \"10s\"\ntls.ca_file = \"{}\"\n",
                self.file(name).display()
            ));
        }
        let daemon = Pentamer::start(self.home.with_extra(&extra));
        page(&daemon, 1, 1);
        let result = |sink: &str, result: &str| {
            let labels = format!("sink=\"{sink}\",result=\"{result}\"");
            daemon.metric("pentamer_deliveries_total", &labels)
        };
        wait_for("the alert over TLS", || {
            (result("good", "delivered") == 1.0).then_some(())
        });
        wait_for("a stranger to be refused", || {
            (result("other", "failed") >= 2.0).then_some(())
        });
        assert_eq!(result("other", "delivered") + result("other", "dead"), 0.0);
    }
}

#[test]
fn mail_by_starttls_and_account() {
    let trust = Trust::new();
    let server = Mail::start_with(&trust.identity(trust.home.path()));
    let lines = format!(
        "kind = \"smtp\"\nserver = \"{HOST}:{}\"\nsecurity = \"starttls\"\nusername = \"pentamer\"\n\
         password_file = \"{}\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"",
        server.port,
        trust.file("password").display()
    );
    trust.prove(&lines);
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn rabbitmq_by_tls_and_account() {
    let trust = Trust::new();
    let tls = super::receivers::free_port();
    let server = Rabbit::start_with(|dir, _| {
        let [cert, key] = trust.identity(dir);
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&key, readable).expect("opened");
        format!(
            "listeners.ssl.1 = {HOST}:{tls}\nssl_options.cacertfile = {0}\nssl_options.certfile = {0}\n\
             ssl_options.keyfile = {1}\nssl_options.verify = verify_none\n\
             ssl_options.fail_if_no_peer_cert = false\ndefault_user = pentamer\ndefault_pass = s3cret\n",
            cert.display(),
            key.display()
        )
    });
    let plain = format!("amqp://pentamer:s3cret@{HOST}:{}/%2f", server.port);
    let runtime = super::brokers::runtime();
    super::brokers::until(&runtime, "a queue", async || {
        super::brokers::bind_queue(&plain).await
    });
    let lines = format!(
        "kind = \"amqp\"\nurl = \"amqps://pentamer@{HOST}:{tls}/%2f\"\npassword_file = \"{}\"\n\
         exchange = \"alerts\"\nrouting_key = \"pentamer.alert\"",
        trust.file("password").display()
    );
    trust.prove(&lines);
}

#[test]
fn jetstream_by_tls() {
    let trust = Trust::new();
    let [cert, key] = trust.identity(trust.home.path());
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let more = ["--tls", "--tlscert", &cert, "--tlskey", &key].map(str::to_owned);
    let server = Nats::start_with(&more);
    let runtime = super::brokers::runtime();
    let authority = trust.file("good");
    super::brokers::until(&runtime, "a stream", async || {
        super::brokers::stream_over(&server.url(), 1, Some(&authority)).await
    });
    trust.prove(&format!(
        "kind = \"nats\"\nurl = \"{}\"\nsubject = \"pentamer.alerts\"",
        server.url()
    ));
}

async fn stream_as(url: &str, credentials: &str) -> Result<(), String> {
    let options = async_nats::ConnectOptions::with_credentials(credentials);
    let options = options.map_err(|error| error.to_string())?;
    let client = options.connect(url).await;
    let client = client.map_err(|error| error.to_string())?;
    let config = async_nats::jetstream::stream::Config {
        name: "ALERTS".to_owned(),
        subjects: vec!["pentamer.>".to_owned()],
        ..Default::default()
    };
    let made = async_nats::jetstream::new(client)
        .get_or_create_stream(config)
        .await;
    made.map(drop).map_err(|error| error.to_string())
}

#[test]
fn jetstream_by_credentials_of_an_operator() {
    let operator = Operator::new();
    let home = Home::new("", "");
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let config = file("nats.conf", &operator.config);
    let server = Nats::start_with(&["-c".to_owned(), config]);
    let runtime = super::brokers::runtime();
    super::brokers::until(&runtime, "a stream", async || {
        stream_as(&server.url(), &operator.credentials).await
    });
    let mut extra = String::new();
    for (name, text) in [("good", &operator.credentials), ("other", &operator.forged)] {
        let credentials = file(&format!("{name}.creds"), text);
        extra.push_str(&format!(
            "[[sink]]\nname = \"{name}\"\nkind = \"nats\"\nurl = \"{}\"\nsubject = \"pentamer.alerts\"\n\
             credentials_file = \"{credentials}\"\n{QUICK}timeout = \"10s\"\n",
            server.url()
        ));
    }
    let daemon = Pentamer::start(home.with_extra(&extra));
    page(&daemon, 1, 1);
    let result = |sink: &str, result: &str| {
        let labels = format!("sink=\"{sink}\",result=\"{result}\"");
        daemon.metric("pentamer_deliveries_total", &labels)
    };
    wait_for("the alert", || {
        (result("good", "delivered") == 1.0).then_some(())
    });
    wait_for("a stranger to be turned away", || {
        (result("other", "failed") >= 2.0).then_some(())
    });
    assert_eq!(result("other", "delivered") + result("other", "dead"), 0.0);
}

#[test]
fn hl7_by_tls_to_a_listener_of_ours() {
    let trust = Trust::new();
    let his = Home::new("", "");
    let keys = trust.server.write(his.path(), "server");
    let his = Pentamer::start(his.with_listener(&format!("tls = {{ {keys} }}")));
    trust.prove(&format!("kind = \"mllp\"\naddress = \"{}\"", his.mllp));
    wait_for("its own alert", || {
        (his.home.alerts().len() == 1).then_some(())
    });
}
