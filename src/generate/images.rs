//! Requests for images → drop-ins of the units that fetch them, `podunit-image@ID.service`.
//!
//! The unit is a template that all pods share (`units/podunit-image@.service`); its instance is a request's ID. What is
//! particular to a request stands in a drop-in of whichever pod asks for it first; its file name says which pod, and so
//! where the request itself is found.

use super::{GenerateError, HEADER, UnitFile, resources};
use crate::model::settings::ImageSettings;
use crate::model::{
    ImageDefinition, Owner, Passthrough, Paths, Pod, PullPolicy, Reference, Request, reference_key,
};
use crate::unitfile::write::UnitWriter;
use std::collections::HashMap;

/// The units that fetch images, over all pods of a run.
#[derive(Debug, Default)]
pub struct Images {
    /// By request, the place in `images`.
    known: HashMap<Request, usize>,
    images: Vec<Image>,
    settings: Option<ImageSettings>,
    each: bool,
}

#[derive(Debug)]
struct Image {
    unit: String,
    /// Whether a pod has the drop-in.
    is_written: bool,
}

impl Images {
    /// For a generator: one drop-in for a request, however many pods have it. By `settings` short names are completed;
    /// without, it is not known before the start what they mean.
    pub fn shared(settings: Option<ImageSettings>) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// For packages, which must not share a file: a drop-in for each pod. Their machines have settings of their own.
    pub fn of_each_pod() -> Self {
        Self {
            each: true,
            ..Self::default()
        }
    }

    /// The unit that fetches what is requested; none if nobody is to be asked.
    pub fn unit(&mut self, request: &Request) -> Option<&str> {
        (request.policy != PullPolicy::Never).then(|| self.known(request).unit.as_str())
    }

    /// The drop-ins that no pod before has brought along; from now on this pod has them.
    ///
    /// # Errors
    /// A reference that cannot be in a unit file.
    pub fn drop_ins(&mut self, pod: &Pod) -> Result<Vec<UnitFile>, GenerateError> {
        self.drop_ins_of(&Owner::Pod(pod.name.clone()), pod.requests(), None)
    }

    /// The drop-in of an image's definition, which comes before all pods: with what it says for systemd.
    ///
    /// # Errors
    /// What cannot be in a unit file.
    pub fn drop_in_of(&mut self, image: &ImageDefinition) -> Result<Vec<UnitFile>, GenerateError> {
        let requests = std::iter::once(&image.request);
        self.drop_ins_of(&image.owner(), requests, Some(&image.units))
    }

    fn drop_ins_of<'r>(
        &mut self,
        owner: &Owner,
        requests: impl Iterator<Item = &'r Request>,
        units: Option<&Passthrough>,
    ) -> Result<Vec<UnitFile>, GenerateError> {
        let mut files: Vec<UnitFile> = Vec::new();
        for request in requests {
            if request.policy == PullPolicy::Never {
                continue;
            }
            let each = self.each;
            let image = self.known(request);
            let name = format!("{}.d/{}", image.unit, owner.drop_in_file());
            let is_there = image.is_written && !each || files.iter().any(|file| file.name == name);
            image.is_written = true;
            if !is_there {
                let text = self.drop_in(request, units)?;
                files.push(UnitFile { name, text });
            } else if let Some(units) =
                units.filter(|units| !units.unit.is_empty() || !units.service.is_empty())
            {
                // Another has brought along what is said of the image itself.
                let mut unit = UnitWriter::new(HEADER);
                unit.section("Unit");
                resources::pass_fetch(&mut unit, units);
                let text = unit.finish()?;
                files.push(UnitFile { name, text });
            }
        }
        Ok(files)
    }

    /// What the unit is called, and when there is nothing to do for it.
    fn drop_in(&self, request: &Request, units: Option<&Passthrough>) -> Result<String, GenerateError> {
        let mut unit = UnitWriter::new(HEADER);
        let reference = self.complete(&request.reference);
        unit.section("Unit");
        match (&reference, &request.platform) {
            // Whatever is written with a specifier is systemd's to expand here too.
            (None, _) => unit.passthrough("Description", &format!("Image {}", request.reference)),
            (Some(reference), None) => unit.text("Description", &format!("Image {reference}")),
            (Some(reference), Some(platform)) => {
                unit.text("Description", &format!("Image {reference} for {platform}"))
            }
        };
        if let Some(reference) = reference.filter(|_| request.policy == PullPolicy::Missing) {
            let key = reference_key(&reference, request.platform.as_ref());
            let path = Paths::default().image_reference(&key);
            unit.passthrough("ConditionPathExists", &format!("!{}", path.display()));
        }
        if let Some(units) = units {
            resources::pass_fetch(&mut unit, units);
        }
        Ok(unit.finish()?)
    }

    /// The whole reference, if that can be known here: not with specifiers, and perhaps not of a short name.
    fn complete(&self, text: &str) -> Option<Reference> {
        match &self.settings {
            Some(settings) => settings.complete(text).ok(),
            None => text.parse().ok().filter(|_| !Reference::is_short(text)),
        }
    }

    fn known(&mut self, request: &Request) -> &mut Image {
        let at = match self.known.get(request) {
            Some(at) => *at,
            None => {
                self.images.push(Image {
                    unit: request.unit(),
                    is_written: false,
                });
                self.known.insert(request.clone(), self.images.len() - 1);
                self.images.len() - 1
            }
        };
        &mut self.images[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::{container, pod};
    use crate::model::ImageSource;

    fn asking(requests: &[Request]) -> Pod {
        let members = requests.iter().enumerate().map(|(at, request)| {
            let mut member = container(&format!("m{at}"));
            member.image = ImageSource::Image(request.clone());
            member
        });
        Pod {
            members: members.collect(),
            ..pod(&[], &[])
        }
    }

    fn with(policy: PullPolicy) -> Request {
        Request {
            policy,
            ..Request::new("nginx")
        }
    }

    #[test]
    fn a_request_is_written_once() {
        let pod = asking(&[
            with(PullPolicy::Missing),
            with(PullPolicy::Missing),
            with(PullPolicy::Always),
        ]);
        let mut images = Images::shared(Some(ImageSettings::default()));
        let names: Vec<String> = images
            .drop_ins(&pod)
            .unwrap()
            .into_iter()
            .map(|file| file.name)
            .collect();
        let name = |policy| format!("{}.d/pod-x.conf", with(policy).unit());
        assert_eq!(names, [name(PullPolicy::Missing), name(PullPolicy::Always)]);
        assert_eq!(images.drop_ins(&pod).unwrap(), []);
        let mut images = Images::of_each_pod();
        assert_eq!(images.drop_ins(&pod).unwrap().len(), 2);
        assert_eq!(images.drop_ins(&pod).unwrap().len(), 2);
    }

    #[test]
    fn only_an_image_that_may_be_there_already_is_a_condition() {
        let text = |request: Request| {
            let files = Images::shared(Some(ImageSettings::default()))
                .drop_ins(&asking(&[request]))
                .unwrap();
            files.into_iter().map(|file| file.text).collect::<String>()
        };
        let missing = text(with(PullPolicy::Missing));
        // printf docker.io/library/nginx:latest | sha256sum
        let key = "86cee2c10898a48ff47a0626f8202a2408b5893aff5df58ae10d83166e6d7b0e";
        let path = format!("/var/lib/podunit/images/refs/{key}");
        assert!(
            missing.contains("\nDescription=Image docker.io/library/nginx:latest\n"),
            "{missing}"
        );
        assert!(
            missing.contains(&format!("\nConditionPathExists=!{path}\n")),
            "{missing}"
        );
        for policy in [PullPolicy::Always, PullPolicy::Newer] {
            assert!(!text(with(policy)).contains("Condition"));
        }
        assert_eq!(text(with(PullPolicy::Never)), "");
        let packaged = Images::of_each_pod()
            .drop_ins(&asking(&[with(PullPolicy::Missing)]))
            .unwrap();
        assert!(
            packaged[0].text.contains("\nDescription=Image nginx\n")
                && !packaged[0].text.contains("Condition")
        );
        let elsewhere = text(Request::new("registry.example/%b"));
        assert!(
            elsewhere.contains("\nDescription=Image registry.example/%b\n")
                && !elsewhere.contains("Condition")
        );
    }
}
