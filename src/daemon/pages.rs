//! What the pages need of the configuration: who may open them, and their certificates.

use super::StartError;
use crate::config::Http;
use crate::tls::Server;
use crate::web::{Access, Rules};
use std::io;
use std::sync::Arc;

/// Before the port is bound.
pub(super) struct Pages {
    pub(super) access: Arc<Access>,
    pub(super) tls: Option<Arc<Server>>,
}

impl Pages {
    pub(super) fn new(http: &Http) -> Result<Self, StartError> {
        let tls = http.tls.clone().map(Server::new).transpose();
        let tls = tls.map_err(StartError::WebTls)?.map(Arc::new);
        let access = Access::new(rules(http), tls.is_some())
            .map_err(|error| StartError::Thread(io::Error::other(error)))?;
        Ok(Self {
            access: Arc::new(access),
            tls,
        })
    }
}

/// Who may open the pages, as configured.
pub(super) fn rules(http: &Http) -> Rules {
    Rules {
        users: http.users.clone(),
        tokens: http.tokens.clone(),
        terms: http.terms(),
        trusted_header: http.trusted_header.clone(),
        trusted_proxies: http.trusted_proxies.clone(),
    }
}
