//! `x.image` → [`ImageDefinition`].

use super::directive::Known;
use super::document::{Definition, Entry};
use super::outcome::is_error;
use super::resource::{self, Sections};
use super::section::Settings;
use super::{image, resource_keys};
use crate::diagnostic::{Place, Problem};
use crate::model::{ImageDefinition, Request, ResourceName, SCHEMA_VERSION};

/// What the file asks for; nothing if that has an error.
pub(super) fn request_of(file: &Definition) -> Option<Request> {
    let mut problems = file.problems.clone();
    let request = request(&settings(file.entries("Image")), file.place(), &mut problems);
    (!problems.iter().any(is_error)).then_some(request)
}

/// Reads a file whole. If any of the problems is an error, it must not be used.
pub(super) fn read(
    name: ResourceName,
    file: &Definition,
    mut sections: Sections,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> ImageDefinition {
    let settings = settings(std::mem::take(&mut sections.own));
    ImageDefinition {
        version: SCHEMA_VERSION,
        source: file.path.clone(),
        request: request(&settings, file.place(), problems),
        units: resource::units(&sections, known, problems),
        name,
    }
}

fn settings(entries: Vec<Entry<'_>>) -> Settings<'_> {
    Settings::new(resource_keys::IMAGE, "[Image]".to_owned(), entries)
}

fn request(settings: &Settings, place: Place, problems: &mut Vec<Problem>) -> Request {
    settings.check_keys(problems);
    match settings.text("Image", problems) {
        Some(image) => image::request(image, settings, "Policy", problems),
        None => {
            let problem = Problem::error(place, "it is not said which image");
            problems.push(
                problem.help("write Image= in [Image] with a reference such as docker.io/library/nginx"),
            );
            Request::new("")
        }
    }
}
