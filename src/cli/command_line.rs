//! The command line: all verbs, and what the program says at the end of its help.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use log::LevelFilter;

use crate::cli::{inside, life, local, query, usage};
use crate::error::{ExitCode, Result};

/// What `--help` says at its end.
fn after_help() -> String {
    let mut text = "Exit status:\n".to_owned();
    for (code, meaning) in ExitCode::ALL {
        text.push_str(&format!("  {:2} {meaning}\n", code as u8));
    }
    text.push_str(
        "  run, attach and exec end with the container's or the command's own status, 128 + N when\n  \
         signal N ended it; exec with 127 when the command is not there, 126 when it may\n  \
         not be executed, 125 when it could not be run for another reason\n\n\
         Ctrl-P, then Ctrl-Q, detaches your terminal from a container (run -it, attach), which goes on.\n\n\
         --socket and --json may stand before the command, too.\n\n\
         Files:\n  \
         /etc/ocicontainer.toml   settings of the daemon: serve's options, with _ for -\n  \
         /run/ocicontainer.sock   where the daemon answers",
    );
    text
}

/// Controls OCI containers: the API of Thunder's org.rdk.OCIContainer plugin, and its command line
#[derive(Debug, Parser)]
#[command(name = "ocicontainer", version, after_help = after_help(), after_long_help = after_help())]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<local::serve::Serve>),
    List(query::list::ListVerb),
    Ps(usage::ps::Ps),
    State(query::state::StateVerb),
    Info(usage::info::Info),
    Inspect(query::inspect::Inspect),
    Dump(query::dump::Dump),
    Stats(usage::stats::Stats),
    Top(usage::top::Top),
    Run(life::run::RunVerb),
    Start(life::start::StartVerb),
    StartSpec(life::start_spec::StartSpec),
    ConvertSpec(local::convert_spec::ConvertSpec),
    Stop(life::stop::Stop),
    Kill(life::kill::Kill),
    Restart(life::restart::Restart),
    Pause(life::pause::Pause),
    #[command(visible_alias = "unpause")]
    Resume(life::resume::Resume),
    Hibernate(inside::hibernate::Hibernate),
    Wakeup(inside::wakeup::Wakeup),
    Annotate(inside::annotate::Annotate),
    RemoveAnnotation(inside::remove_annotation::RemoveAnnotation),
    Mount(inside::mount::MountVerb),
    Unmount(inside::unmount::Unmount),
    Exec(life::exec::ExecVerb),
    Attach(life::attach::AttachVerb),
    Logs(query::logs::Logs),
    Wait(query::wait::Wait),
    #[command(visible_alias = "rm")]
    Delete(life::delete::Delete),
    Events(query::events::Events),
    Version(query::version::Version),
    #[command(subcommand)]
    Dumps(local::dumps::Dumps),
}

/// The whole command line: for manual pages, shell completions, and programs that build a command line.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Carries out the command line of this process; what is returned is its exit code.
///
/// # Errors
/// Whatever stopped the verb.
pub fn run() -> Result<u8> {
    let verb = parse(options_behind_the_verb(std::env::args_os().collect())).verb;
    if !matches!(verb, Verb::Serve(_)) {
        crate::log::start("ocicontainer", LevelFilter::Warn, LevelFilter::Off);
    }
    match verb {
        Verb::Serve(verb) => verb.run(),
        Verb::List(verb) => verb.run(),
        Verb::Ps(verb) => verb.run(),
        Verb::State(verb) => verb.run(),
        Verb::Info(verb) => verb.run(),
        Verb::Inspect(verb) => verb.run(),
        Verb::Dump(verb) => verb.run(),
        Verb::Stats(verb) => verb.run(),
        Verb::Top(verb) => verb.run(),
        Verb::Run(verb) => return verb.run(),
        Verb::Start(verb) => verb.run(),
        Verb::StartSpec(verb) => verb.run(),
        Verb::ConvertSpec(verb) => verb.run(),
        Verb::Stop(verb) => verb.run(),
        Verb::Kill(verb) => verb.run(),
        Verb::Restart(verb) => verb.run(),
        Verb::Pause(verb) => verb.run(),
        Verb::Resume(verb) => verb.run(),
        Verb::Hibernate(verb) => verb.run(),
        Verb::Wakeup(verb) => verb.run(),
        Verb::Annotate(verb) => verb.run(),
        Verb::RemoveAnnotation(verb) => verb.run(),
        Verb::Mount(verb) => verb.run(),
        Verb::Unmount(verb) => verb.run(),
        Verb::Exec(verb) => return verb.run(),
        Verb::Attach(verb) => return verb.run(),
        Verb::Logs(verb) => verb.run(),
        Verb::Wait(verb) => verb.run(),
        Verb::Delete(verb) => verb.run(),
        Verb::Events(verb) => verb.run(),
        Verb::Version(verb) => verb.run(),
        Verb::Dumps(verb) => return verb.run(),
    }?;
    Ok(ExitCode::Ok as u8)
}

/// Understands a command line, or ends the program: with help that was asked for, or with a mistake, which names the verb.
fn parse(words: Vec<OsString>) -> Cli {
    let verb = words.get(1).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    Cli::try_parse_from(words).unwrap_or_else(|error| {
        let is_verb = command().find_subcommand(&verb).is_some();
        match error.render().to_string().strip_prefix("error: ") {
            Some(mistake) if is_verb => {
                eprint(&format!("error: {verb}: {mistake}"));
                std::process::exit(i32::from(ExitCode::Usage as u8));
            }
            _ => error.exit(),
        }
    })
}

/// Writes to standard error; where that is closed, the exit code must do.
fn eprint(text: &str) {
    use std::io::Write as _;
    let _closed = std::io::stderr().write_all(text.as_bytes());
}

/// The words of a command line, with `--socket` and `--json` moved from before the verb to behind it, where the verbs that
/// have them take them; `serve` has a `--socket` of another meaning, so that they are not global ones.
fn options_behind_the_verb(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut end = 1;
    while let Some(word) = words.get(end).and_then(|word| word.to_str()) {
        end += match word {
            "--json" => 1,
            "--socket" => 2,
            word if word.starts_with("--socket=") => 1,
            _ => break,
        };
    }
    if end > words.len() {
        return words;
    }
    let mut options: Vec<OsString> = words.drain(1..end).collect();
    // This one has verbs of its own, which ask no daemon.
    let is_dumps = words.get(1).is_some_and(|verb| verb == "dumps");
    if is_dumps {
        options.retain(|option| option == "--json");
    }
    let verbs = if is_dumps { 2 } else { 1 };
    let place = (1 + verbs).min(words.len());
    words.splice(place..place, options);
    words
}

#[cfg(test)]
mod tests {
    use super::options_behind_the_verb;

    #[test]
    fn options_before_the_verb_move_behind_it() {
        for (given, wanted) in [
            ("p list", "p list"),
            ("p --json list", "p list --json"),
            ("p --socket /s --json state a", "p state --socket /s --json a"),
            ("p --socket=/s exec a -- ls --json", "p exec --socket=/s a -- ls --json"),
            ("p --json dumps list /d", "p dumps list --json /d"),
            ("p --socket /s --json --socket=/t dumps list /d", "p dumps list --json /d"),
            ("p --socket /s", "p --socket /s"),
            ("p --socket", "p --socket"),
            ("p --help list", "p --help list"),
            ("p", "p"),
        ] {
            let words = given.split(' ').map(Into::into).collect();
            let moved: Vec<_> = options_behind_the_verb(words);
            assert_eq!(moved.join(" ".as_ref()), wanted, "{given}");
        }
    }
}
