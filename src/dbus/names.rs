//! What everything is called in Dobby's interface, and the numbers that stand for states and levels.

use log::LevelFilter;

use crate::control::{ExitStatus, State};

/// The name of the service on the bus.
pub(crate) const SERVICE: &str = "org.rdk.dobby";
/// The one object.
pub(crate) const OBJECT: &str = "/org/rdk/dobby";
/// The interface for the daemon itself.
pub(crate) const ADMIN: &str = "org.rdk.dobby.admin1";
/// The interface for containers.
pub(crate) const CTRL: &str = "org.rdk.dobby.ctrl1";
/// The interface for people who look for mistakes.
pub(crate) const DEBUG: &str = "org.rdk.dobby.debug1";

/// The number of no container.
pub(crate) const INVALID: i32 = 0;

/// Bit of a wait status: the process left a core.
const CORE: i32 = 0x80;
/// One more than the last signal: `NSIG`.
const SIGNALS: i32 = 65;
/// The signals that leave a core: QUIT, ILL, ABRT, BUS, FPE, SEGV.
const CORE_SIGNALS: [i32; 6] = [3, 4, 6, 7, 8, 11];

/// The number by which Dobby's daemon reports a state.
pub(crate) fn state(state: State) -> i32 {
    match state {
        State::Unknown => INVALID,
        State::Starting => 1,
        State::Running => 2,
        // One that ended and could not be deleted is on its way out, too.
        State::Stopping | State::Stopped => 3,
        State::Paused => 4,
        State::Hibernating => 5,
        State::Hibernated => 6,
        State::Awakening => 7,
    }
}

/// The level that Dobby's number stands for: 0 fatal, 1 error, 2 warning, 3 milestone, 4 info, 5 debug.
pub(crate) fn level(number: i32) -> Option<LevelFilter> {
    match number {
        0 | 1 => Some(LevelFilter::Error),
        2 => Some(LevelFilter::Warn),
        3 | 4 => Some(LevelFilter::Info),
        5 => Some(LevelFilter::Debug),
        _ => None,
    }
}

/// How a container ended, as the word of wait(2). As with Dobby an exit code of 128 + N stands for signal N, and an
/// unknown exit status for 0.
pub(crate) fn wait_status(exit: ExitStatus) -> i32 {
    match exit {
        ExitStatus::Code(code) if code > 128 && code < 128 + SIGNALS => signal_status(code - 128),
        ExitStatus::Code(code) => (code & 0xff) << 8,
        ExitStatus::Signal(signal) => signal & 0x7f,
        ExitStatus::Unknown => 0,
    }
}

fn signal_status(signal: i32) -> i32 {
    if CORE_SIGNALS.contains(&signal) { signal | CORE } else { signal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_dobby() {
        let states = [State::Unknown, State::Starting, State::Running, State::Stopping, State::Paused];
        assert_eq!(states.map(state), [0, 1, 2, 3, 4]);
        let asleep = [State::Hibernating, State::Hibernated, State::Awakening];
        assert_eq!(asleep.map(state), [5, 6, 7]);
        let ends = [
            (ExitStatus::Code(0), 0),
            (ExitStatus::Code(7), 7 << 8),
            (ExitStatus::Code(255), 255 << 8),
            (ExitStatus::Code(128 + 15), 15),
            (ExitStatus::Code(128 + 11), 11 | 0x80),
            (ExitStatus::Signal(9), 9),
            (ExitStatus::Unknown, 0),
        ];
        for (exit, word) in ends {
            assert_eq!(wait_status(exit), word, "{exit}");
        }
    }
}
