//! The connecting side.

use super::changes::Changes;
use super::{TlsFault, Validity, files, provider};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// `relay_tls` of a listener, and what `send --tls` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Authorities that the server's certificate must lead to.
    pub ca_file: PathBuf,
    /// Name or address that the server's certificate must hold.
    pub server_name: String,
    /// Our own certificate and key, where the server asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    validity: Option<Validity>,
}

impl ClientFiles {
    /// Reads and checks all files; the validity is that of our own certificate.
    pub fn check(&self) -> Result<Option<Validity>, TlsFault> {
        self.name()?;
        Ok(self.load()?.validity)
    }

    fn paths(&self) -> Vec<PathBuf> {
        let own = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        own.chain([&self.ca_file]).cloned().collect()
    }

    fn name(&self) -> Result<ServerName<'static>, TlsFault> {
        ServerName::try_from(self.server_name.clone())
            .map_err(|_| TlsFault::ServerName(self.server_name.clone()))
    }

    fn load(&self) -> Result<Loaded, TlsFault> {
        let roots = files::roots(&self.ca_file)?;
        let unusable = |error: &Error| TlsFault::Unusable {
            path: self.ca_file.clone(),
            why: error.to_string(),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots);
        let Some((cert, key)) = &self.identity else {
            return Ok(Loaded {
                config: Arc::new(builder.with_no_client_auth()),
                validity: None,
            });
        };
        let chain = files::certificates(cert)?;
        let validity = files::validity(cert, &chain)?;
        let config = builder
            .with_client_auth_cert(chain, files::key(key)?)
            .map_err(|error| match error {
                Error::InconsistentKeys(_) => TlsFault::KeyMismatch {
                    cert: cert.clone(),
                    key: key.clone(),
                },
                other => unusable(&other),
            })?;
        Ok(Loaded {
            config: Arc::new(config),
            validity: Some(validity),
        })
    }
}

/// The connecting side with what holds now.
pub struct Client {
    files: ClientFiles,
    changes: Changes,
    name: ServerName<'static>,
    now: RwLock<Loaded>,
}

impl Client {
    /// Reads the files; they are read again only by [`reload`](Self::reload).
    pub fn new(files: ClientFiles) -> Result<Self, TlsFault> {
        let name = files.name()?;
        let changes = Changes::of(files.paths());
        let now = RwLock::new(files.load()?);
        Ok(Self {
            files,
            changes,
            name,
            now,
        })
    }

    /// Whether the files have changed since they were read, and stand still since the last call.
    pub fn has_new_files(&self) -> bool {
        self.changes.are_there()
    }

    /// Reads the files again, for connections to come. On an error all stays as it was.
    pub fn reload(&self) -> Result<Option<Validity>, TlsFault> {
        self.changes.read_now();
        let loaded = self.files.load()?;
        let validity = loaded.validity;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(validity)
    }

    /// From when to when our own certificate is valid, where we have one.
    pub fn validity(&self) -> Option<Validity> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .validity
    }

    /// Shakes hands with the server.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = {
            let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&now.config)
        };
        TlsConnector::from(config)
            .connect(self.name.clone(), stream)
            .await
    }
}
