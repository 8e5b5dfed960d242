//! What a stand-in must find on the command line of an OCI runtime, and nothing else of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Every verb of runc, crun and youki, so that the value of an option we do not know is not taken for one.
const VERBS: [&str; 20] = [
    "checkpoint",
    "create",
    "delete",
    "events",
    "exec",
    "features",
    "help",
    "info",
    "init",
    "kill",
    "list",
    "mounts",
    "pause",
    "ps",
    "restore",
    "resume",
    "run",
    "spec",
    "start",
    "state",
];
/// Global options whose value is a word of its own.
const GLOBAL_WITH_VALUE: [&str; 8] =
    ["root", "log", "log-format", "log-level", "criu", "rootless", "cgroup-manager", "r"];
/// Options of `create` and `run` whose value is a word of its own.
const CREATE_WITH_VALUE: [&str; 9] =
    ["bundle", "b", "console-socket", "pid-file", "preserve-fds", "config", "f", "apparmor", "process"];

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Whether a container is created: the verb is `create` or `run`.
    pub creates: bool,
    /// The value of `--bundle`; without one, it is the working directory.
    pub bundle: Option<PathBuf>,
    /// Another file than `config.json` (crun's `--config`).
    pub config: Option<PathBuf>,
    /// The runtime's log, into which an engine looks for the reason of a failure.
    pub log: Option<PathBuf>,
}

/// Reads the words behind the program's name. What is not understood is the runtime's to complain about.
#[must_use]
pub fn read(words: &[OsString]) -> CommandLine {
    let mut found = CommandLine::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some((name, value)) = option(word) else {
            if VERBS.iter().any(|verb| word == verb) {
                found.creates = word == "create" || word == "run";
                break;
            }
            continue;
        };
        let value = value.or_else(|| separate(name, &GLOBAL_WITH_VALUE, &mut words));
        if name == "log" {
            found.log = value.map(PathBuf::from);
        }
    }
    if found.creates {
        options_of_create(words, &mut found);
    }
    found
}

fn options_of_create<'a>(mut words: impl Iterator<Item = &'a OsString>, found: &mut CommandLine) {
    while let Some(word) = words.next() {
        if word == "--" {
            return;
        }
        // crun takes the value in the same word: -bDIR.
        if let Some((letter, value)) = attached(word) {
            let place = if letter == b'b' { &mut found.bundle } else { &mut found.config };
            *place = Some(value.into());
            continue;
        }
        let Some((name, value)) = option(word) else { continue };
        let value = value.or_else(|| separate(name, &CREATE_WITH_VALUE, &mut words));
        match name {
            "bundle" | "b" => found.bundle = value.map(PathBuf::from),
            "config" | "f" => found.config = value.map(PathBuf::from),
            _ => {}
        }
    }
}

/// The name of an option and the value behind its `=`. Go's runtimes take one dash for two.
fn option(word: &OsStr) -> Option<(&str, Option<OsString>)> {
    let bytes = word.as_bytes().strip_prefix(b"-")?;
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(place) => (bytes.get(..place)?, bytes.get(place.checked_add(1)?..)),
        None => (bytes, None),
    };
    Some((str::from_utf8(name).ok()?, value.map(|value| OsStr::from_bytes(value).to_owned())))
}

/// The next word, if it is the value of the option `name`.
fn separate<'a>(
    name: &str,
    with_value: &[&str],
    words: &mut impl Iterator<Item = &'a OsString>,
) -> Option<OsString> {
    if with_value.contains(&name) { words.next().cloned() } else { None }
}

/// The letter and the value of `-bDIR` and `-fFILE`; not `-b DIR`, `-b=DIR`, or Go's `-bundle`.
fn attached(word: &OsStr) -> Option<(u8, &OsStr)> {
    match word.as_bytes() {
        b"-bundle" => None,
        [b'-', letter @ (b'b' | b'f'), value @ ..] if !value.is_empty() && !value.contains(&b'=') => {
            Some((*letter, OsStr::from_bytes(value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> CommandLine {
        read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_bundle_is_found_in_every_form() {
        let forms = [
            "create --bundle /b c",
            "create --bundle=/b c",
            "create -b /b c",
            "create -b=/b c",
            "create -bundle /b c",
            "create -bundle=/b c",
            "create c --bundle /b",
            "run -b/b c",
            "--root /r --log /l --log-format json create --bundle /b --pid-file /p c",
            "--root=/r --systemd-cgroup run --no-pivot --bundle /b --console-socket /s c",
            "--debug --new-option value create --pid-file --bundle --bundle /b c",
            "--root create run --bundle /b c",
        ];
        for form in forms {
            let found = read_line(form);
            assert!(found.creates && found.bundle == Some("/b".into()), "{form}: {found:?}");
        }
        let none = ["create c", "run c -- --bundle /b", "create --pid-file --bundle c"];
        for form in none {
            let found = read_line(form);
            assert!(found.creates && found.bundle.is_none(), "{form}: {found:?}");
        }
    }

    #[test]
    fn only_create_and_run_create() {
        let forms = [
            "",
            "--version",
            "--root run state c",
            "--root run",
            "start create",
            "exec c run",
            "delete --force run",
            "--log create list",
            "kill create 9",
            "restore --bundle /b c",
            "spec --bundle /b",
        ];
        for form in forms {
            let found = read_line(form);
            assert!(!found.creates && found.bundle.is_none(), "{form}: {found:?}");
        }
    }

    #[test]
    fn the_log_and_another_configuration_are_found() {
        let found = read_line("--log /l create --config /c -b /b c");
        assert_eq!((found.log, found.config), (Some("/l".into()), Some("/c".into())));
        assert_eq!(read_line("run -f /c c").config, Some("/c".into()));
        assert_eq!(read_line("run -f/c c").config, Some("/c".into()));
    }
}
