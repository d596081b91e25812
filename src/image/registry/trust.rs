//! Which certificates are trusted, and which one is shown: the system's CAs, and the folder of a registry
//! (containers-certs.d(5)).

use super::error::RegistryError;
use crate::model::Paths;
use crate::sys::file;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Longest file of certificates, in bytes.
const FILE_MAX: u64 = 8 << 20;
/// Most files in the folder of a registry.
const FILES_MAX: usize = 256;

/// What TLS is set up with for everything that one registry leads to.
#[derive(Debug)]
pub struct Trust {
    paths: Paths,
    /// The registry's name with its port, by which its folder is called.
    name: String,
    /// The host with its port that is behind that name.
    host: String,
    /// The only folder, if it was given.
    folder: Option<PathBuf>,
    is_verified: bool,
    system: OnceLock<Vec<Certificate<'static>>>,
}

/// What a folder holds.
#[derive(Default)]
struct Folder {
    authorities: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

impl Trust {
    /// For the registry `name` on `host`, both `HOST[:PORT]`. With `folder`, only that one is looked into for the registry's
    /// certificates. Reads nothing yet.
    pub fn new(paths: &Paths, name: &str, host: &str, folder: Option<&Path>, is_verified: bool) -> Self {
        Self {
            paths: paths.clone(),
            name: name.to_owned(),
            host: host.to_ascii_lowercase(),
            folder: folder.map(Path::to_owned),
            is_verified,
            system: OnceLock::new(),
        }
    }

    /// What TLS to `host` is set up with. The registry's CAs are trusted wherever it leads to, but what is shown of
    /// this machine is shown to its own host only.
    ///
    /// # Errors
    /// A file that cannot be read or is no certificate.
    pub fn config(&self, host: &str) -> Result<TlsConfig, RegistryError> {
        let own = match &self.folder {
            Some(folder) => read_folder(folder)?.ok_or_else(|| RegistryError::Host {
                path: folder.clone(),
                problem: "there is no such folder of certificates".to_owned(),
            })?,
            None => self.first_folder(&self.name)?,
        };
        let (mut authorities, client) = (own.authorities, own.client);
        let client = if host == self.host {
            client
        } else {
            let other = self.first_folder(host)?;
            authorities.extend(other.authorities);
            other.client
        };
        if self.is_verified {
            authorities.extend(self.system()?.iter().cloned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .disable_verification(!self.is_verified)
            .root_certs(RootCerts::new_with_certs(&authorities))
            .client_cert(client);
        Ok(config.build())
    }

    fn first_folder(&self, host: &str) -> Result<Folder, RegistryError> {
        for folder in self.paths.registry_certificates(host) {
            if let Some(found) = read_folder(&folder)? {
                return Ok(found);
            }
        }
        Ok(Folder::default())
    }

    fn system(&self) -> Result<&Vec<Certificate<'static>>, RegistryError> {
        if let Some(read) = self.system.get() {
            return Ok(read);
        }
        let mut certificates = Vec::new();
        for path in self.paths.certificate_bundles() {
            match file::read(&path, FILE_MAX) {
                Err(error) if is_missing(&error) => {}
                read => {
                    certificates = certificates_of(&path, &read.map_err(|error| unreadable(&path, &error))?)?;
                    break;
                }
            }
        }
        Ok(self.system.get_or_init(|| certificates))
    }
}

/// Reads the folder of a registry, if it is there.
fn read_folder(folder: &Path) -> Result<Option<Folder>, RegistryError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_missing(&error) => return Ok(None),
        entries => entries.map_err(|error| unreadable(folder, &error))?,
    };
    let mut files = Vec::new();
    for entry in entries.take(FILES_MAX) {
        files.push(entry.map_err(|error| unreadable(folder, &error))?.path());
    }
    files.sort();
    let mut found = Folder::default();
    for path in files {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(certificates_of(&path, &read(&path)?)?),
            Some("cert") if found.client.is_none() => found.client = Some(client(&path)?),
            Some("key") if !path.with_extension("cert").exists() => {
                let problem = "there is no .cert of the same name beside it".to_owned();
                return Err(RegistryError::Host { path, problem });
            }
            _ => {}
        }
    }
    Ok(Some(found))
}

/// The certificate that is shown, `path`, and its key beside it.
fn client(path: &Path) -> Result<ClientCert, RegistryError> {
    let failed = |path: &Path, problem: String| RegistryError::Host {
        path: path.to_owned(),
        problem,
    };
    let chain = certificates_of(path, &read(path)?)?;
    let key_path = path.with_extension("key");
    let key_pem = read(&key_path)?;
    let no_key = || {
        failed(
            &key_path,
            "there is no private key in it that can be read".to_owned(),
        )
    };
    let key = PrivateKey::from_pem(&key_pem).map_err(|_| no_key())?;
    // Checked here: what does not fit together would end the program in the middle of a handshake.
    let chain_der = chain.iter().map(|part| CertificateDer::from(part.der().to_vec()));
    let key_der = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| no_key())?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain_der.collect(), key_der, &provider)
        .map_err(|error| failed(path, format!("it cannot be used with the key beside it: {error}")))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// The certificates in a PEM file; at least one.
fn certificates_of(path: &Path, pem: &[u8]) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let certificates: Vec<Certificate<'static>> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    match certificates.is_empty() {
        true => Err(RegistryError::Host {
            path: path.to_owned(),
            problem: "there is no certificate in it: it has to be a PEM file".to_owned(),
        }),
        false => Ok(certificates),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    file::read(path, FILE_MAX).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> RegistryError {
    RegistryError::Host {
        path: path.to_owned(),
        problem: format!("cannot be read: {error}"),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
