//! All verbs.

use std::path::Path;

use crate::cli::client::Client;
use crate::cli::dobby_tool::failure::{Failure, Outcome};
use crate::cli::dobby_tool::{inside, life, query};
use crate::error::{Error, ErrorKind};

/// Each verb with its arguments and what it does.
pub(crate) const VERBS: &[(&str, &str, &str)] = &[
    (
        "start",
        "[--westeros-socket PATH] [--envvar NAME=VALUE]... <id> <specfile|bundlepath> [command]",
        "Start a container",
    ),
    ("stop", "<id> [--force]", "Stop a container"),
    ("pause", "<id>", "Freeze a container"),
    ("resume", "<id>", "Thaw a container"),
    ("hibernate", "[--dest=PATH] [--compress=lz4|zstd] <id>", "Write the memory of a container out"),
    ("wakeup", "<id>", "Read the memory of a container back"),
    (
        "mount",
        "<id> <source> <destination> <flag,flag> [data]",
        "Mount a directory of the host in a container",
    ),
    ("unmount", "<id> <destination>", "Take such a mount out"),
    ("annotate", "<id> <key> <value>", "Make an annotation on a container"),
    ("remove-annotation", "<id> <key>", "Remove an annotation"),
    ("exec", "[options...] <id> <command...>", "Run a command in a container"),
    ("list", "", "List all containers"),
    ("info", "<id>", "Print what a container uses"),
    ("wait", "<id> <started|running|stopped>", "Wait until a container is in a state"),
    ("dumpspec", "<id>", "Print the config.json of a container"),
    ("bundle", "<id> <specfile>", "Not here: use ocicontainer convert-spec"),
    ("shutdown", "", "Not here: stop the service ocicontainer"),
    ("set-log-level", "<level>", "Not here: set log_level in /etc/ocicontainer.toml"),
    ("set-dbus", "<private|public> <address>", "Not here"),
];

/// Carries out one verb.
///
/// # Errors
/// What failed, in Dobby's words.
pub(crate) fn run(socket: &Path, verb: &str, args: &[String]) -> Outcome {
    if !VERBS.iter().any(|(name, ..)| *name == verb) {
        return Err(Failure::usage(format!("unknown command '{verb}'")));
    }
    check_unsupported(verb)?;
    let client = &mut Client::connect(socket).map_err(Failure::general("failed to connect to the daemon"))?;
    match (verb, args) {
        ("start", _) => life::start(client, args),
        ("stop", _) => life::stop(client, args),
        ("pause", [id]) => life::pause(client, id),
        ("resume", [id]) => life::resume(client, id),
        ("hibernate", _) => inside::hibernate(client, args),
        ("wakeup", [id]) => inside::wakeup(client, id),
        ("mount", _) => inside::mount(client, args),
        ("unmount", [id, target]) => inside::unmount(client, id, target),
        ("annotate", [id, key, value]) => inside::annotate(client, id, key, value),
        ("remove-annotation", [id, key]) => inside::remove_annotation(client, id, key),
        ("exec", _) => inside::exec(client, args),
        ("list", []) => query::list(client),
        ("info", [id]) => query::info(client, id),
        ("wait", [id, state]) => query::wait(client, id, state),
        ("dumpspec", [id]) => query::dump_spec(client, id),
        _ => Err(Failure::usage(format!("wrong arguments for '{verb}'; see {verb} in help"))),
    }
}

/// Verbs of Dobby that this daemon has another way for.
fn check_unsupported(verb: &str) -> Outcome {
    let (words, instead) = match verb {
        "bundle" => ("failed to create bundle", "use ocicontainer convert-spec FILE --to BUNDLE"),
        "shutdown" => ("failed to shutdown daemon", "use systemctl stop ocicontainer"),
        "set-log-level" => {
            ("failed to set log level", "set log_level in /etc/ocicontainer.toml, then send SIGHUP")
        }
        "set-dbus" => ("failed to set dbus address", "use serve --dbus"),
        _ => return Ok(()),
    };
    let error = Error::new(ErrorKind::Unsupported, format!("{verb} is not supported")).advise(instead);
    Err(Failure::general(words)(error))
}
