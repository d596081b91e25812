//! What went wrong with a request, in the words of this program.

use super::error::{RegistryError, words};
use super::http::HEADERS_MAX;
use std::time::Duration;

const NOT_TLS: &str = "it does not speak TLS";

/// What an error while a body is read means.
pub fn failure_of_read(host: &str, error: std::io::Error, timeout: Duration) -> RegistryError {
    match error.downcast::<RegistryError>() {
        Ok(error) => error,
        Err(error) => failure(host, ureq::Error::from(error), timeout),
    }
}

/// What an error of a request means.
pub(super) fn failure(host: &str, error: ureq::Error, timeout: Duration) -> RegistryError {
    let host = host.to_owned();
    let unreachable = |reason: String| RegistryError::Unreachable {
        host: host.clone(),
        reason: words(&reason),
    };
    match error {
        ureq::Error::Timeout(which) => RegistryError::Silent {
            limit: timeout,
            doing: match which {
                ureq::Timeout::Resolve => "asking for its address",
                ureq::Timeout::Connect => "connecting",
                ureq::Timeout::SendRequest | ureq::Timeout::SendBody => "sending a request",
                _ => "waiting for an answer",
            },
            host,
        },
        ureq::Error::HostNotFound => unreachable("there is no such host".to_owned()),
        ureq::Error::Rustls(error) => tls_failure(host, &error),
        ureq::Error::Io(error) => {
            let tls = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match tls {
                Some(tls) => tls_failure(host, tls),
                None => unreachable(error.to_string()),
            }
        }
        ureq::Error::ConnectProxyFailed(reason) => unreachable(format!("its proxy: {reason}")),
        ureq::Error::Protocol(error) => RegistryError::Protocol {
            problem: words(&error.to_string()),
            host,
        },
        ureq::Error::LargeResponseHeader(..) => RegistryError::Protocol {
            problem: format!("the headers of its answer are longer than {HEADERS_MAX} bytes"),
            host,
        },
        other => unreachable(other.to_string()),
    }
}

fn tls_failure(host: String, error: &rustls::Error) -> RegistryError {
    use rustls::CertificateError;
    let problem = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "its certificate is not signed by a CA that this machine trusts: put the CA's certificate into \
             /etc/containers/certs.d/{host}/ca.crt, or install ca-certificates if this machine trusts none"
        ),
        rustls::Error::InvalidCertificate(error) => format!("its certificate is not accepted: {error}"),
        rustls::Error::InvalidMessage(_) => NOT_TLS.to_owned(),
        error => format!("TLS fails: {}", words(&error.to_string())),
    };
    RegistryError::Tls { host, problem }
}

/// Whether an error says that plain HTTP may be spoken where TLS was tried.
pub fn is_not_tls(error: &RegistryError) -> bool {
    match error {
        RegistryError::Tls { problem, .. } => problem == NOT_TLS,
        RegistryError::Unreachable { .. } => true,
        _ => false,
    }
}
