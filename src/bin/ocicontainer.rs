//! `ocicontainer`: the daemon that answers the container-control API, and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    oci_minidump::process::end_on_panic();
    match oci_minidump::cli::run() {
        Ok(code) => code.into(),
        Err(error) => {
            log::error!("{}", error.report());
            error.exit_code().into()
        }
    }
}
