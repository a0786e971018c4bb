//! TLS towards receivers: the system's authorities, and the one that `tls.ca_file` names.

use super::SinkError;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let wrong = |error: &dyn std::fmt::Display| {
        SinkError::later(format!("cannot use `{}`: {error}", file.display()))
    };
    let pem =
        crate::config::read_secret(file).map_err(|error| SinkError::later(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"no certificate in it"));
    }
    Ok(found)
}

/// A client's settings.
pub(super) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, SinkError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    for certificate in ca_file.map(certificates).transpose()?.unwrap_or_default() {
        roots
            .add(certificate)
            .map_err(|error| SinkError::later(format!("`tls.ca_file`: {error}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SinkError::later(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
