//! A signal that a client may send to a container.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal as Named;
use rustix::process::Signal as Raw;

use crate::error::{Error, ErrorKind};
use crate::sys::real_time;

/// A signal by its name, with or without `SIG` in any case, or by its number. Real-time signals are `RTMIN`, 34, to `RTMAX`,
/// 64, or so many behind the one or before the other: `RTMIN+3`, `RTMAX-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(Raw);

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
        let number = text.parse().ok().or_else(|| {
            let name = text.to_ascii_uppercase();
            let name = name.strip_prefix("SIG").unwrap_or(&name);
            let named = || format!("SIG{name}").parse().ok().map(|named: Named| named as i32);
            if name.starts_with("RT") { real_time_number(name) } else { named() }
        });
        let raw = number.and_then(|number| Raw::from_named_raw(number).or_else(|| real_time::signal(number)));
        raw.map(Self).ok_or_else(|| {
            let known =
                "a signal is a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 31 or 34 to 64";
            Error::new(ErrorKind::Input, known)
        })
    }
}

/// The number of `RTMIN+N` or `RTMAX-N`.
fn real_time_number(name: &str) -> Option<i32> {
    let (("RTMIN", end) | ("RTMAX", end)) = name.split_at_checked(5)? else { return None };
    let distance = match end.split_at_checked(1) {
        None => 0,
        Some(("+" | "-", digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Some(_) => return None,
    };
    let distance: i32 = distance;
    let number = match (name.as_bytes().get(4)?, end.as_bytes().first()) {
        (b'N', None | Some(b'+')) => real_time::NUMBERS.start().checked_add(distance),
        (b'X', None | Some(b'-')) => real_time::NUMBERS.end().checked_sub(distance),
        _ => None,
    };
    number.filter(|number| real_time::NUMBERS.contains(number))
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.as_raw();
        match Named::try_from(number) {
            Ok(named) => f.write_str(named.as_str()),
            Err(_) => write!(f, "SIGRTMIN+{}", number - real_time::NUMBERS.start()),
        }
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
        let cases = [
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmin+15", 49),
            ("RTMIN+30", 64),
            ("RTMAX-14", 50),
            ("sigrtmax", 64),
            ("RTMAX-30", 34),
            ("37", 37),
        ];
        for (text, number) in cases {
            let signal = text.parse::<Signal>().unwrap();
            assert_eq!(signal.raw().as_raw(), number, "{text}");
            assert_eq!(
                signal.to_string().parse::<Signal>().unwrap(),
                signal,
                "a daemon reads what it is sent"
            );
        }
        let outside =
            ["RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMAX+0", "RTMIN+", "RTMIN+-1", "RTMIN++1", "RT", "RTMINé"];
        let others =
            ["", "SIG", "SIGSIGTERM", "TERMX", "0", "-1", "32", "33", "65", "99999999999", "1 ", "TERM\0"];
        for text in outside.into_iter().chain(others) {
            assert!(text.parse::<Signal>().is_err(), "{text:?}");
        }
    }
}
