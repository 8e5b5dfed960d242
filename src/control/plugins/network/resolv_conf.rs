//! `/etc/resolv.conf` of a container that has a way to the host's name servers.

use std::fs::{Permissions, set_permissions};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, list};
use crate::control::plugins::network::addresses::{Range, with6};
use crate::control::plugins::network::netlink::answers_for_names;
use crate::control::plugins::plugin::Invocation;
use crate::control::state::container_dir::{discard, write_new};
use crate::error::{Result, Tried};

/// The container's own, in its directory.
const OWN: &str = "resolv.conf";
const FILE: &str = "/etc/resolv.conf";

/// Mounts the host's file, unless the configuration mounts something there itself or the host has none.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the mounts are not a list.
pub(crate) fn mount(config: &mut Value) -> Result<()> {
    // The name may be a link, as systemd-resolved makes it.
    let Ok(source) = Path::new(FILE).canonicalize() else { return Ok(()) };
    if list(config, &["mounts"])?.iter().any(|mount| mount["destination"] == FILE) {
        return Ok(());
    }
    let options = &["ro", "nosuid", "nodev", "noexec"];
    Bind { source: &source, destination: FILE, options }.add_to(config)
}

/// The host's own address that answers for names: `127.0.0.1` if anything answers there now, else the first in its
/// `/etc/resolv.conf` if all are of loopback, and thus of no use in a container's own network.
pub(crate) fn resolver() -> Option<Ipv4Addr> {
    if answers_for_names(Ipv4Addr::LOCALHOST) {
        return Some(Ipv4Addr::LOCALHOST);
    }
    only_loopback(&std::fs::read_to_string(FILE).unwrap_or_default())
}

/// The first name server of a `resolv.conf`, if all are addresses of loopback.
fn only_loopback(text: &str) -> Option<Ipv4Addr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok()).flatten()
    });
    let servers: Vec<_> = servers.collect();
    let first = servers.iter().find_map(|server| match server {
        IpAddr::V4(server) => Some(*server),
        IpAddr::V6(_) => None,
    });
    first.filter(|_| servers.iter().all(IpAddr::is_loopback))
}

/// Mounts a file that names the bridge, unless the configuration mounts something there itself.
///
/// # Errors
/// As [`mount`]; the kernel's.
pub(crate) fn of_bridge(call: &Invocation<'_>, range: Range, ipv4: bool, config: &mut Value) -> Result<()> {
    if list(config, &["mounts"])?.iter().any(|mount| mount["destination"] == FILE) {
        return Ok(());
    }
    let gateway = range.gateway();
    let server = if ipv4 { IpAddr::V4(gateway) } else { IpAddr::V6(with6(gateway)) };
    let file = call.container.dir.file(OWN);
    let what = || format!("cannot write {}", file.display());
    discard(&file);
    write_new(&file, format!("nameserver {server}\n").as_bytes()).tried(what)?;
    // It is not secret, and the container's user has no privileges here.
    set_permissions(&file, Permissions::from_mode(0o644)).tried(what)?;
    call.container.dir.allow_traversal()?;
    let options = &["ro", "nosuid", "nodev", "noexec"];
    Bind { source: &file, destination: FILE, options }.add_to(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_name_servers_of_loopback_are_the_hosts_own() {
        let own = Some(Ipv4Addr::new(127, 0, 0, 53));
        assert_eq!(only_loopback("# x\nnameserver 127.0.0.53\noptions edns0\nnameserver ::1\n"), own);
        for other in ["", "nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "nameserver ::1\n", "nameserver\n"]
        {
            assert_eq!(only_loopback(other), None, "{other}");
        }
    }

    #[test]
    fn the_configurations_own_mount_wins() {
        let own = json!({"mounts": [{"destination": FILE, "source": "/own"}]});
        let mut config = own.clone();
        mount(&mut config).unwrap();
        assert_eq!(config, own);
    }
}
