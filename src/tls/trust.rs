//! Whom the commands believe that it is the daemon.

use super::{TlsFault, files, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::path::PathBuf;
use std::sync::Arc;

/// What a server's certificate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Of an authority of the system, for the server's name.
    System,
    /// Of the authorities in this file, for the server's name.
    Authority(PathBuf),
    /// The first certificate of this file and no other, whatever name it holds: that of the daemon on this
    /// machine, as its configuration names it.
    Certificate(PathBuf),
}

impl Trust {
    /// The client's settings.
    ///
    /// # Errors
    /// A file cannot be read, or holds no certificate.
    pub fn settings(&self) -> Result<Arc<ClientConfig>, TlsFault> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(|error| TlsFault::Unusable {
                path: PathBuf::new(),
                why: error.to_string(),
            })?;
        let config = match self {
            Self::System => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                builder.with_root_certificates(roots)
            }
            Self::Authority(file) => builder.with_root_certificates(files::roots(file)?),
            Self::Certificate(file) => {
                let mut chain = files::certificates(file)?.into_iter();
                let only = Only {
                    certificate: chain.next(),
                    provider: provider(),
                };
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(only))
            }
        };
        Ok(Arc::new(config.with_no_client_auth()))
    }
}

/// One certificate; that the server has its key is checked by the handshake's signature.
#[derive(Debug)]
struct Only {
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificate.as_ref() == Some(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
