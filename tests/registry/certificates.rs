//! A CA of our own and what it signs, made by openssl.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// `ca.crt`, `server.crt` for 127.0.0.1 and localhost, `client.crt`, and their keys.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        certificates.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt");
        for name in ["server", "client"] {
            certificates.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ));
            fs::write(certificates.path("names"), names).unwrap();
            certificates.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
            ));
        }
        certificates
    }

    /// `token.crt`, which nobody else has signed, and its RSA key: the signatures of token servers are of those.
    pub(crate) fn for_tokens() -> Self {
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        certificates.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens -keyout token.key -out token.crt",
        );
        certificates
    }

    fn openssl(&self, arguments: &str) {
        let made = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.folder)
            .output();
        let made = made.expect("openssl is needed: apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// TLS as the server speaks it; `with_client` if clients have to show a certificate of the CA.
    pub(crate) fn server(&self, with_client: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = |path: &Path| CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if with_client {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(&self.path("ca.crt")));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let chain = certificates(&self.path("server.crt")).collect();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}
