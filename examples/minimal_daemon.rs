//! Starts containers and holds them until it is killed: the smallest daemon there is.
//!
//! `minimal_daemon STATE_DIR LOG_DIR RUNTIME_ROOT RUNTIME [ID BUNDLE]...` prints `DESCRIPTOR ID` for each, adopted ones first,
//! and later `ID: STATUS` for each that ends.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use oci_minidump::control::{Event, Manager, Settings, StartRequest};
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
    let mut events = manager.subscribe();
    for adopted in manager.list() {
        println!("{} {}", adopted.descriptor, adopted.id);
    }
    while let Ok(id) = next() {
        let descriptor = manager.start(StartRequest::new(id.parse()?, next()?)).await?;
        println!("{descriptor} {id}");
    }
    while let Ok(event) = events.recv().await {
        if let Event::Stopped { id, exit, .. } = event {
            println!("{id}: {exit}");
        }
    }
    Ok(())
}
