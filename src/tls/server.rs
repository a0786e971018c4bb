//! The accepting side.

use super::changes::Changes;
use super::{TlsFault, Validity, files, provider};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, ServerConfig};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// `tls` of a listener: where its certificate, its key and its senders' authority are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Certificate chain in PEM, the listener's own first.
    pub cert_file: PathBuf,
    /// Its private key in PEM.
    pub key_file: PathBuf,
    /// Authorities of client certificates; with it every sender must show one.
    pub client_ca_file: Option<PathBuf>,
    /// Alternative or common names of which a client certificate must have one; empty: any.
    pub client_names: Vec<String>,
}

/// What is made of the files.
struct Loaded {
    config: Arc<ServerConfig>,
    validity: Validity,
}

impl ServerFiles {
    /// Reads and checks all files.
    pub fn check(&self) -> Result<Validity, TlsFault> {
        Ok(self.load()?.validity)
    }

    fn paths(&self) -> Vec<PathBuf> {
        let own = [self.cert_file.clone(), self.key_file.clone()];
        own.into_iter().chain(self.client_ca_file.clone()).collect()
    }

    fn load(&self) -> Result<Loaded, TlsFault> {
        let chain = files::certificates(&self.cert_file)?;
        let validity = files::validity(&self.cert_file, &chain)?;
        let key = files::key(&self.key_file)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(|error| unusable(&self.cert_file, &error))?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(files::roots(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|error| TlsFault::Unusable {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                Error::InconsistentKeys(_) => TlsFault::KeyMismatch {
                    cert: self.cert_file.clone(),
                    key: self.key_file.clone(),
                },
                other => unusable(&self.key_file, &other),
            })?;
        Ok(Loaded {
            config: Arc::new(config),
            validity,
        })
    }
}

fn unusable(path: &std::path::Path, error: &Error) -> TlsFault {
    TlsFault::Unusable {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// The accepting side with what holds now.
pub struct Server {
    files: ServerFiles,
    changes: Changes,
    now: RwLock<Loaded>,
}

impl Server {
    /// Reads the files; they are read again only by [`reload`](Self::reload).
    pub fn new(files: ServerFiles) -> Result<Self, TlsFault> {
        let changes = Changes::of(files.paths());
        let now = RwLock::new(files.load()?);
        Ok(Self {
            files,
            changes,
            now,
        })
    }

    /// Whether the files have changed since they were read, and stand still since the last call.
    pub fn has_new_files(&self) -> bool {
        self.changes.are_there()
    }

    /// Reads the files again. Open connections go on as they are; on an error all stays as it was.
    pub fn reload(&self) -> Result<Validity, TlsFault> {
        self.changes.read_now();
        let loaded = self.files.load()?;
        let validity = loaded.validity;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(validity)
    }

    /// From when to when the certificate in force is valid.
    pub fn validity(&self) -> Validity {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .validity
    }

    /// Shakes hands with a client, and holds its certificate against the names that may send.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = {
            let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&now.config)
        };
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        if self.files.client_ca_file.is_some() && !self.files.client_names.is_empty() {
            let (_, session) = stream.get_ref();
            let names = session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(files::names)
                .unwrap_or_default();
            if !names
                .iter()
                .any(|name| self.files.client_names.contains(name))
            {
                let refused = Error::InvalidCertificate(CertificateError::NotValidForName);
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
            }
        }
        Ok(stream)
    }
}

/// Why a handshake did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client showed no certificate, or one that is not trusted (`tls_denied`).
    Certificate,
    /// No common version or cipher, or no TLS at all (`tls_failed`).
    Protocol,
    /// The connection ended (`tls_failed`).
    Gone,
}

/// What a failed [`Server::accept`] means.
pub fn why_refused(error: &io::Error) -> Refusal {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => Refusal::Certificate,
        Some(_) => Refusal::Protocol,
        None => Refusal::Gone,
    }
}
