//! TLS from files. A certificate that cannot be used is an error at start, never a fall-back to clear
//! text.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use super::settings::TlsFiles;
use crate::error::HistoryError;

/// Reads certificate and key.
///
/// # Errors
/// When a file cannot be read, or the two do not belong together.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, HistoryError> {
    let unreadable = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        HistoryError::Settings(format!("{}: {error}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(unreadable(&files.certificate, &"holds no certificate in PEM form"));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| unreadable(&files.certificate, &error))?;
    // Clients that begin with TLS at once name the protocol so.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
