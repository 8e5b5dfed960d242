//! `oci-minidump-hook`: the OCI runtime hook and its commands for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    oci_minidump::log::start("oci-minidump-hook", log::LevelFilter::Warn, log::LevelFilter::Info);
    ExitCode::SUCCESS
}
