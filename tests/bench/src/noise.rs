//! Whether a run may be called clean.

use crate::host::IDLE;
use crate::one_pod::START;
use crate::record::{Load, Record, Side};
use crate::statistics::summary;

/// At most this share of the values may have been measured when the machine had not been idle before, ...
const BUSY_BEFORE: f64 = 0.05;
/// ... or while others took more than `FOREIGN` of the processors.
const DISTURBED: f64 = 0.10;
const FOREIGN: f64 = 0.10;
/// The floor runs nothing of ours and should take as long every time: the middle half of its starts may be this far
/// apart, as a share of their median.
const SPREAD: f64 = 0.15;

/// Why the run is noisy; nothing for a clean one.
pub fn complaints(record: &Record) -> Vec<String> {
    let mut complaints = Vec::new();
    let share = |noisy: &dyn Fn(&Load) -> bool| {
        let count = record.loads().filter(|load| noisy(load)).count();
        count as f64 / record.loads().count().max(1) as f64
    };
    let busy = share(&|load| load.idle_before < IDLE);
    if busy > BUSY_BEFORE {
        complaints.push(format!(
            "the machine was not idle before {:.0} % of the values (at most {:.0} % may be so)",
            busy * 100.0,
            BUSY_BEFORE * 100.0,
        ));
    }
    let disturbed = share(&|load| load.foreign > FOREIGN);
    if disturbed > DISTURBED {
        complaints.push(format!(
            "others took more than {:.0} % of the processors during {:.0} % of the values (at most {:.0} % may be so)",
            FOREIGN * 100.0,
            disturbed * 100.0,
            DISTURBED * 100.0,
        ));
    }
    let floor = summary(
        record
            .values(START, Side::Floor)
            .into_iter()
            .map(|(_, value)| value),
    );
    if let Some(floor) = floor.filter(|floor| floor.spread > SPREAD) {
        complaints.push(format!(
            "the middle half of the floor's starts is {:.0} % of their median apart (at most {:.0} %)",
            floor.spread * 100.0,
            SPREAD * 100.0,
        ));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(loads: impl IntoIterator<Item = (f64, f64, u64)>) -> Record {
        let mut record = Record::default();
        for (pair, (idle_before, foreign, milliseconds)) in loads.into_iter().enumerate() {
            let load = Load { idle_before, foreign };
            let mut floor = record.pair(Side::Floor, pair as u32);
            floor.add_time(START, milliseconds * 1000, load);
        }
        record
    }

    #[test]
    fn a_quiet_run_is_clean() {
        assert_eq!(complaints(&record([(0.98, 0.01, 100); 20])), Vec::<String>::new());
        let one_slip = (0..20).map(|run| (if run == 7 { 0.5 } else { 1.0 }, 0.0, 100));
        assert_eq!(complaints(&record(one_slip)), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_noise_is_named() {
        let before = complaints(&record(
            (0..20).map(|run| (if run < 2 { 0.5 } else { 1.0 }, 0.0, 100)),
        ));
        assert!(before[0].contains("not idle before 10 %"), "{before:?}");
        let during = complaints(&record(
            (0..20).map(|run| (1.0, if run < 3 { 0.2 } else { 0.0 }, 100)),
        ));
        assert!(during[0].contains("during 15 %"), "{during:?}");
        let floor = complaints(&record((0..20).map(|run| (1.0, 0.0, 100 + run * 3))));
        assert!(floor[0].contains("floor"), "{floor:?}");
        assert_eq!((before.len(), during.len(), floor.len()), (1, 1, 1));
    }
}
