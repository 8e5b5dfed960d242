//! The command line: all verbs, and what the program says at the end of its help.

use clap::{CommandFactory, Parser, Subcommand};
use log::LevelFilter;

use crate::cli::{inside, life, local, query};
use crate::error::{ExitCode, Result};

/// What `--help` says at its end.
fn after_help() -> String {
    let mut text = "Exit status:\n".to_owned();
    for (code, meaning) in ExitCode::ALL {
        text.push_str(&format!("  {:2} {meaning}\n", code as u8));
    }
    text.push_str(
        "  exec ends with the command's own status, 128 + N when signal N ended it,\n  \
         125 when it could not be run\n\n\
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
    State(query::state::StateVerb),
    Info(query::info::Info),
    Dump(query::dump::Dump),
    Start(life::start::StartVerb),
    StartSpec(life::start_spec::StartSpec),
    ConvertSpec(local::convert_spec::ConvertSpec),
    Stop(life::stop::Stop),
    Pause(life::pause::Pause),
    Resume(life::resume::Resume),
    Hibernate(inside::hibernate::Hibernate),
    Wakeup(inside::wakeup::Wakeup),
    Annotate(inside::annotate::Annotate),
    RemoveAnnotation(inside::remove_annotation::RemoveAnnotation),
    Mount(inside::mount::MountVerb),
    Unmount(inside::unmount::Unmount),
    Exec(life::exec::ExecVerb),
    Logs(query::logs::Logs),
    Wait(query::wait::Wait),
    Delete(life::delete::Delete),
    Events(query::events::Events),
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
    let verb = Cli::parse().verb;
    if !matches!(verb, Verb::Serve(_)) {
        crate::log::start("ocicontainer", LevelFilter::Warn, LevelFilter::Off);
    }
    match verb {
        Verb::Serve(verb) => verb.run(),
        Verb::List(verb) => verb.run(),
        Verb::State(verb) => verb.run(),
        Verb::Info(verb) => verb.run(),
        Verb::Dump(verb) => verb.run(),
        Verb::Start(verb) => verb.run(),
        Verb::StartSpec(verb) => verb.run(),
        Verb::ConvertSpec(verb) => verb.run(),
        Verb::Stop(verb) => verb.run(),
        Verb::Pause(verb) => verb.run(),
        Verb::Resume(verb) => verb.run(),
        Verb::Hibernate(verb) => verb.run(),
        Verb::Wakeup(verb) => verb.run(),
        Verb::Annotate(verb) => verb.run(),
        Verb::RemoveAnnotation(verb) => verb.run(),
        Verb::Mount(verb) => verb.run(),
        Verb::Unmount(verb) => verb.run(),
        Verb::Exec(verb) => return verb.run(),
        Verb::Logs(verb) => verb.run(),
        Verb::Wait(verb) => verb.run(),
        Verb::Delete(verb) => verb.run(),
        Verb::Events(verb) => verb.run(),
        Verb::Dumps(verb) => return verb.run(),
    }?;
    Ok(ExitCode::Ok as u8)
}
