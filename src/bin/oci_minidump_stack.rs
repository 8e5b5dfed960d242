//! `oci-minidump-stack`: why a program crashed, from its dump.

use std::process::ExitCode;

fn main() -> ExitCode {
    oci_minidump::process::end_on_panic();
    match oci_minidump::stack::run() {
        Ok(code) => code.into(),
        Err(error) => {
            log::error!("{}", error.report());
            error.exit_code().into()
        }
    }
}
