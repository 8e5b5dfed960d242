//! The hook's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command::command_line::help;
use crate::command::command_line::requests::{Request, command, refuse_foreign, refuse_operands};
use crate::command::command_line::verbs::{self, Verb};
use crate::command::command_line::words::{self, Words, usage};
use crate::doctor::sample;
use crate::error::Result;
use crate::hook::{Options, Stage};
use crate::log::escape;
use crate::settings::admin;

/// A parsed command line.
#[derive(Debug)]
pub struct Args {
    /// What to do.
    pub request: Request,
    /// The administrator's settings file.
    pub settings: PathBuf,
}

/// Parses a command line without the program's own name.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args> {
    let mut words = words::read(arguments)?;
    if words.verb.as_deref() != Some("core") {
        words.operands.extend(words.rest.drain(..).map(PathBuf::from));
    }
    let settings = words.path(&verbs::SETTINGS).unwrap_or_else(|| admin::FILE.into());
    Ok(Args { request: request(&words)?, settings })
}

fn request(words: &Words) -> Result<Request> {
    if words.has(&verbs::VERSION) {
        return Ok(Request::Show(help::VERSION.to_owned()));
    }
    let name = words.verb.as_deref().unwrap_or_default();
    if words.has(&verbs::HELP) {
        return Ok(Request::Show(help::of(name)));
    }
    if name.is_empty() || Stage::from_word(name).is_some() {
        // A runtime's call is never refused for an option that is for people.
        refuse_operands(words, 0)?;
        return Ok(Request::Hook(Options {
            stage: Stage::from_word(name),
            config: words.path(&verbs::CONFIG),
            added: words.value(&verbs::ADDED).map(|section| section.to_string_lossy().into_owned()),
            stand_in: None,
        }));
    }
    if name == "lxc" {
        return Ok(Request::Lxc(words.operands.clone()));
    }
    if name == sample::VERB {
        return Ok(Request::Crash(words.operands.first().cloned().unwrap_or_else(|| sample::SOURCE.into())));
    }
    if name == "help" {
        let topic = words.operands.first().and_then(|word| word.to_str()).unwrap_or_default();
        return Ok(Request::Show(help::of(topic)));
    }
    let verb = Verb::named(name).ok_or_else(|| {
        let meant = help::nearest(name).map_or_else(String::new, |verb| format!("; did you mean '{verb}'?"));
        usage(format!("there is no command '{}'{meant}", escape(name)))
    })?;
    refuse_foreign(words, verb)?;
    command(words, verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn parse_line(line: &str) -> Result<Request> {
        parse(line.split_whitespace().map(OsString::from)).map(|args| args.request)
    }

    #[test]
    fn a_runtime_is_understood_with_and_without_a_stage() {
        let cases = [
            ("", None),
            ("prestart", Some(Stage::Prestart)),
            ("createRuntime", Some(Stage::Prestart)),
            ("--config /c.json poststop", Some(Stage::Poststop)),
        ];
        for (line, stage) in cases {
            let Ok(Request::Hook(options)) = parse_line(line) else { panic!("{line}") };
            assert_eq!(options.stage, stage, "{line}");
            assert_eq!(options.config.is_some(), line.contains("--config"), "{line}");
        }
    }

    #[test]
    fn wrong_command_lines_are_usage_errors() {
        let cases = [
            ("poststart", "there is no command 'poststart'"),
            ("prestart x", "unexpected argument 'x'"),
            ("add", "BUNDLE is missing"),
            ("add b --container-source /c", "--host-destination DIR is missing"),
            ("add b c", "unexpected argument 'c'"),
            ("harvest i", "--to DIR is missing"),
            ("harvest --to d", "IMAGE is missing"),
            ("harvest --running c --to d", "--to is not for --running"),
            ("sweep --watch c", "unexpected argument 'c'"),
            ("core", "PID is missing"),
            ("core 1 2", "SIGNAL is missing"),
            ("core 1 -- 2 11", "TID is missing"),
            ("core 1 x 11", "TID 'x' is not a number"),
            ("core 1 2 11 3 4", "unexpected argument '4'"),
            ("core --pattern 1", "unexpected argument '1'"),
            ("lsit", "there is no command 'lsit'; did you mean 'list'?"),
            ("list --since yesterday", "how long ago, such as 30min"),
            ("list --to d", "list does not take --to"),
            ("check b --bogus", "invalid option '--bogus'"),
            ("add b --container-source /c --host-destination /d --imgsize 8.5M", "K, M or G"),
            ("check b --image i", "check does not take --image"),
        ];
        for (line, expected) in cases {
            let error = parse_line(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.report().contains(expected), "{line}: {}", error.report());
        }
    }

    #[test]
    fn the_kernels_words_are_understood_and_the_previous_handler_keeps_its_own() {
        let line = ["core", "7", "8", "11", "", "--", "/bin/a", "--json", "--", "-x"];
        let Request::Core(crash) = parse(line.map(OsString::from)).unwrap().request else { panic!() };
        assert_eq!((crash.pid, crash.thread, crash.signal, crash.pidfd), (7, 8, 11, None));
        assert_eq!(crash.previous, ["/bin/a", "--json", "--", "-x"]);
        let Ok(Request::Core(crash)) = parse_line("--settings /s core 7 8 11 3") else { panic!() };
        assert_eq!((crash.pidfd, crash.previous.len()), (Some(3), 0));
        assert!(matches!(parse_line("core --pattern"), Ok(Request::Pattern)));
        assert!(matches!(parse_line("info -- -a --b"), Ok(Request::Info(files, false)) if files.len() == 2));
    }

    #[test]
    fn every_command_takes_what_its_usage_says() {
        for verb in verbs::VERBS {
            let mut line = verb.usage().replace(['[', ']'], "").replace("...", "");
            // Either the one or the other.
            line = line.replace("--pattern PID", "PID");
            line = line.replace("IMAGE | ID --to DIR --running", "IMAGE --to DIR");
            for (name, value) in [
                ("true|false", "true"),
                ("SIZE", "256K"),
                ("TIME", "2h"),
                ("ENGINE", "podman"),
                ("PIDFD", "3"),
                ("PID", "7"),
                ("TID", "8"),
                ("SIGNAL", "11"),
                ("--last N", "--last 3"),
            ] {
                line = line.replace(name, value);
            }
            assert!(parse_line(&line).is_ok(), "{line}: {:?}", parse_line(&line));
        }
    }

    #[test]
    fn every_command_has_a_help_text_of_its_own() {
        for Verb { name: verb, optional, .. } in verbs::VERBS {
            let Ok(Request::Show(text)) = parse_line(&format!("{verb} --help")) else { panic!("{verb}") };
            assert!(text.contains(&format!("oci-minidump-hook {verb}")), "{verb}: {text}");
            assert!(optional.iter().all(|option| text.contains(&option.shown())), "{text}");
            let Ok(Request::Show(other)) = parse_line(&format!("help {verb}")) else { panic!("{verb}") };
            assert_eq!(text, other);
        }
    }
}
