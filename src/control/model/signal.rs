//! A signal that a client may send to a container.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal as Named;
use rustix::process::Signal as Raw;

use crate::error::{Error, ErrorKind};

/// A signal by its name, with or without `SIG` in any case, or by its number. Real-time signals have no names here and are
/// not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(Raw, Named);

impl Signal {
    /// For the kernel.
    pub(crate) fn raw(self) -> Raw {
        self.0
    }

    /// Whether it is SIGKILL, which no process survives.
    #[must_use]
    pub fn is_kill(self) -> bool {
        self.0 == Raw::KILL
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = match text.parse::<i32>() {
            Ok(number) => Named::try_from(number).ok(),
            Err(_) => {
                let name = text.to_ascii_uppercase();
                let name = name.strip_prefix("SIG").unwrap_or(&name);
                format!("SIG{name}").parse().ok()
            }
        };
        let raw = named.and_then(|named: Named| Some(Self(Raw::from_named_raw(named as i32)?, named)));
        raw.ok_or_else(|| {
            let known = "a signal is a name such as TERM or SIGTERM, or a number from 1 to 31";
            Error::new(ErrorKind::Input, known)
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_taken() {
        for text in ["TERM", "SIGTERM", "sigterm", "term", "15"] {
            assert_eq!(text.parse::<Signal>().unwrap().to_string(), "SIGTERM", "{text}");
        }
        assert!("9".parse::<Signal>().unwrap().is_kill() && "31".parse::<Signal>().is_ok());
        for text in ["", "SIG", "SIGSIGTERM", "TERMX", "0", "-1", "32", "64", "99999999999", "1 ", "TERM\0"] {
            assert!(text.parse::<Signal>().is_err(), "{text:?}");
        }
    }
}
