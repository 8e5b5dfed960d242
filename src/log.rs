//! Where messages go: stderr for the person or runtime that called, syslog for whoever looks later.
//!
//! crun throws a hook's stderr away, so on most boxes syslog is the only voice a hook has. It is used only when
//! `/dev/log` is a socket: without one the syslog crate would send UDP packets into the void and call it success.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::FileTypeExt;
use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};
use time::OffsetDateTime;

const DEV_LOG: &str = "/dev/log";

/// The process's logger: one line per message, control characters escaped.
struct TwoVoices {
    stderr: LevelFilter,
    to_syslog: LevelFilter,
    syslog: Option<Mutex<Logger<LoggerBackend, Format>>>,
}

/// Starts logging: to stderr what is at least as grave as `stderr`, to syslog what is at least `syslog`.
///
/// A second call only changes the overall level.
pub fn start(program: &str, stderr: LevelFilter, syslog: LevelFilter) {
    let connection = if syslog == LevelFilter::Off { None } else { connect(program) };
    let logger = TwoVoices { stderr, to_syslog: syslog, syslog: connection.map(Mutex::new) };
    // Only a second logger fails here, and then the first one goes on serving.
    let _already_set = log::set_boxed_logger(Box::new(logger));
    log::set_max_level(stderr.max(syslog));
}

/// Changes what is logged from now on, within what [`start`] allowed.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// A connection to `/dev/log` that never blocks: a stuck syslog daemon must not hold up a container.
fn connect(program: &str) -> Option<Logger<LoggerBackend, Format>> {
    if !std::fs::metadata(DEV_LOG).ok()?.file_type().is_socket() {
        return None;
    }
    let formatter = Format { program: program.to_owned() };
    let logger = syslog::unix_custom(formatter, DEV_LOG).ok()?;
    match &logger.backend {
        LoggerBackend::Unix(socket) => socket.set_nonblocking(true).ok()?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_nonblocking(true).ok()?,
        _ => return None,
    }
    Some(logger)
}

/// The lines of RFC 3164, in UTC. Those of the syslog crate bring the reader of its description of a time: 40 KB.
struct Format {
    program: String,
}

impl LogFormat<String> for Format {
    fn format<W: std::io::Write>(
        &self,
        to: &mut W,
        severity: Severity,
        message: String,
    ) -> syslog::Result<()> {
        let line = self.line(severity, OffsetDateTime::now_utc(), &message);
        write!(to, "{line}").map_err(syslog::Error::Write)
    }
}

impl Format {
    fn line(&self, severity: Severity, now: OffsetDateTime, message: &str) -> String {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        let (month, (hour, minute, second)) = (now.month().to_string(), now.time().as_hms());
        let time = format!("{month:.3} {:02} {hour:02}:{minute:02}:{second:02}", now.day());
        format!("<{priority}>{time} {}[{}]: {message}", self.program, std::process::id())
    }
}

impl Log for TwoVoices {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && !is_foreign(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if is_foreign(record.target()) {
            return;
        }
        let message = escape(&record.args().to_string());
        if record.level() <= self.stderr {
            // One write, so that lines of parallel hooks don't mix. Nobody may be listening, and that is fine.
            let _closed =
                std::io::stderr().write_all(format!("{}: {message}\n", word(record.level())).as_bytes());
        }
        let Some(syslog) = self.syslog.as_ref().filter(|_| record.level() <= self.to_syslog) else { return };
        let Ok(mut syslog) = syslog.lock() else { return };
        // A syslog daemon that died must not stop the work.
        let _lost = match record.level() {
            Level::Error => syslog.err(message),
            Level::Warn => syslog.warning(message),
            Level::Info => syslog.info(message),
            Level::Debug | Level::Trace => syslog.debug(message),
        };
    }

    fn flush(&self) {}
}

/// Whether a message is of zbus, which logs what it reads and writes: a client's arguments are not for the log.
fn is_foreign(target: &str) -> bool {
    target.starts_with("zbus") || target.starts_with("tracing")
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}

/// `text` on one line, harmless on a terminal: control and text-direction characters are written as escapes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_format(c) {
            // Writing to a String cannot fail.
            let _infallible = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A JSON value in a message: compact, escaped, cut.
#[must_use]
pub fn shown(value: &serde_json::Value) -> String {
    cut(&escape(&value.to_string()))
}

/// The beginning of a text that may be long.
#[must_use]
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The beginning of a text, in whole characters and at most `max` bytes.
#[must_use]
pub fn shortened(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// JSON `text` that is harmless on a terminal and means the same: what [`escape`] would escape becomes a `\u` escape.
///
/// serde_json escapes what JSON demands; that leaves the control characters from U+007F on and text directions, which
/// only occur inside strings.
#[must_use]
pub fn escape_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' || is_format(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _infallible = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Characters that change how the text around them is shown: bidirectional overrides, zero-width marks, separators.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_forge_lines_or_drive_a_terminal() {
        let cases = [
            ("plain name.dmp", "plain name.dmp"),
            ("a\nerror: b", "a\\nerror: b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("gpj.\u{202e}dmp", "gpj.\\u{202e}dmp"),
            ("zażółć", "zażółć"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn a_line_for_syslog_is_that_of_rfc_3164() {
        let now = OffsetDateTime::from_unix_timestamp(1_756_789_021).unwrap();
        let line = Format { program: "hook".to_owned() }.line(Severity::LOG_WARNING, now, "no room");
        assert_eq!(line, format!("<28>Sep 02 04:57:01 hook[{}]: no room", std::process::id()));
    }

    #[test]
    fn json_stays_json_and_cannot_drive_a_terminal() {
        let text = "za\u{17c}\u{f3}\n\u{1b}\u{7f}\u{9b}2J\u{202e}\u{1f600}";
        let json = escape_json(&serde_json::to_string_pretty(&[text]).unwrap());
        assert_eq!(json, "[\n  \"za\u{17c}\u{f3}\\n\\u001b\\u007f\\u009b2J\\u202e\u{1f600}\"\n]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
    }
}
