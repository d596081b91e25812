//! Where an image is asked for: mirrors first, then the registry, or the place that stands in for it.

use super::url::Url;
use crate::model::Reference;
use crate::model::reference::DOCKER;
use crate::model::settings::ImageSettings;

/// The host behind `docker.io`.
const DOCKER_HOST: &str = "registry-1.docker.io";

/// One place that may have the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host with an optional port, as users name it: certificates are found by it.
    pub name: String,
    /// Host with an optional port that is connected to.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// Whether certificates are checked.
    pub is_verified: bool,
    /// Whether plain HTTP will do where TLS is not spoken.
    pub may_be_plain: bool,
}

impl Endpoint {
    /// `HOST/REPOSITORY` as users name it: what credentials are found by.
    pub fn place(&self) -> String {
        format!("{}/{}", self.name, self.repository)
    }
}

/// The places for an image, in the order in which they are asked. `tls_verify` is the request's word on all of them.
pub fn endpoints(reference: &Reference, settings: &ImageSettings, tls_verify: Option<bool>) -> Vec<Endpoint> {
    let own = settings.registries.get(reference.registry());
    let mirrors = own.map(|own| own.mirrors.as_slice()).unwrap_or_default();
    let location = own
        .and_then(|own| own.location.as_deref())
        .unwrap_or(reference.registry());
    let mut places: Vec<&str> = mirrors.iter().map(String::as_str).collect();
    places.push(location);
    let endpoint = |place: &str| {
        let (name, folder) = match place.split_once('/') {
            Some((name, folder)) => (name, format!("{folder}/")),
            None => (place, String::new()),
        };
        let is_insecure = |name: &str| {
            settings
                .registries
                .get(name)
                .is_some_and(|registry| registry.insecure)
        };
        // `insecure=` stands where the place has its name; a rewritten registry keeps its own word too.
        let insecure = is_insecure(name) || (place == location && is_insecure(reference.registry()));
        Endpoint {
            name: name.to_owned(),
            host: if name == DOCKER { DOCKER_HOST } else { name }.to_owned(),
            repository: format!("{folder}{}", reference.repository()),
            is_verified: tls_verify.unwrap_or(!insecure),
            may_be_plain: match tls_verify {
                Some(is_verified) => !is_verified,
                None => insecure || is_this_machine(name),
            },
        }
    };
    places.into_iter().map(endpoint).collect()
}

/// Whether nobody can stand between.
fn is_this_machine(name: &str) -> bool {
    let url = Url::new(true, name, "/");
    let address: Option<std::net::IpAddr> = url.host().parse().ok();
    url.host() == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Settings;

    fn asked(settings: &str, reference: &str, tls_verify: Option<bool>) -> Vec<String> {
        let settings = Settings::parse(settings).unwrap().image;
        let reference = settings.complete(reference).unwrap();
        let text = |endpoint: Endpoint| {
            format!(
                "{} {}/{}{}{}",
                endpoint.name,
                endpoint.host,
                endpoint.repository,
                if endpoint.is_verified { "" } else { " unverified" },
                if endpoint.may_be_plain { " plain" } else { "" }
            )
        };
        endpoints(&reference, &settings, tls_verify)
            .into_iter()
            .map(text)
            .collect()
    }

    #[test]
    fn the_registry_itself() {
        assert_eq!(
            asked("", "nginx", None),
            ["docker.io registry-1.docker.io/library/nginx"]
        );
        assert_eq!(
            asked("", "quay.io/a/b", Some(false)),
            ["quay.io quay.io/a/b unverified plain"]
        );
        for here in ["localhost:5000", "127.0.0.5", "[::1]:5000"] {
            assert_eq!(
                asked("", &format!("{here}/a"), None),
                [format!("{here} {here}/a plain")]
            );
            assert_eq!(
                asked("", &format!("{here}/a"), Some(true)),
                [format!("{here} {here}/a")]
            );
        }
        assert_eq!(
            asked("", "localhost.example/a", None),
            ["localhost.example localhost.example/a"]
        );
    }

    #[test]
    fn mirrors_and_rewrites() {
        let settings = "[Registry docker.io]\nmirror=localhost:5000 m.example/hub\nlocation=r.example\n\
                        [Registry m.example]\ninsecure=yes\n";
        assert_eq!(
            asked(settings, "nginx", None),
            [
                "localhost:5000 localhost:5000/library/nginx plain",
                "m.example m.example/hub/library/nginx unverified plain",
                "r.example r.example/library/nginx",
            ]
        );
    }
}
