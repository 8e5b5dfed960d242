//! What is noted of a run in the container's directory: for the hook, and for a later daemon.

use crate::control::container::Container;
use crate::control::model::state::ExitStatus;
use crate::control::process::handle::ProcessIdentity;
use crate::control::state::saved_state::SavedState;
use crate::oci::run::{self, Run, RunNote};

/// Notes for the hook what it cannot know of this run: the restarts, and how it ended once its first process has.
pub(crate) fn note_run(container: &Container, ended: Option<(ProcessIdentity, ExitStatus)>) {
    if container.policy().dump_dirs.is_empty() {
        return;
    }
    let mut run = Run { restarts: container.policy().restarts, ..Run::default() };
    match ended {
        Some((_, ExitStatus::Code(code))) => run.exit_code = Some(code),
        Some((_, ExitStatus::Signal(signal))) => run.exit_signal = Some(signal),
        Some((_, ExitStatus::Unknown)) | None => {}
    }
    let note = RunNote { init: ended.map(|(init, _)| (init.pid, init.start_time)), run };
    if let Err(error) = container.dir.replace_note(run::FILE, &note) {
        log::warn!("container {}: {}", container.id, error.report());
    }
}

/// Persists how a container ended, which a later daemon could not find out, and that it is not to be restarted when a client
/// wants it to end.
pub(crate) fn save_exit(container: &Container, exit: ExitStatus) {
    if exit == ExitStatus::Unknown {
        return;
    }
    let saved = container.dir.load().and_then(|saved| match saved.exit {
        Some(_) => Ok(()),
        None => {
            let restarts = saved.restarts.filter(|_| !container.is_stop_requested());
            container.dir.save(&SavedState { exit: Some(exit), restarts, ..saved })
        }
    });
    if let Err(error) = saved {
        log::warn!("container {}: {}", container.id, error.report());
    }
}
