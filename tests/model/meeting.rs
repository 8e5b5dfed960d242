//! The hook at work, harmed or met by something else on the way.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::operations::Action;
use crate::place::{Fault, Place};
use crate::support::host::wait_until;
use crate::support::run::Run;

/// How long a hook is held up at most. Another one may wait for a lock that it has.
const PATIENCE: Duration = Duration::from_millis(300);

/// What happens to the hook before one of its system calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Harm {
    None,
    Kill(u64),
    Hold(u64),
}

impl Harm {
    fn fault(self, place: &Place) -> Option<Fault> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let what = match self {
            Self::None => return None,
            Self::Kill(call) => format!("changes kill@{call}"),
            Self::Hold(call) => format!("changes,opens hold@{call}"),
        };
        let report = place.world.path(format!("calls-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        Some(Fault { what, report })
    }
}

/// Runs the hook. Says also whether it was killed.
pub(crate) fn alone(place: &Place, action: Action, harm: Harm) -> (Run, bool) {
    let fault = harm.fault(place);
    if let Some(fault) = &fault {
        place.lay(action, fault);
    }
    let run = place.perform(action);
    place.lift(action);
    let seen = fault.and_then(|fault| {
        let calls = fs::read_to_string(&fault.report).ok()?;
        fs::remove_file(&fault.report).unwrap();
        u64::try_from(calls.lines().count()).ok()
    });
    (run, matches!(harm, Harm::Kill(call) if seen.is_some_and(|seen| seen >= call)))
}

/// Runs the hook and something else at once. A hook that is to be held up gets to that point first.
pub(crate) fn of<T>(place: &Arc<Place>, action: Action, harm: Harm, meanwhile: impl FnOnce() -> T) -> Run {
    let fault = harm.fault(place);
    if let Some(fault) = &fault {
        place.lay(action, fault);
    }
    let first = thread::spawn({
        let place = Arc::clone(place);
        move || place.perform(action)
    });
    let held = fault.as_ref().map(|fault| PathBuf::from(format!("{}.held", fault.report.display())));
    if let Some(held) = &held {
        wait_until(|| first.is_finished() || held.exists());
    }
    // What nobody took must not hit another hook.
    place.lift(action);
    let (over, is_over) = mpsc::channel::<()>();
    let release = thread::spawn(move || {
        let _over_or_late = is_over.recv_timeout(PATIENCE);
        // It may have come through without getting there.
        held.map(fs::remove_file)
    });
    meanwhile();
    drop(over);
    release.join().unwrap();
    let run = first.join().unwrap();
    if let Some(fault) = fault {
        let _never_run = fs::remove_file(fault.report);
    }
    run
}
