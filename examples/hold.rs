//! Starts containers and holds them until it is killed: the smallest daemon there is.
//!
//! `hold STATE_DIR LOG_DIR RUNTIME_ROOT RUNTIME [ID BUNDLE]...` prints `DESCRIPTOR ID` for each.

use oci_minidump::control::{Manager, Settings, StartRequest};
use oci_minidump::error::{Error, ErrorKind, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or_else(|| Error::new(ErrorKind::Usage, "an argument is missing"));
    let settings = Settings {
        state_dir: next()?.into(),
        log_dir: next()?.into(),
        runtime_root: Some(next()?.into()),
        runtime: next()?.into(),
        ..Settings::default()
    };
    let manager = Manager::open(settings).await?;
    while let Ok(id) = next() {
        let descriptor = manager.start(StartRequest::new(id.parse()?, next()?)).await?;
        #[allow(clippy::print_stdout, reason = "this is what it is for")]
        {
            println!("{descriptor} {id}");
        }
    }
    std::future::pending().await
}
