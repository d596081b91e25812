//! The main process of a member, as those see it who write in its name.

use crate::systemd::unit::Unit;

/// A main process, and the life of the unit that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MainProcess {
    /// Its number; 0 if there is none.
    pub(super) pid: u32,
    /// The unit's invocation.
    life: u128,
}

impl MainProcess {
    /// That of a unit.
    pub(super) fn of(unit: &Unit) -> Self {
        Self {
            pid: unit.main_pid,
            life: unit.invocation,
        }
    }

    /// Whether the member's program has ended when `next` is the main process. In one life of the unit a launcher gives
    /// way to the program, which may be running for a while before that is heard of.
    pub(super) fn has_ended(self, next: Self) -> bool {
        self.pid != next.pid && (next.pid == 0 || self.life != next.life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_but_does_not_end_the_launcher_before_it() {
        let process = |pid, life| MainProcess { pid, life };
        let launcher = process(5, 1);
        let program = process(6, 1);
        assert!(!launcher.has_ended(program) && !program.has_ended(program));
        assert!(program.has_ended(process(0, 1)) && program.has_ended(process(7, 2)));
        // systemd tells the process before it tells the life.
        assert!(!process(0, 1).has_ended(process(7, 1)) && !process(7, 1).has_ended(process(7, 2)));
    }
}
