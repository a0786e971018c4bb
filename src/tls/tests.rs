//! Files as people have them: wrong ones, too.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use std::path::{Path, PathBuf};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// A certificate and its key.
    fn identity(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_after = rcgen::date_time_ymd(2031, 5, 17);
        let certificate = params.self_signed(&key).expect("a certificate");
        (
            self.write(&format!("{name}.pem"), &certificate.pem()),
            self.write(&format!("{name}.key"), &key.serialize_pem()),
        )
    }
}

fn server(cert: &Path, key: &Path) -> ServerFiles {
    ServerFiles {
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        client_ca_file: None,
        client_names: Vec::new(),
    }
}

fn fault(files: &ServerFiles) -> String {
    files.check().expect_err("a fault").to_string()
}

#[test]
fn a_certificate_says_when_it_ends() {
    let folder = Folder::new();
    let (cert, key) = folder.identity("lab.example");
    let validity = server(&cert, &key).check().expect("good");
    let day = Timestamp::from_micros(1_936_742_400_000_000);
    assert_eq!(validity.to, day, "2031-05-17");
    assert_eq!(validity.seconds_left(day), 0);
    assert!(validity.holds(day) && !validity.holds(Timestamp::from_micros(day.as_micros() + 1)));
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let folder = Folder::new();
    let (cert, key) = folder.identity("one");
    let (_, other_key) = folder.identity("two");
    let none = folder.0.path().join("none.pem");
    let text = folder.write("text.pem", "not PEM at all\n");
    let broken = folder.write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let says = |files: &ServerFiles, words: &str| {
        let found = fault(files);
        assert!(found.contains(words), "{found}");
    };
    says(&server(&none, &key), "cannot read");
    says(&server(&text, &key), "holds no certificate");
    says(&server(&broken, &key), "is not usable");
    says(&server(&cert, &text), "holds no private key");
    says(&server(&cert, &cert), "holds no private key");
    says(&server(&cert, &other_key), "does not fit the certificate");
    let mut with_ca = server(&cert, &key);
    with_ca.client_ca_file = Some(text);
    says(&with_ca, "holds no certificate");
    with_ca.client_ca_file = Some(cert.clone());
    assert!(with_ca.check().is_ok());

    let client = |name: &str| ClientFiles {
        ca_file: cert.clone(),
        server_name: name.to_owned(),
        identity: Some((cert.clone(), other_key.clone())),
    };
    assert!(matches!(
        client("lab").check(),
        Err(TlsFault::KeyMismatch { .. })
    ));
    assert!(matches!(
        client("not a name").check(),
        Err(TlsFault::ServerName(_))
    ));
}

#[test]
fn a_wrong_file_at_reload_changes_nothing() {
    let folder = Folder::new();
    let (cert, key) = folder.identity("lab");
    let server = Server::new(server(&cert, &key)).expect("good");
    let before = server.validity();
    std::fs::write(&cert, "half a fi").expect("written");
    assert!(server.reload().is_err());
    assert_eq!(server.validity(), before);
}

#[test]
fn names_are_alternative_and_common_ones() {
    let folder = Folder::new();
    let (cert, _) = folder.identity("analyzer-1.lab.example");
    let chain = files::certificates(&cert).expect("read");
    let names = files::names(&chain[0]);
    assert!(
        names.contains(&"analyzer-1.lab.example".to_owned()),
        "{names:?}"
    );
}
