//! `podunit generate`, and the same as a generator of systemd (systemd.generator(7)).

use super::FAILURE;
use crate::definition::{self, Definitions};
use crate::diagnostic::{self, Place, Problem, Severity};
use crate::generate::claims::Claims;
use crate::generate::emit::Output;
use crate::generate::running::{self, Running};
use crate::generate::{GenerateError, UnitFile, UnitSet, stub, units};
use crate::model::{Paths, Pod, PodName};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
    let mut run = Run::new(&paths, dir, definitions.problems)?;
    for pod in &definitions.pods {
        run.pod(pod, Vec::new());
    }
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
    let run = match Run::new(&paths, Path::new(dir), problems) {
        Ok(run) => run.everything(&definitions, &running),
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

/// One run: where it writes, what it found.
struct Run {
    output: Output,
    claims: Claims,
    problems: Vec<Problem>,
}

impl Run {
    fn new(paths: &Paths, dir: &Path, problems: Vec<Problem>) -> anyhow::Result<Self> {
        let output = Output::open(dir).with_context(|| format!("cannot open {}", dir.display()))?;
        Ok(Self {
            output,
            claims: Claims::read(paths, dir),
            problems,
        })
    }

    /// Good pods, broken ones, and what runs.
    fn everything(mut self, definitions: &Definitions, running: &[Running]) -> Self {
        let end = Instant::now() + DEADLINE;
        let good: BTreeMap<&PodName, &Pod> = definitions.pods.iter().map(|pod| (&pod.name, pod)).collect();
        // What runs comes first: a name that it needs cannot go to another.
        let mut kept = BTreeMap::new();
        let mut again = BTreeSet::new();
        for pod in running {
            if let Some(now) = good.get(&pod.name) {
                kept.insert(&pod.name, self.keep(pod, now));
            } else {
                again.insert(&pod.name);
                self.write(Ok(pod.again()), &pod.name, Path::new(""));
            }
        }
        for (done, pod) in definitions.pods.iter().enumerate() {
            if Instant::now() > end {
                self.give_up(&definitions.pods[done..]);
                break;
            }
            self.pod(pod, kept.remove(&pod.name).unwrap_or_default());
        }
        for broken in definitions
            .broken
            .iter()
            .filter(|broken| !again.contains(&broken.name))
        {
            self.write(
                stub::of(&broken.name, &broken.source, &broken.install),
                &broken.name,
                &broken.source,
            );
        }
        self
    }

    /// Units of members that run but are no longer in the definition, if their names are free.
    fn keep(&mut self, running: &Running, now: &Pod) -> Vec<UnitFile> {
        let mut set = UnitSet {
            links: Vec::new(),
            files: running.vanished(now),
            ..running.again()
        };
        if let Err(problem) = self.claims.claim(&set) {
            self.problems.push(*problem);
            set.files.clear();
        }
        set.files
    }

    /// Writes a pod, and `more` of its units.
    fn pod(&mut self, pod: &Pod, more: Vec<UnitFile>) {
        let set = units::of(pod).map(|mut set| {
            set.files.splice(0..0, more);
            set
        });
        self.write(set, &pod.name, &pod.source);
    }

    fn write(&mut self, set: Result<UnitSet, GenerateError>, pod: &PodName, source: &Path) {
        let place = || Place::file(source);
        let problem = match set.map(|set| (self.claims.claim(&set), set)) {
            Err(error) => Problem::error(place(), format!("pod {pod} gets no units: {error}")),
            Ok((Err(problem), _)) => *problem,
            Ok((Ok(()), set)) => match self.output.write(&set) {
                Ok(()) => return,
                Err(error) => Problem::error(place(), format!("pod {pod} gets no units: {error}"))
                    .help("make room or make it writable, then run `systemctl daemon-reload`"),
            },
        };
        self.problems.push(problem);
    }

    fn give_up(&mut self, rest: &[Pod]) {
        for pod in rest {
            let message = format!(
                "pod {} gets no units: all pods took more than {DEADLINE:?}",
                pod.name
            );
            let help = "run `systemctl daemon-reload` when the machine is less busy";
            self.problems
                .push(Problem::error(Place::file(&pod.source), message).help(help));
        }
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
