//! The probes of a member by example and by property.

use super::*;
use crate::model::Check;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn probe(retries: u32) -> Probe {
    Probe {
        check: Check::Tcp(80),
        interval: 10 * SECOND,
        timeout: 5 * SECOND,
        retries,
        success: 1,
        start_period: Duration::ZERO,
    }
}

/// The rules of a member called `a` with a probe of each of the `kinds`, of which an unhealthy one is restarted.
fn rules(kinds: &[ProbeKind], ready: Ready) -> Option<Rules> {
    let has = |kind, retries| kinds.contains(&kind).then(|| probe(retries));
    let probes = Probes {
        startup: has(ProbeKind::Startup, 3),
        ready: has(ProbeKind::Ready, 2),
        live: has(ProbeKind::Live, 2),
        on_failure: OnFailure::Restart,
    };
    Rules::of(&MemberName::new("a").unwrap(), ready, &probes)
}

fn life(id: u128, is_active: bool) -> Option<Life> {
    Some(Life {
        id,
        pid: 40,
        is_active,
    })
}

fn failed() -> Outcome {
    Outcome::Failed("no".to_owned())
}

/// A member with its world: a clock, and checks that are answered when they are made.
struct World {
    watch: Watch,
    now: Instant,
    steps: Vec<Step>,
}

impl World {
    fn new(kinds: &[ProbeKind], ready: Ready, first: Option<Life>) -> Self {
        let mut world = Self {
            watch: Watch::new(rules(kinds, ready).unwrap()),
            now: Instant::now(),
            steps: Vec::new(),
        };
        world.follow(first);
        world
    }

    fn follow(&mut self, life: Option<Life>) {
        self.steps = self.watch.follow(self.now, life);
    }

    /// Lets time pass until something is due, and answers what is asked; returns which checks that were.
    fn go_on(&mut self, answer: impl Fn(ProbeKind) -> Outcome) -> Vec<ProbeKind> {
        self.now = self.watch.wake().unwrap().max(self.now);
        self.steps = self.watch.tick(self.now);
        let asked: Vec<ProbeKind> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Check(kind) => Some(*kind),
                _ => None,
            })
            .collect();
        let id = self.watch.life().unwrap().id;
        for kind in &asked {
            let more = self.watch.result(self.now, id, *kind, &answer(*kind));
            self.steps.extend(more);
        }
        asked
    }

    fn lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for step in &self.steps {
            if let Step::Say(text, _) = step {
                lines.push(text.as_str());
            }
        }
        lines
    }

    fn told(&self) -> &Probed {
        &self.watch.told
    }
}

#[test]
fn nothing_is_watched_without_probes_or_a_life() {
    assert_eq!(rules(&[], Ready::Started), None);
    let world = World::new(&[ProbeKind::Live], Ready::Started, None);
    assert_eq!((world.watch.wake(), world.steps.len()), (None, 0));
}

#[test]
fn the_gate_opens_when_all_have_passed_the_startup_probe_first() {
    let all = [ProbeKind::Startup, ProbeKind::Ready, ProbeKind::Live];
    let mut world = World::new(&all, Ready::Healthy, life(1, false));
    assert!(
        world.steps.contains(&Step::Extend(45 * SECOND)),
        "{:?}",
        world.steps
    );
    assert!(world.told().is_patient && !world.watch.is_announced());
    assert_eq!(world.go_on(|_| failed()), [ProbeKind::Startup]);
    assert_eq!(
        world.told().unready.as_deref(),
        Some("its startup probe has not passed yet: no")
    );
    assert_eq!(world.go_on(|_| Outcome::Passed), [ProbeKind::Startup]);
    assert!(!world.told().is_patient);
    let first_of = |kind| move |asked| if asked == kind { Outcome::Passed } else { failed() };
    assert_eq!(
        world.go_on(first_of(ProbeKind::Live)),
        [ProbeKind::Ready, ProbeKind::Live]
    );
    assert_eq!(world.told().health, Some(Health::Healthy));
    assert!(!world.steps.contains(&Step::Announce));
    world.go_on(|_| Outcome::Passed);
    assert!(world.steps.contains(&Step::Announce) && world.watch.is_announced());
    assert_eq!(
        (world.lines(), &world.told().unready),
        (vec!["a is ready"], &None)
    );
}

#[test]
fn readiness_falls_and_returns_in_one_line_each() {
    let mut world = World::new(&[ProbeKind::Ready], Ready::Started, life(1, false));
    world.go_on(|_| Outcome::Passed);
    world.follow(life(1, true));
    world.go_on(|_| failed());
    assert_eq!(
        world.steps.len(),
        1,
        "one failure of two is nothing to tell: {:?}",
        world.steps
    );
    world.go_on(|_| failed());
    assert_eq!(world.lines(), ["a is not ready: its readiness probe fails: no"]);
    world.go_on(|_| failed());
    assert!(world.lines().is_empty(), "{:?}", world.steps);
    world.go_on(|_| Outcome::Passed);
    assert_eq!(
        (world.lines(), &world.told().unready),
        (vec!["a is ready"], &None)
    );
    assert!(!world.steps.contains(&Step::Announce), "once is enough");
}

#[test]
fn an_unhealthy_member_is_acted_upon_as_often_as_it_fails() {
    let mut world = World::new(&[ProbeKind::Live], Ready::Started, life(1, true));
    assert_eq!(
        (world.told().health, &world.told().unready),
        (Some(Health::Starting), &None)
    );
    world.go_on(|_| Outcome::Passed);
    assert_eq!(world.lines(), ["a is healthy"]);
    world.go_on(|_| failed());
    world.go_on(|_| failed());
    assert!(world.steps.contains(&Step::Act(OnFailure::Restart)));
    assert_eq!(world.lines(), ["a is restarted: it was unhealthy: no"]);
    assert_eq!(world.told().health, Some(Health::Unhealthy));
    // systemd did not do it.
    world.go_on(|_| failed());
    assert!(!world.steps.contains(&Step::Act(OnFailure::Restart)));
    world.go_on(|_| failed());
    assert!(world.steps.contains(&Step::Act(OnFailure::Restart)));
    world.follow(life(2, true));
    assert_eq!(
        (world.told().health, &world.told().ended),
        (Some(Health::Starting), &None)
    );
}

#[test]
fn a_start_that_never_comes_to_its_end_is_ended() {
    let mut world = World::new(&[ProbeKind::Startup], Ready::Notify, life(1, false));
    while !world.steps.contains(&Step::Act(OnFailure::Kill)) {
        world.go_on(|_| failed());
    }
    assert_eq!(world.lines(), ["a is killed: its startup probe failed: no"]);
    assert_eq!(
        world.told().ended.as_deref(),
        Some("its startup probe failed: no")
    );
}

#[test]
fn one_that_was_ready_stays_so_when_it_is_taken_over_until_a_check_says_otherwise() {
    let kinds = [ProbeKind::Startup, ProbeKind::Ready];
    let mut world = World::new(&kinds, Ready::Started, life(1, true));
    assert_eq!((&world.told().unready, world.watch.is_announced()), (&None, true));
    assert_eq!(world.go_on(|_| failed()), [ProbeKind::Ready]);
    assert_eq!(world.lines(), ["a is not ready: its readiness probe fails: no"]);
}

#[test]
fn patience_ends() {
    let mut world = World::new(&[ProbeKind::Startup], Ready::Started, life(1, false));
    let begun = world.now;
    while world.told().is_patient {
        world.go_on(|_| Outcome::Postponed);
    }
    assert_eq!(world.now - begun, 45 * SECOND);
}

#[derive(Debug, Clone)]
enum Happening {
    Passes(Duration),
    Answer(ProbeKind, Outcome),
    Late(ProbeKind, Outcome),
    Follow(u8, bool),
    Dies,
}

fn happening() -> impl Strategy<Value = Happening> {
    let kind = || prop::sample::select(ProbeKind::ALL.to_vec());
    let outcome = || {
        prop_oneof![
            3 => Just(Outcome::Passed),
            3 => Just(failed()),
            1 => Just(Outcome::Unknown("no bus".to_owned())),
            1 => Just(Outcome::Postponed),
        ]
    };
    prop_oneof![
        6 => (1_u64..12_000).prop_map(|millis| Happening::Passes(Duration::from_millis(millis))),
        8 => (kind(), outcome()).prop_map(|(kind, outcome)| Happening::Answer(kind, outcome)),
        1 => (kind(), outcome()).prop_map(|(kind, outcome)| Happening::Late(kind, outcome)),
        2 => (1_u8..4, any::<bool>()).prop_map(|(id, active)| Happening::Follow(id, active)),
        1 => Just(Happening::Dies),
    ]
}

proptest! {
    /// Whatever happens, in whatever order.
    #[test]
    fn whatever_happens(
        kinds in prop::sample::subsequence(ProbeKind::ALL.to_vec(), 1..=3),
        happenings in prop::collection::vec(happening(), 0..120),
    ) {
        let healthy = kinds.contains(&ProbeKind::Live);
        let ready = if healthy { Ready::Healthy } else { Ready::Started };
        let mut watch = Watch::new(rules(&kinds, ready).unwrap());
        let mut now = Instant::now();
        let mut under_way: Vec<ProbeKind> = Vec::new();
        let mut announced = None;
        // Results since the life began: what has passed, and failures in a row since the last pass.
        let mut passed: Vec<ProbeKind> = Vec::new();
        let mut failures = 0;
        for happening in happenings {
            let before = watch.life();
            let mut of_live = None;
            let steps = match happening {
                Happening::Passes(time) => {
                    now += time;
                    watch.tick(now)
                }
                Happening::Answer(kind, outcome) => {
                    let Some(life) = watch.life().filter(|_| under_way.contains(&kind)) else { continue };
                    under_way.retain(|other| *other != kind);
                    if outcome == Outcome::Passed {
                        passed.push(kind);
                    }
                    if kind == ProbeKind::Live {
                        match outcome {
                            Outcome::Passed => failures = 0,
                            Outcome::Failed(_) => failures += 1,
                            Outcome::Unknown(_) | Outcome::Postponed => {}
                        }
                        of_live = Some(outcome.clone());
                    }
                    watch.result(now, life.id, kind, &outcome)
                }
                Happening::Late(kind, outcome) => {
                    let same = watch.clone();
                    prop_assert!(watch.result(now, 99, kind, &outcome).is_empty());
                    prop_assert_eq!(&same, &watch);
                    continue;
                }
                Happening::Follow(id, active) => watch.follow(now, life(id.into(), active)),
                Happening::Dies => watch.follow(now, None),
            };
            if watch.life().map(|life| life.id) != before.map(|life| life.id) {
                under_way.clear();
                passed.clear();
                (failures, announced) = (0, None);
            }
            for step in &steps {
                match step {
                    Step::Check(kind) => {
                        prop_assert!(!under_way.contains(kind), "two checks of one probe at once");
                        under_way.push(*kind);
                    }
                    Step::Announce => {
                        let life = watch.life().unwrap();
                        prop_assert!(!life.is_active && announced.is_none());
                        prop_assert!(kinds.iter().all(|kind| passed.contains(kind)), "{:?}", passed);
                        announced = Some(life.id);
                    }
                    Step::Tell(probed) => prop_assert_eq!(Some(probed.life), watch.life().map(|life| life.id)),
                    Step::Extend(_) | Step::Act(_) | Step::Say(..) => {}
                }
            }
            prop_assert!(steps.iter().filter(|step| matches!(step, Step::Say(..))).count() <= 2);
            if matches!(of_live, Some(Outcome::Passed)) {
                prop_assert_eq!(watch.told.health, Some(Health::Healthy));
            }
            if of_live.is_some() && watch.told.health == Some(Health::Unhealthy) {
                prop_assert!(failures > 0);
            }
            // While there is a life, something is under way or due within an interval.
            if watch.life().is_some() && under_way.is_empty() {
                let wake = watch.wake();
                let startup_only = kinds == [ProbeKind::Startup] && watch.startup.is_none();
                prop_assert!(startup_only || wake.is_some_and(|wake| wake <= now + 10 * SECOND), "{:?}", wake);
            }
        }
    }
}
