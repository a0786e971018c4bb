//! What is wrong with the files of a TLS side.

use std::io;
use std::path::PathBuf;

/// Why certificates or keys cannot be used. The text names no content of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM, or holds nothing of what it should.
    #[error("`{}` holds no {what}", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// A certificate or key that cannot be understood.
    #[error("`{}` is not usable: {why}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Certificate and key do not belong together.
    #[error("the key `{}` does not fit the certificate `{}`", key.display(), cert.display())]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A name that cannot be in a certificate.
    #[error("`{0}` is no name of a server")]
    ServerName(String),
}

impl TlsFault {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => {
                "name a file that the daemon's user can read; a relative path is below the working directory"
            }
            Self::Empty { .. } | Self::Unusable { .. } => {
                "write PEM: `-----BEGIN CERTIFICATE-----`, the server's own first, or `-----BEGIN PRIVATE KEY-----`"
            }
            Self::KeyMismatch { .. } => {
                "name the key that the certificate was made for (`openssl x509 -noout -pubkey`, `openssl pkey -pubout`)"
            }
            Self::ServerName(_) => "write a DNS name or an IP address",
        }
    }

    /// The configuration key that names the file at fault.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::KeyMismatch { .. } => "key_file",
            Self::ServerName(_) => "server_name",
            Self::Unreadable { .. } | Self::Empty { .. } | Self::Unusable { .. } => "",
        }
    }

    /// The file at fault.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Unreadable { path, .. }
            | Self::Empty { path, .. }
            | Self::Unusable { path, .. } => Some(path),
            Self::KeyMismatch { key, .. } => Some(key),
            Self::ServerName(_) => None,
        }
    }
}
