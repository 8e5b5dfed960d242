//! `ocicontainer`: the daemon that answers the container-control API, and its command line. Under the name `DobbyTool` it
//! is Dobby's command line.

use std::path::Path;
use std::process::ExitCode;

use log::LevelFilter;
use oci_minidump::cli::{self, dobby_tool};
use oci_minidump::control;
use oci_minidump::error::Error;

fn main() -> ExitCode {
    oci_minidump::process::end_on_panic();
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let program = args.next().unwrap_or_default();
    if let [argument] = std::env::args_os().skip(1).collect::<Vec<_>>().as_slice()
        && argument == control::MONITOR_ARGUMENT
    {
        return control::run_monitor().map_or_else(
            |error| {
                oci_minidump::log::start("ocicontainer", LevelFilter::Warn, LevelFilter::Off);
                failed(&error)
            },
            |()| ExitCode::SUCCESS,
        );
    }
    let outcome = match Path::new(&program).file_name() {
        Some(name) if name == dobby_tool::NAME => dobby_tool::run(&args.collect::<Vec<_>>()),
        _ => cli::run(),
    };
    outcome.map_or_else(|error| failed(&error), Into::into)
}

fn failed(error: &Error) -> ExitCode {
    log::error!("{}", error.report());
    error.exit_code().into()
}
