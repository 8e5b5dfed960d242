//! The stacks in a dump, as `oci-minidump-stack` finds them: a process of its own reads what a container wrote.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::control::bundle::hook;
use crate::control::manager::Manager;
use crate::control::model::state::ExitStatus;
use crate::control::overview::dumps::Dump;
use crate::control::process::helper::{Helper, Streams};
use crate::error::{Error, ErrorKind, Result};

/// The program, which is optional.
const PROGRAM: &str = "oci-minidump-stack";
/// How long it may take.
const STACK_TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of its text: about a thousand frames, those of the thread that crashed first.
const MAX_TEXT: usize = 64 * 1024;
/// The dump, as the program inherits it.
const INHERITED: &str = "/proc/self/fd/3";

impl Manager {
    /// Whether stacks can be shown.
    #[must_use]
    pub fn has_stacks() -> bool {
        hook::find_ours(PROGRAM).is_some()
    }

    /// The stacks in a dump, in words.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without the program, [`ErrorKind::NotFound`] when the dump has gone, and
    /// [`ErrorKind::Input`] when it is not one.
    pub async fn stack(&self, dump: &Dump) -> Result<String> {
        let Some(program) = hook::find_ours(PROGRAM) else {
            let error = Error::new(ErrorKind::Unsupported, format!("{PROGRAM} is not on this host"));
            return Err(error.advise("install it: scripts/install --stack"));
        };
        // One process at a time reads dumps, however many clients ask.
        let _alone = self.ctx().listing.lock().await;
        let (file, _) = dump.open()?;
        let mut helper = Helper::new(&program, Streams::Captured(MAX_TEXT), STACK_TIMEOUT);
        helper.pass(&[OwnedFd::from(file)])?;
        helper.args(["info", INHERITED]);
        let finished = helper.run().await?;
        if finished.timed_out || finished.exit == ExitStatus::Unknown {
            let what = format!("{PROGRAM} did not end in time for {}", dump.name());
            return Err(Error::new(ErrorKind::Timeout, what).advise("run it by hand"));
        }
        let text = String::from_utf8_lossy(&finished.stdout);
        // What comes before is in the list.
        let Some((_, stacks)) = text.split_once("\n\n") else {
            let why = String::from_utf8_lossy(&finished.stderr).replace(INHERITED, &dump.name());
            let what = format!("cannot show a stack of {}: {}", dump.name(), crate::log::cut(why.trim()));
            return Err(Error::new(ErrorKind::Input, what));
        };
        let rest = if finished.truncated { "\n[the rest is left out]" } else { "" };
        Ok(format!("{}{rest}", stacks.trim_end()))
    }
}
