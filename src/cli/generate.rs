//! `podunit generate`, and the same as a generator of systemd (systemd.generator(7)).

use super::{FAILURE, settings};
use crate::definition::{self, Broken, Definitions, Refused};
use crate::diagnostic::{self, Place, Problem, Severity};
use crate::generate::claims::Claims;
use crate::generate::emit::Output;
use crate::generate::images::Images;
use crate::generate::running::{self, Running};
use crate::generate::{UnitSet, resources, stub, units};
use crate::model::{ImageDefinition, Owner, Paths, Pod, PodName, SharedNetwork, Volume};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A root other than `/` for the generator, in tests; its messages go to standard error then.
const ROOT_VARIABLE: &str = "PODUNIT_GENERATOR_ROOT";
/// systemd kills generators after 90 seconds and waits for all of them at every reload: better some pods than none.
const DEADLINE: Duration = Duration::from_secs(10);
/// The kernel drops lines of a process that writes many to its log (`printk.devkmsg`).
const MOST_MESSAGES: usize = 8;

const EXAMPLES: &str = "\
Examples:
  podunit generate --output /tmp/units
  podunit generate --root /mnt/image --output units

Exit status: 0 if every pod has its units, 1 if one has none, 2 if the command
line makes no sense.";

/// Write the units of all pods into a folder, for packages.
///
/// Pods with errors get no units, and the exit status is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Root of the tree whose definitions are read
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Folder to write to, made if it is not there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    set_umask();
    let dir = &arguments.output;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let paths = Paths::new(&arguments.root);
    let definitions = definition::read(&paths);
    let mut jobs = Job::resources(&definitions);
    jobs.extend(definitions.pods.iter().map(Job::Pod));
    let output = open(dir)?;
    let problems = definitions.problems.clone();
    let run = Run::new(&paths, dir, Images::of_each_pod(), problems).all(&output, jobs);
    let color = std::io::stderr().is_terminal();
    // A closed standard error leaves nobody to tell.
    let text = diagnostic::render(&run.problems, &definitions.sources, color);
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(run.exit_code())
}

/// Runs as a systemd generator: writes into the first of the folders it is given, whatever can be written, and
/// fails if anything could not.
pub fn as_systemd_generator(arguments: &[OsString]) -> ExitCode {
    let root = std::env::var_os(ROOT_VARIABLE);
    let paths = root.as_ref().map_or_else(Paths::default, Paths::new);
    let mut log = Log::open(root.is_none());
    // Pods are of the system that the initrd leads to.
    if std::env::var_os("SYSTEMD_IN_INITRD").is_some_and(|value| value == "1") {
        return ExitCode::SUCCESS;
    }
    let ([dir] | [dir, _, _]) = arguments else {
        log.line(
            Severity::Error,
            "wrong number of arguments: give one folder, or three (normal, early, late)",
        );
        return ExitCode::from(super::USAGE);
    };
    set_umask();
    let definitions = definition::read(&paths);
    let (running, unreadable) = running::all(&paths);
    if definitions == Definitions::default() && running.is_empty() && unreadable.is_empty() {
        return ExitCode::SUCCESS;
    }
    let problems = [definitions.problems.as_slice(), &unreadable].concat();
    let dir = Path::new(dir);
    let run = match open(dir) {
        Ok(output) => {
            // Settings that make no sense are told of by whoever has to do as they say.
            let settings = settings::read(&paths).ok().map(|settings| settings.image);
            let mut run = Run::new(&paths, dir, Images::shared(settings), problems);
            run.end = Some(Instant::now() + DEADLINE);
            let jobs = run.jobs(&definitions, &running);
            run.all(&output, jobs)
        }
        Err(error) => {
            log.line(Severity::Error, &format!("{error:#}; no pod has units"));
            return ExitCode::from(FAILURE);
        }
    };
    for (at, problem) in run.problems.iter().enumerate() {
        if at == MOST_MESSAGES {
            let rest = run.problems.len() - at;
            log.line(
                Severity::Error,
                &format!("{rest} more problems: `podunit check` shows them all"),
            );
            break;
        }
        log.line(problem.severity, &diagnostic::line(problem, &definitions.sources));
    }
    run.exit_code()
}

/// Something that is written: all of a pod, or what stands in for it.
enum Job<'a> {
    /// What a pod was started with, whose definition is gone or broken.
    Again(&'a Running),
    /// Units of members that run but are no longer in the definition. Their names are claimed.
    Vanished(UnitSet),
    /// A pod.
    Pod(&'a Pod),
    /// The stub of a pod's broken definition.
    Stub(&'a Broken),
    /// A volume.
    Volume(&'a Volume),
    /// An image.
    Image(&'a ImageDefinition),
    /// A network.
    Network(&'a SharedNetwork),
    /// The stub of another broken definition.
    Refused(&'a Refused),
}

impl<'a> Job<'a> {
    /// What pods refer to. Before all pods, so that what images say for systemd goes where they are fetched.
    fn resources(definitions: &'a Definitions) -> Vec<Self> {
        let images = definitions.images.iter().map(Self::Image);
        images
            .chain(definitions.volumes.iter().map(Self::Volume))
            .chain(definitions.networks.iter().map(Self::Network))
            .collect()
    }

    /// Whose units they are, and its definition.
    fn whose(&self) -> (Owner, &'a Path) {
        match self {
            Self::Again(running) => (Owner::Pod(running.name.clone()), Path::new("")),
            Self::Vanished(set) => (set.owner.clone(), Path::new("")),
            Self::Pod(pod) => (Owner::Pod(pod.name.clone()), &pod.source),
            Self::Stub(broken) => (Owner::Pod(broken.name.clone()), &broken.source),
            Self::Volume(volume) => (Owner::Volume(volume.name.clone()), &volume.source),
            Self::Image(image) => (image.owner(), &image.source),
            Self::Network(network) => (Owner::Network(network.name.clone()), &network.source),
            Self::Refused(refused) => (refused.owner.clone(), &refused.source),
        }
    }

    /// Whether it can be left out when time is short: what runs, and what says why something cannot, is not.
    fn is_new(&self) -> bool {
        matches!(self, Self::Pod(..))
    }
}

/// One run: which names are taken, what is wrong.
struct Run {
    claims: Claims,
    images: Images,
    problems: Vec<Problem>,
    /// When pods that are still to be made are left out.
    end: Option<Instant>,
}

impl Run {
    fn new(paths: &Paths, dir: &Path, images: Images, problems: Vec<Problem>) -> Self {
        Self {
            claims: Claims::read(paths, dir),
            images,
            problems,
            end: None,
        }
    }

    /// What a generator writes, in this order: what runs, good pods, broken ones.
    fn jobs<'a>(&mut self, definitions: &'a Definitions, running: &'a [Running]) -> Vec<Job<'a>> {
        let good: BTreeMap<&PodName, &Pod> = definitions.pods.iter().map(|pod| (&pod.name, pod)).collect();
        // What runs comes first: a name that it needs cannot go to another.
        let mut again = BTreeSet::new();
        let mut jobs = Vec::new();
        for pod in running {
            // An instance without a definition of its own is made by that of its template.
            let template = pod.name.template().filter(|_| !pod.name.needs_own_units());
            let now = good.get(&pod.name).or_else(|| good.get(template.as_ref()?));
            if let Some(now) = now {
                jobs.extend(self.keep(pod, now).map(Job::Vanished));
            } else {
                again.insert(&pod.name);
                jobs.push(Job::Again(pod));
            }
        }
        jobs.extend(Job::resources(definitions));
        jobs.extend(definitions.pods.iter().map(Job::Pod));
        let broken = definitions.broken.iter();
        jobs.extend(
            broken
                .filter(|broken| !again.contains(&broken.name))
                .map(Job::Stub),
        );
        jobs.extend(definitions.refused.iter().map(Job::Refused));
        jobs
    }

    /// Does all of it: making units is done by one thread at a time, in order, writing them by two at once.
    fn all(self, output: &Output, jobs: Vec<Job>) -> Self {
        // Made in one go: the threads wait for each other less often, and few pods need no second one.
        const BATCH: usize = 16;
        let many = jobs.len() > BATCH;
        let left = Mutex::new((self, jobs.into_iter()));
        let work = || {
            loop {
                let Ok(mut locked) = left.lock() else { return };
                let (run, jobs) = &mut *locked;
                if jobs.len() == 0 {
                    return;
                }
                let sets: Vec<UnitSet> = jobs.take(BATCH).filter_map(|job| run.make(job)).collect();
                drop(locked);
                for set in sets {
                    if let (Err(error), Ok(mut locked)) = (output.write(&set), left.lock()) {
                        let problem = no_units(&set.owner, &set.source, &error);
                        let help = "make room or make it writable, then run `systemctl daemon-reload`";
                        locked.0.problems.push(problem.help(help));
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            if many {
                // Without a second thread, this one does all.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        // A panic aborts, so that nothing can be poisoned.
        left.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Units of members that run but are no longer in the definition, if their names are free.
    fn keep(&mut self, running: &Running, now: &Pod) -> Option<UnitSet> {
        let set = UnitSet {
            links: Vec::new(),
            files: running.vanished(now),
            compiled: None,
            ..running.again()
        };
        if set.files.is_empty() {
            return None;
        }
        let claimed = self.claims.claim(&set);
        claimed.map_err(|problem| self.problems.push(*problem)).ok()?;
        Some(set)
    }

    /// What is to be written, if it can be made and its names are free; what keeps it from that is a problem.
    fn make(&mut self, job: Job) -> Option<UnitSet> {
        let (owner, source) = job.whose();
        if job.is_new() && self.end.is_some_and(|end| Instant::now() > end) {
            let why = format!("all pods took more than {DEADLINE:?}");
            let help = "run `systemctl daemon-reload` when the machine is less busy";
            self.problems.push(no_units(&owner, source, why).help(help));
            return None;
        }
        let wrong = |error| Box::new(no_units(&owner, source, error));
        // With whoever asks for images.
        let (set, asking) = match job {
            Job::Again(running) => (Ok(running.again()), running.pod()),
            Job::Vanished(set) => return Some(set),
            Job::Pod(pod) => {
                let set = units::of(pod, &mut self.images);
                (set, Some(pod))
            }
            Job::Stub(broken) => (stub::of(owner.clone(), source, &broken.install), None),
            Job::Refused(refused) => (stub::of(owner.clone(), source, &refused.install), None),
            Job::Volume(volume) => (resources::volume(volume), None),
            Job::Network(network) => (resources::network(network), None),
            Job::Image(image) => {
                let set = resources::image(image, &mut self.images).and_then(|mut set| {
                    set.images = self.images.drop_in_of(image)?;
                    Ok(set)
                });
                (set, None)
            }
        };
        let claimed = set
            .map_err(wrong)
            .and_then(|set| self.claims.claim(&set).map(|()| set));
        let complete = claimed.and_then(|mut set| {
            if let Some(asking) = asking {
                set.images = self.images.drop_ins(asking).map_err(wrong)?;
            }
            Ok(set)
        });
        complete.map_err(|problem| self.problems.push(*problem)).ok()
    }

    fn exit_code(&self) -> ExitCode {
        let failed = self
            .problems
            .iter()
            .any(|problem| problem.severity == Severity::Error);
        if failed {
            ExitCode::from(FAILURE)
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn open(dir: &Path) -> anyhow::Result<Output> {
    Output::open(dir).with_context(|| format!("cannot open {}", dir.display()))
}

fn no_units(owner: &Owner, source: &Path, why: impl std::fmt::Display) -> Problem {
    Problem::error(Place::file(source), format!("{owner} gets no units: {why}"))
}

/// Modes of what is written do not depend on who writes.
fn set_umask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

/// The kernel's log: there is no journal yet when generators run at boot. Standard error where it cannot be had.
struct Log(Option<File>);

impl Log {
    fn open(kernel: bool) -> Self {
        Self(
            kernel
                .then(|| File::options().write(true).open("/dev/kmsg").ok())
                .flatten(),
        )
    }

    /// One record, in one write.
    fn line(&mut self, severity: Severity, text: &str) {
        let priority = match severity {
            Severity::Error => 3,
            Severity::Warning => 4,
        };
        let line = format!("<{priority}>podunit-generator[{}]: {text}\n", std::process::id());
        // A log that takes nothing leaves nobody to tell.
        let _ = match &mut self.0 {
            Some(kmsg) => kmsg.write_all(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}
