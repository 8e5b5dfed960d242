//! `ipc`: mounts sockets of D-Bus buses, and sets the variables that name them.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, set_env};
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::error::{Error, ErrorKind, Result};

/// The host's system bus.
const SYSTEM: &str = "/var/run/dbus/system_bus_socket";
/// Buses of platforms that are gone.
const GONE_BUSES: [&str; 2] = ["ai-public", "ai-private"];
/// Lets RDK's D-Bus library leave out the user id, which is another one outside of a user namespace.
const NO_UID: &str = "SKY_DBUS_DISABLE_UID_IN_EXTERNAL_AUTH=1";

pub(crate) struct Ipc;

/// The buses that a container can be given: `system` for the host's system bus, else the path of a socket.
#[derive(Deserialize)]
struct Data {
    system: Option<String>,
    session: Option<String>,
    debug: Option<String>,
}

impl Plugin for Ipc {
    fn name(&self) -> &'static str {
        "ipc"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let Data { system, session, debug } = call.data()?;
        let buses = [("system", system), ("session", session), ("debug", debug)];
        let wanted = buses.into_iter().filter_map(|(bus, name)| Some((bus, name?)));
        let (gone, wanted): (Vec<_>, Vec<_>) =
            wanted.partition(|(_, name)| GONE_BUSES.contains(&name.as_str()));
        for (bus, name) in gone {
            log::warn!("container {}: its {bus} bus {name} does not exist any more", call.container.id);
        }
        let mut env = vec![NO_UID.to_owned()];
        for (bus, name) in &wanted {
            let socket = if name == "system" { SYSTEM } else { name };
            let inside = format!("/var/run/dbus/{bus}_bus_socket");
            give(config, socket, &inside)?;
            env.push(format!("DBUS_{}_BUS_ADDRESS=unix:path={inside}", bus.to_uppercase()));
        }
        if wanted.is_empty() { Ok(()) } else { set_env(config, &env) }
    }
}

fn give(config: &mut Value, socket: &str, inside: &str) -> Result<()> {
    let source = Path::new(socket);
    if !source.is_absolute() || !source.metadata().is_ok_and(|file| file.file_type().is_socket()) {
        let shown = crate::log::shown(&socket.into());
        return Err(Error::new(ErrorKind::Config, format!("there is no socket {shown} of a bus")));
    }
    Bind { source, destination: inside, options: &["nodev", "nosuid", "noexec"] }.add_to(config)
}
