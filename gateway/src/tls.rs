//! Encryption: certificates from files, read again on demand. A connection keeps what it began with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Whether clients have to show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    Ignored,
    /// They may; one that is shown has to be good.
    Requested,
    /// They have to.
    Required,
}

/// Where certificates and keys are: files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, and those between it and one that clients know.
    pub certificate: PathBuf,
    /// Its private key, without a password.
    pub key: PathBuf,
    /// The certificates that those of clients have to be signed with.
    pub client_authorities: Option<PathBuf>,
    /// Whether clients have to show theirs.
    pub client_certificates: ClientCertificates,
}

/// Why encryption cannot be set up: the operator's files, and what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// What new connections are encrypted with.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

/// The files only.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = RwLock::new(read(&files)?);
        Ok(Tls { files, current })
    }

    /// Reads the files again, for connections from now on. After an error everything is as it was.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn reload(&self) -> Result<(), TlsError> {
        let renewed = read(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(default_provider());
    let wrong = |what: &dyn fmt::Display| TlsError(format!("TLS cannot be set up: {what}"));
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| wrong(&error))?;
    let builder = match client_authorities(files)? {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
            let verifier = match files.client_certificates {
                ClientCertificates::Requested => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(&error))?)
        }
    };
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?);
    let key = key.map_err(|error| at(&files.key, &format!("no private key in PEM: {error}")))?;
    let config = builder.with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| at(&files.certificate, &error))
}

fn client_authorities(files: &TlsFiles) -> Result<Option<RootCertStore>, TlsError> {
    let path = match (&files.client_authorities, files.client_certificates) {
        (_, ClientCertificates::Ignored) => return Ok(None),
        (None, _) => {
            return Err(TlsError(
                "clients are asked for certificates, and nothing says who may sign them".into(),
            ));
        }
        (Some(path), _) => path,
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| at(path, &error))?;
    }
    Ok(Some(store))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(at(path, &"no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(error) => Err(at(path, &format!("no certificate in PEM: {error}"))),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| at(path, &error))
}

fn at(path: &Path, what: &dyn fmt::Display) -> TlsError {
    TlsError(format!("{}: {what}", path.display()))
}
