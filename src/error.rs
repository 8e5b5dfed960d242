//! The one error type of the crate: what was tried on what object, why it failed, what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as far as a caller acts on it. Each kind has one [`ExitCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line is wrong.
    Usage,
    /// Foreign data (the OCI state, a minidump, a request) is malformed.
    Input,
    /// The configuration (`config.json`, settings, annotations) asks for something that cannot be.
    Config,
    /// Somebody laid a trap: a link where a directory should be, a file of another owner.
    Attack,
    /// The object is in use by somebody else; the same call may work later.
    Busy,
    /// A file system is full, read-only, or has no room for what was asked.
    NoSpace,
    /// A file system or a file is damaged.
    Corrupt,
    /// The kernel or the host lacks something: a module, a program, a system call.
    Unsupported,
    /// A container is not known, or something of it: a log, a mount, an annotation.
    NotFound,
    /// Something did not end within its deadline.
    Timeout,
    /// The daemon does not answer.
    Unreachable,
    /// A bundle is missing or not one.
    Bundle,
    /// Any other failed operation of the operating system.
    System,
}

/// The exit codes of both binaries. They are part of the interface and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done.
    Ok = 0,
    /// An operation of the operating system failed.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The data handed in is malformed.
    BadInput = 3,
    /// The configuration is wrong.
    BadConfig = 4,
    /// The container or somebody on the host tried to lead us astray.
    Attack = 5,
    /// Something is in use; try again later.
    Busy = 6,
    /// No room on a file system.
    NoSpace = 7,
    /// Something is damaged.
    Corrupt = 8,
    /// The kernel or the host lacks something.
    Unsupported = 9,
    /// There is no such object.
    NotFound = 10,
    /// Something did not end within its deadline.
    Timeout = 11,
    /// The daemon does not answer.
    Unreachable = 12,
    /// A bundle is missing or not one.
    BadBundle = 13,
}

impl ExitCode {
    /// Every exit code with its meaning, for help and manual pages.
    pub const ALL: [(Self, &str); 14] = [
        (Self::Ok, "done"),
        (Self::Failure, "an operation failed"),
        (Self::Usage, "wrong command line"),
        (Self::BadInput, "malformed input"),
        (Self::BadConfig, "wrong configuration"),
        (Self::Attack, "attack: a link or a file that is not what it should be"),
        (Self::Busy, "busy: something is in use, or a container is in the wrong state"),
        (Self::NoSpace, "no space, or a read-only file system"),
        (Self::Corrupt, "something is damaged"),
        (Self::Unsupported, "the kernel or the host lacks something"),
        (Self::NotFound, "no such container, or nothing of that name in it: a log, a mount, an annotation"),
        (Self::Timeout, "timed out"),
        (Self::Unreachable, "the daemon does not answer"),
        (Self::BadBundle, "the bundle is missing, not allowed, or cannot be used"),
    ];
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Input => Self::BadInput,
            ErrorKind::Config => Self::BadConfig,
            ErrorKind::Attack => Self::Attack,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::NoSpace => Self::NoSpace,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Bundle => Self::BadBundle,
            ErrorKind::System => Self::Failure,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// An error: a kind, what was tried on what object, the cause, and advice.
///
/// `Display` gives the first layer only; [`Error::report`] gives the whole story in one line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `what` says what was tried on what object, in lower case, without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), advice: None, source: None }
    }

    /// The same error with the cause it had.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with a word on what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same error as another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error as part of something larger: `what` goes in front of the message.
    #[must_use]
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The exit code of a program that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.kind.into()
    }

    /// The whole story in one line: what, why (every cause, once), and what to do.
    #[must_use]
    pub fn report(&self) -> String {
        let mut line = self.what.clone();
        let mut advice = self.advice.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Errors of some libraries have their cause in their own text.
            if !line.ends_with(&text) {
                line.push_str(&format!(": {text}"));
            }
            let inner = error.downcast_ref::<Self>().and_then(|e| e.advice.clone());
            advice = advice.or(inner);
            cause = error.source();
        }
        if let Some(advice) = advice {
            line.push_str(&format!("; {advice}"));
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The kind an error of the operating system has when nobody knows better.
fn kind_of(error: &io::Error) -> ErrorKind {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::FBIG) => ErrorKind::NoSpace,
        Some(Errno::BUSY | Errno::TXTBSY) => ErrorKind::Busy,
        Some(Errno::NOSYS | Errno::OPNOTSUPP) => ErrorKind::Unsupported,
        _ => ErrorKind::System,
    }
}

/// Turns the errors of reading what somebody else wrote into [`Error`]s: a file system that cannot be read is damaged.
pub trait Unreadable<T> {
    /// `what` says what was tried on what object.
    ///
    /// # Errors
    /// The original one as [`ErrorKind::Corrupt`] when it says so, else as [`Tried`] would have it.
    fn unreadable<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<io::Error>> Unreadable<T> for std::result::Result<T, E> {
    fn unreadable<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        use rustix::io::Errno;

        self.map_err(Into::into).or_else(|error: io::Error| {
            let damaged = [Errno::UCLEAN, Errno::IO, Errno::BADMSG, Errno::INVAL];
            let is_damaged = Errno::from_io_error(&error).is_some_and(|errno| damaged.contains(&errno));
            Err(error)
                .tried(what)
                .map_err(|error| if is_damaged { error.of_kind(ErrorKind::Corrupt) } else { error })
        })
    }
}

/// Turns the errors of the operating system into [`Error`]s that say what was tried.
pub trait Tried<T> {
    /// `what` says what was tried on what object: `cannot open /x`.
    ///
    /// # Errors
    /// The original one, with `what` in front of it.
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<io::Error>> Tried<T> for std::result::Result<T, E> {
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let refused = error.kind() == io::ErrorKind::PermissionDenied;
            let tried = Error::new(kind_of(&error), what()).caused_by(error);
            if refused && !rustix::process::geteuid().is_root() { tried.advise("run as root") } else { tried }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_every_cause_and_the_advice() {
        let io = io::Error::from_raw_os_error(28);
        let inner = Err::<(), _>(io).tried(|| "cannot write /x").unwrap_err();
        assert_eq!(inner.kind(), ErrorKind::NoSpace);
        let inner = inner.advise("make room");
        let outer =
            Error::new(ErrorKind::System, "cannot publish a.dmp").caused_by(inner).within("container c1");
        assert_eq!(
            outer.report(),
            "container c1: cannot publish a.dmp: cannot write /x: No space left on device (os error 28); make room"
        );
        assert_eq!(outer.exit_code(), ExitCode::Failure);
    }

    /// An error that has the text of its cause in its own, as some libraries make them.
    #[derive(Debug)]
    struct Wordy(io::Error);

    impl fmt::Display for Wordy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "IO error: {}", self.0)
        }
    }

    impl StdError for Wordy {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn no_cause_is_said_twice() {
        let wordy = Wordy(io::Error::from_raw_os_error(104));
        let error = Error::new(ErrorKind::Unreachable, "the connection broke").caused_by(wordy);
        assert_eq!(error.report(), "the connection broke: IO error: Connection reset by peer (os error 104)");
        assert_eq!(Error::new(ErrorKind::Unreachable, "it closed").caused_by("").report(), "it closed");
    }
}
