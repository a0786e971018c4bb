//! Sockets that were bound before the daemon started (WIRE P-9): connections wait in their backlog
//! while it is restarted.

use listenfd::ListenFd;
use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;

/// The sockets handed over, each under the name of a listener, or `http`.
#[derive(Debug, Default)]
pub struct Handed(BTreeMap<String, TcpListener>);

/// Sockets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// Not a listening TCP socket.
    #[error("socket `{name}` that was handed over cannot be used")]
    Unfit {
        /// Its name.
        name: String,
        /// What it is.
        #[source]
        source: io::Error,
    },
    /// Two of one name.
    #[error("two sockets named `{0}` were handed over")]
    Twice(String),
    /// Nobody listens on it.
    #[error("a socket named `{name}` was handed over, and no listener has this name")]
    Unknown {
        /// Its name.
        name: String,
        /// The names that there are.
        names: String,
    },
}

impl HandedError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unfit { .. } => {
                "a socket unit of ours has `ListenStream=` with an address and a port".to_owned()
            }
            Self::Twice(_) => {
                "a listener has one address: one `ListenStream=` a socket unit (`[::]` with `BindIPv6Only=both` takes IPv4 too)".to_owned()
            }
            Self::Unknown { names, .. } => format!(
                "`FileDescriptorName=` of the socket unit names a `[[listener]]`, or `http`; there are {names}"
            ),
        }
    }
}

impl Handed {
    /// Takes what systemd left for this process, by the names in `LISTEN_FDNAMES` (`names`); nothing
    /// where that was meant for another process. To be called before there are threads.
    pub fn take_up(names: Option<&str>) -> Result<Self, HandedError> {
        let mut sockets = ListenFd::from_env();
        let mut names = names.unwrap_or_default().split(':');
        let mut by_name = BTreeMap::new();
        for number in 0..sockets.len() {
            let name = match names.next() {
                None | Some("") => "unknown".to_owned(),
                Some(name) => name.to_owned(),
            };
            let taken = sockets
                .take_tcp_listener(number)
                .and_then(|socket| socket.ok_or_else(|| io::ErrorKind::NotFound.into()))
                .and_then(|socket| is_listening(&socket).map(|()| socket));
            let socket = taken.map_err(|source| HandedError::Unfit {
                name: name.clone(),
                source,
            })?;
            if by_name.insert(name.clone(), socket).is_some() {
                return Err(HandedError::Twice(name));
            }
        }
        Ok(Self(by_name))
    }

    /// The one for this listener.
    pub fn take(&mut self, name: &str) -> Option<TcpListener> {
        self.0.remove(name)
    }

    /// An error where a socket has none of these names.
    pub fn check<'a>(
        &self,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), HandedError> {
        let stray = self
            .0
            .keys()
            .find(|name| !known.clone().any(|one| one == *name));
        stray.map_or(Ok(()), |name| {
            let names: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            Err(HandedError::Unknown {
                name: name.clone(),
                names: names.join(", "),
            })
        })
    }
}

/// A socket that is connected instead would fail at each accept, for ever.
fn is_listening(socket: &TcpListener) -> io::Result<()> {
    if socket2::SockRef::from(socket).is_listener()? {
        return Ok(());
    }
    let why = "it does not listen (`Accept=yes` in its unit?)";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(name: &str) -> Handed {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Handed([(name.to_owned(), socket)].into())
    }

    #[test]
    fn a_socket_that_nobody_knows_is_named_with_those_that_are() {
        let mut handed = handed("lap");
        let error = handed.check(["lab", "http"].into_iter()).unwrap_err();
        assert!(error.to_string().contains("`lap`"), "{error}");
        assert!(error.remedy().contains("`lab`, `http`"));
        assert!(handed.take("lab").is_none() && handed.take("lap").is_some());
        assert!(handed.check(["lab"].into_iter()).is_ok(), "taken");
    }

    #[test]
    fn only_what_listens_is_listened_on() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(is_listening(&listening).is_ok());
        let to = listening.local_addr().unwrap();
        let connected = std::net::TcpStream::connect(to).unwrap();
        let connected = TcpListener::from(std::os::fd::OwnedFd::from(connected));
        assert!(is_listening(&connected).is_err());
    }
}
