//! The command line of `ocicontainer`: one verb per file.

mod client;
mod convert_spec;
mod delete;
mod dumps;
mod events;
mod exec;
mod follow;
mod info;
mod list;
mod logs;
mod pause;
mod resume;
mod serve;
mod start;
mod start_spec;
mod state;
mod stop;
mod term;
mod wait;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use log::LevelFilter;

use crate::error::{ExitCode, Result};
use client::Client;

/// What the man page says of the methods that Thunder's plugin does not have.
pub const METHODS: &str = "\
Besides those of org.rdk.OCIContainer; * marks what must be given.

deleteContainer   containerId*, force (boolean: stop it first if it runs)
                  -> success, once the container and its state are gone
waitContainer     containerId*, timeout (milliseconds)
                  -> containerId, exitCode, signal (one of them null, both when
                  nobody saw the end), success
getContainerLogs  containerId*, bytes (default 65536, at most 262144),
                  from (a place; else the last bytes), encoding (text, base64)
                  -> containerId, log, next (the place of what follows, for the
                  next call to the same daemon), success
runCommand        containerId*, command* (a line, or an array of words), options,
                  timeout (milliseconds, default 30000), bytes (of each of stdout
                  and stderr, default and at most 262144), encoding
                  -> exitCode, signal, stdout, stderr, truncated, timedOut, success

startContainer honours envvar, an array of NAME=VALUE; the annotation
org.rdk.restartOnCrash=true of a bundle, which starts it again after a crash; and
of rdkPlugins devicemapper, gamepad, gpu, httpproxy, ionmemory, ipc, localtime,
logging, minidump, networking, oomcrash, rtscheduling and storage. executeCommand
is also called execCommand and execCommamd. Failures have their reason as text in
error.data. Event onMinidump {name, path, size, truncated}: a crash dump of
container name is on the host at path; it comes before onContainerStopped, or
when the dump is harvested late: at the next start, or by a sweep.";

/// What `--help` and the man page say at their end.
const AFTER: &str = "\
Exit status:
  0 done                   6 in use, or in the wrong state
  1 an operation failed    7 no room
  2 wrong usage            8 damaged
  3 malformed data         9 not supported here
  4 wrong configuration   10 no such container
  5 a detected attack     11 timed out
  exec ends with the command's own status, 128 + N when signal N ended it,
  125 when it could not be run

Files:
  /etc/ocicontainer.toml   settings of the daemon: serve's options, with _ for -
  /run/ocicontainer.sock   where the daemon answers";

/// Controls OCI containers: the API of Thunder's org.rdk.OCIContainer plugin, and its command line
#[derive(Debug, Parser)]
#[command(name = "ocicontainer", version, after_help = AFTER, after_long_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<serve::Serve>),
    List(list::List),
    State(state::State),
    Info(info::Info),
    Start(start::Start),
    StartSpec(start_spec::StartSpec),
    ConvertSpec(convert_spec::ConvertSpec),
    Stop(stop::Stop),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Exec(exec::Exec),
    Logs(logs::Logs),
    Wait(wait::Wait),
    Delete(delete::Delete),
    Events(events::Events),
    #[command(subcommand)]
    Dumps(dumps::Dumps),
}

/// What every verb that talks to the daemon takes.
#[derive(Debug, Args)]
struct Common {
    /// The daemon's Unix socket
    #[arg(long, value_name = "PATH", default_value = crate::server::config::DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Print the API's result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn connect(&self) -> Result<Client> {
        Client::connect(&self.socket)
    }
}

/// The whole command line, for the man page.
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
        Verb::Start(verb) => verb.run(),
        Verb::StartSpec(verb) => verb.run(),
        Verb::ConvertSpec(verb) => verb.run(),
        Verb::Stop(verb) => verb.run(),
        Verb::Pause(verb) => verb.run(),
        Verb::Resume(verb) => verb.run(),
        Verb::Exec(verb) => return verb.run(),
        Verb::Logs(verb) => verb.run(),
        Verb::Wait(verb) => verb.run(),
        Verb::Delete(verb) => verb.run(),
        Verb::Events(verb) => verb.run(),
        Verb::Dumps(verb) => return verb.run(),
    }?;
    Ok(ExitCode::Ok as u8)
}
