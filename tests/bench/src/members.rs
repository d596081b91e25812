//! Pods of many members that do nothing: what a member costs.

use crate::host::{Quiet, now};
use crate::one_pod::all_active;
use crate::record::{Load, Pair, Record, Side, Unit};
use crate::sides::{self, Pod};
use crate::statistics::slope;
use crate::systemd::{Call, systemctl};
use anyhow::Result;

/// How many members the pods have.
const SIZES: [usize; 3] = [2, 8, 16];
/// The slope over `SIZES`.
pub const EACH: &str = "start of each further member (2, 8, 16 members)";

/// The pod of that many members.
pub fn pod(members: usize) -> Pod {
    Pod::sleeping(&format!("s{members}"), members)
}

/// Microseconds from the call of `systemctl start` until every unit is active. The pod is then stopped.
pub fn start(side: Side, pod: &Pod) -> Result<(u64, Load)> {
    systemctl("reset-failed", &[])?;
    let quiet = Quiet::wait()?;
    let begin = now();
    Call::begin("start", &pod.named(side))?.end()?;
    let active = all_active(&pod.units(side), begin)?;
    let load = quiet.load()?;
    systemctl("stop", &pod.named(side))?;
    Ok((active - begin, load))
}

/// All pairs.
pub fn rounds(record: &mut Record, sides: &[Side], pairs: u32) -> Result<()> {
    let pods = SIZES.map(pod);
    for &side in sides {
        sides::define(side, &pods)?;
    }
    sides::reload()?;
    for pair in 0..pairs {
        for side in sides::in_turn(sides, pair) {
            if let Err(error) = all_sizes(&mut record.pair(side, pair), &pods) {
                record.failures.push(format!("members, {side}: {error:#}"));
                sides::clean_up(side, &pods);
            }
        }
    }
    Ok(())
}

fn all_sizes(values: &mut Pair, pods: &[Pod]) -> Result<()> {
    let mut points = Vec::new();
    let mut last = None;
    for pod in pods {
        let (taken, load) = start(values.side, pod)?;
        let members = pod.members.len();
        values.add_time(&format!("start of {members} members, all active"), taken, load);
        points.push((members as f64, taken as f64 / 1000.0));
        last = Some(load);
    }
    if let Some(load) = last {
        values.add(EACH, Unit::Milliseconds, slope(&points), load);
    }
    Ok(())
}
