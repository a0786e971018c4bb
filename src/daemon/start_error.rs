//! Why a daemon cannot start.

use crate::cluster;
use crate::journal::JournalError;
use crate::seal::KeyFileError;
use crate::service::HandedError;
use crate::tls::TlsFault;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the journal in it.
    #[error("cannot open the data directory `{}`", dir.display())]
    Journal {
        /// The directory.
        dir: PathBuf,
        /// What happened.
        #[source]
        source: JournalError,
    },
    /// The stream of facts.
    #[error("cannot use the stream of facts")]
    Cluster(#[source] cluster::OpenError),
    /// The data directory is one of an instance that shares a stream, and none is configured.
    #[error("the facts of `{}` are in a stream", dir.display())]
    OfAStream {
        /// The directory.
        dir: PathBuf,
    },
    /// It was told to end before it was started.
    #[error("told to end while the stream of facts did not answer")]
    Ended,
    /// The file of keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A port.
    #[error("cannot bind {what} to {address}")]
    Bind {
        /// ``listener `default` `` or `HTTP`.
        what: String,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A listener's certificates.
    #[error("cannot use the certificates of listener `{listener}`")]
    Tls {
        /// Its name.
        listener: String,
        /// What is wrong with them.
        #[source]
        source: TlsFault,
    },
    /// The certificates of the pages.
    #[error("cannot use the certificates of the pages")]
    WebTls(#[source] TlsFault),
    /// A socket that the service manager handed over.
    #[error("cannot listen where the service manager does")]
    Handed(#[source] HandedError),
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}
