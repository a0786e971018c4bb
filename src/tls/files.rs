//! PEM files: certificates, keys, roots.

use super::{TlsFault, Validity};
use crate::core::time::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|source| TlsFault::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn unusable(path: &Path, why: impl ToString) -> TlsFault {
    TlsFault::Unusable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// All certificates of a file, the end entity's first; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| unusable(path, error))?;
    if found.is_empty() {
        return Err(TlsFault::Empty {
            path: path.to_owned(),
            what: "certificate",
        });
    }
    Ok(found)
}

/// The private key of a file (PKCS#8, PKCS#1 or SEC1).
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsFault::Empty {
        path: path.to_owned(),
        what: "private key",
    })
}

/// The certificates of a file as those that others must lead to.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(path, error))?;
    }
    Ok(roots)
}

/// From when to when the first certificate of a chain is valid.
pub(super) fn validity(
    path: &Path,
    chain: &[CertificateDer<'static>],
) -> Result<Validity, TlsFault> {
    let first = chain.first().ok_or_else(|| TlsFault::Empty {
        path: path.to_owned(),
        what: "certificate",
    })?;
    let (_, certificate) =
        X509Certificate::from_der(first).map_err(|error| unusable(path, error))?;
    let at = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    let validity = certificate.validity();
    Ok(Validity {
        from: at(validity.not_before.timestamp()),
        to: at(validity.not_after.timestamp()),
    })
}

/// Who a certificate is for: its alternative names, else its common name.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let mut names: Vec<String> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some((*name).to_owned())
            }
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect();
    let common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok());
    names.extend(common.map(str::to_owned));
    names
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}
