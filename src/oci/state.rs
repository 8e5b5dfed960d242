//! The OCI state that a runtime writes to a hook's stdin (runtime-spec, "State").

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use oci_spec::runtime::{ContainerState, State as OciState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::oci::id;

/// The most bytes of state that are read; runtimes write some hundred.
const MAX_STATE: usize = 1 << 20;

/// What a hook needs of the OCI state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The container's id, checked: no path separator, no control character.
    pub id: String,
    /// The process id of the container's init in the host's pid namespace; none when it is over.
    pub pid: Option<i32>,
    /// Whether the runtime calls the container stopped.
    pub stopped: bool,
    /// The bundle directory; some runtimes leave it out.
    pub bundle: Option<PathBuf>,
    /// The annotations of the container.
    pub annotations: HashMap<String, String>,
}

impl State {
    /// Reads the state from `input` to its end (crun before 1.17 takes an early close for a failed hook).
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it is longer than 1 MiB, not complete after `timeout`, or malformed.
    pub fn read(input: BorrowedFd<'_>, timeout: Duration) -> Result<Self> {
        Self::parse(&read_to_end(input, timeout)?)
    }

    /// Parses a state. Unknown members are ignored; `id` and `status` must be there.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] with what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let malformed = |what: &str| Error::new(ErrorKind::Input, format!("the OCI state on stdin {what}"));
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(malformed("is empty").advise("this program is run by an OCI runtime; try --help"));
        }
        let mut value: Value =
            serde_json::from_slice(text).map_err(|e| malformed("is not valid JSON").caused_by(e))?;
        let object = value.as_object_mut().ok_or_else(|| malformed("is not a JSON object"))?;
        // oci-spec would take a missing status for `stopped`, and an unknown one for an error.
        let status = object.remove("status");
        let status = status.ok_or_else(|| malformed("has no status"))?;
        if !status.is_string() {
            return Err(malformed("has a status that is not a string"));
        }
        let stopped =
            serde_json::from_value(status).is_ok_and(|s: ContainerState| s == ContainerState::Stopped);
        let state: OciState = serde_json::from_value(value)
            .map_err(|e| malformed("has a member of the wrong type").caused_by(e))?;
        id::check(state.id()).map_err(|e| e.within("the OCI state on stdin"))?;
        Ok(Self {
            id: state.id().clone(),
            pid: state.pid().filter(|pid| *pid > 0),
            stopped,
            bundle: Some(state.bundle().clone()).filter(|bundle| !bundle.as_os_str().is_empty()),
            annotations: state.annotations().clone().unwrap_or_default(),
        })
    }
}

impl State {
    /// The state of the app in Dobby's terms (annotation `fireboltState`), if somebody said it.
    #[must_use]
    pub fn app_state(&self) -> Option<&str> {
        self.annotations.get("fireboltState").map(String::as_str)
    }
}

fn read_to_end(input: BorrowedFd<'_>, timeout: Duration) -> Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let mut text = Vec::with_capacity(4096);
    let mut chunk = [0; 4096];
    loop {
        wait_readable(input, deadline)?;
        let count = rustix::io::retry_on_intr(|| rustix::io::read(input, &mut chunk))
            .tried(|| "cannot read the OCI state from stdin")?;
        if count == 0 {
            return Ok(text);
        }
        text.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if text.len() > MAX_STATE {
            let what = format!("the OCI state on stdin is longer than {MAX_STATE} bytes");
            return Err(Error::new(ErrorKind::Input, what));
        }
    }
}

fn wait_readable(input: BorrowedFd<'_>, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let left = left.tried(|| "cannot wait for the OCI state on stdin")?;
    let mut fds = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&left)))
        .tried(|| "cannot wait for the OCI state on stdin")?;
    if ready == 0 {
        return Err(Error::new(ErrorKind::Input, "the OCI state on stdin does not end")
            .advise("the caller must close the hook's stdin"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRUN: &str = r#"{"ociVersion":"1.0","id":"o-crun","pid":15494,"root":"rootfs","bundle":"/b/order",
        "status":"created","annotations":{"com.x.y":"z"}}"#;

    #[test]
    fn states_of_the_known_runtimes_are_understood() {
        let cases = [
            (CRUN, Some(15494), false),
            (
                r#"{"ociVersion":"1.0","id":"o-crun","pid":0,"root":"rootfs","bundle":"/b/order","status":"stopped",
                "annotations":{"com.x.y":"z"}}"#,
                None,
                true,
            ),
            (
                r#"{"ociVersion":"1.0.2-dev","id":"o-crun","status":"creating","pid":15522,"bundle":"/b/order",
                "annotations":{"com.x.y":"z"}}"#,
                Some(15522),
                false,
            ),
            (
                r#"{"ociVersion":"1.0.2-dev","id":"o-crun","status":"stopped","bundle":"\/b\/order",
                "annotations":{"com.x.y":"z"}}"#,
                None,
                true,
            ),
            (
                r#"{"ociVersion":"1.1.0","id":"o-crun","status":"stopped","pid":15839,"bundle":"/b/order",
                "annotations":{"com.x.y":"z"}}"#,
                Some(15839),
                true,
            ),
            (
                r#"{"ociVersion":"1.3.0","id":"o-crun","status":"starting","pid":7,"bundle":"/b/order","later":[1],
                "annotations":{"com.x.y":"z"}}"#,
                Some(7),
                false,
            ),
        ];
        for (text, pid, stopped) in cases {
            let state = State::parse(text.as_bytes()).unwrap();
            assert_eq!((state.id.as_str(), state.pid, state.stopped), ("o-crun", pid, stopped), "{text}");
            assert_eq!(state.bundle, Some(PathBuf::from("/b/order")), "{text}");
            assert_eq!(state.annotations["com.x.y"], "z", "{text}");
        }
    }

    #[test]
    fn an_input_that_never_ends_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, CRUN.as_bytes()).unwrap();
        let error = State::read(reader.as_fd(), Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.report().contains("does not end; the caller must close"), "{}", error.report());
        drop(writer);
        assert_eq!(
            State::read(reader.as_fd(), Duration::from_secs(20)).unwrap_err().kind(),
            ErrorKind::Input
        );
    }

    #[test]
    fn malformed_states_are_refused_with_the_reason() {
        let cases = [
            ("", "is empty"),
            ("  \n", "is empty"),
            ("{", "is not valid JSON"),
            ("[]", "is not a JSON object"),
            (r#"{"id":"x","pid":1}"#, "has no status"),
            (r#"{"id":"x","status":7}"#, "has a status that is not a string"),
            (r#"{"status":"created"}"#, "the container id \"\" is empty"),
            (r#"{"id":"../x","status":"created"}"#, "contains '/'"),
            (r#"{"id":7,"status":"created"}"#, "has a member of the wrong type"),
            (r#"{"id":"x","status":"created","pid":99999999999}"#, "has a member of the wrong type"),
        ];
        for (text, reason) in cases {
            let error = State::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{text}");
            assert!(error.report().contains(reason), "{text}: {}", error.report());
        }
        let deep = "[".repeat(100_000);
        assert!(State::parse(deep.as_bytes()).is_err());
    }
}
