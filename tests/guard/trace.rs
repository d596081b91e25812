//! What processes did, from the output of `strace -f --decode-pids=pidns`.

use std::collections::HashMap;

/// Words of a command line that say what a program was to do.
const VERBS: [&str; 9] = [
    "infra", "member", "start", "stop", "reload", "clean", "create", "setup", "teardown",
];

/// A stretch in the life of a process: from a fork or an execve(2) to the next execve(2) or the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// The program and its verbs, `podunit member start`; empty for what ran before the trace began.
    pub(crate) name: String,
    /// Its command line, in strace's words.
    pub(crate) line: String,
    /// The run that executed it. None after a fork, which goes on with its parent's program.
    pub(crate) executed_by: Option<usize>,
    /// It ended by executing the next.
    pub(crate) replaced: bool,
    /// The system calls, each as far as it stands on its first line. Those that wait for another thread are not here:
    /// how many these are is chance.
    pub(crate) calls: Vec<String>,
}

/// All runs, in the order in which they began.
pub(crate) fn read(text: &str) -> Vec<Run> {
    let mut trace = Trace {
        parents: parents(text),
        ..Trace::default()
    };
    for (thread, line) in lines(text) {
        trace.take(thread, line);
    }
    trace.runs
}

/// Each line's thread, and the rest.
fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.lines().filter_map(|line| {
        let (thread, rest) = line.split_once(' ')?;
        Some((thread.parse().ok()?, rest.trim_start()))
    })
}

/// Who made a thread.
struct Parent {
    thread: u32,
    same_process: bool,
}

/// Found first of all: a child's first lines may come before the one that says whose child it is.
fn parents(text: &str) -> HashMap<u32, Parent> {
    let mut parents = HashMap::new();
    let mut unfinished: HashMap<u32, &str> = HashMap::new();
    for (thread, line) in lines(text) {
        let resumed = line.strip_prefix("<... ");
        if !["clone", "fork", "vfork"]
            .iter()
            .any(|call| resumed.unwrap_or(line).starts_with(call))
        {
            continue;
        }
        if line.ends_with("<unfinished ...>") {
            unfinished.insert(thread, line);
            continue;
        }
        let flags = resumed.and_then(|_| unfinished.remove(&thread)).unwrap_or(line);
        let Some((_, result)) = line.rsplit_once(" = ") else {
            continue;
        };
        // In another PID namespace: `12 /* 3456 in strace's PID NS */`.
        let number = result.split_once("/* ").map_or(result, |(_, ours)| ours);
        if let Some(Ok(child)) = number.split(' ').next().map(str::parse) {
            let same_process = flags.contains("CLONE_THREAD");
            parents.insert(child, Parent { thread, same_process });
        }
    }
    parents
}

#[derive(Default)]
struct Trace {
    parents: HashMap<u32, Parent>,
    runs: Vec<Run>,
    /// The last run of each process, by the number of its first thread.
    current: HashMap<u32, usize>,
    /// What a thread is about to execute.
    executing: HashMap<u32, Run>,
}

impl Trace {
    fn take(&mut self, thread: u32, line: &str) {
        let process = self.process(thread);
        let run = self.run_of(process);
        if line.starts_with("+++") || line.starts_with("---") {
            return;
        }
        let call = line.strip_prefix("<... ").unwrap_or(line);
        if call.len() == line.len() && !call.starts_with("futex(") {
            self.runs[run].calls.push(line.to_owned());
        }
        if !call.starts_with("execve") {
            return;
        }
        if let Some((_, rest)) = line.split_once('[') {
            let words = rest.split_once(']').map_or(rest, |(words, _)| words);
            self.executing.insert(thread, executed(words, run));
        }
        if let Some((_, "0")) = line.rsplit_once(" = ")
            && let Some(next) = self.executing.remove(&thread)
        {
            self.runs[run].replaced = true;
            self.begin(process, next);
        }
    }

    fn process(&self, thread: u32) -> u32 {
        match self.parents.get(&thread) {
            Some(parent) if parent.same_process => self.process(parent.thread),
            _ => thread,
        }
    }

    fn run_of(&mut self, process: u32) -> usize {
        if let Some(run) = self.current.get(&process) {
            return *run;
        }
        let parent = self
            .parents
            .get(&process)
            .map(|parent| self.process(parent.thread));
        let parents_run = parent.and_then(|parent| self.current.get(&parent));
        let program = parents_run.map(|&run| &self.runs[run]);
        let forked = program.map(|Run { name, line, .. }| Run {
            name: name.clone(),
            line: line.clone(),
            ..Run::default()
        });
        self.begin(process, forked.unwrap_or_default())
    }

    fn begin(&mut self, process: u32, run: Run) -> usize {
        self.runs.push(run);
        let number = self.runs.len() - 1;
        self.current.insert(process, number);
        number
    }
}

/// The run of a program that is called with `words`, in quotes and with commas between.
fn executed(words: &str, by: usize) -> Run {
    let mut each = words.split(", ").map(|word| word.trim_matches('"'));
    let program = each.next().unwrap_or_default();
    let mut name = program.rsplit('/').next().unwrap_or(program).to_owned();
    for verb in each.filter(|word| VERBS.contains(word)) {
        name.push(' ');
        name.push_str(verb);
    }
    Run {
        name,
        line: words.to_owned(),
        executed_by: Some(by),
        ..Run::default()
    }
}
