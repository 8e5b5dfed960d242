//! Holds containers on the bridge apart: the bridge's ports, and the rules of iptables.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control::model::state::ExitStatus;
use crate::control::plugins::network::access::{Access, BRIDGE, Family};
use crate::control::plugins::network::addresses::{Range, with6};
use crate::control::plugins::network::netlink::{Netlink, within};
use crate::control::plugins::network::rules;
use crate::control::process::helper::{Finished, Helper, Streams};
use crate::control::state::container_dir::{ContainerDir, discard, write_new};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::bundle::read_json;

/// What a container may reach, in its directory.
const ACCESS: &str = "network-access.json";
/// What iptables-restore reads, for as long as it takes.
const SCRIPT: &str = "network-rules";
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of the host's rules.
const MAX_RULES: usize = 4 << 20;
/// How many seconds a call waits for another program that changes rules.
const LOCK_SECONDS: &str = "10";

/// Forgets a container, and takes the rules for it away; `rest` are the addresses of the others.
///
/// # Errors
/// Those of iptables.
pub(crate) async fn close(container_dir: &ContainerDir, rest: &BTreeSet<Ipv4Addr>) -> Result<()> {
    container_dir.discard(ACCESS);
    apply(container_dir, rest).await
}

/// Has ports of the container's own `localhost` lead elsewhere, and from elsewhere there, in the network pinned at `pin`.
///
/// # Errors
/// Those of iptables; the kernel's.
pub(crate) async fn lead_localhost(
    container_dir: &ContainerDir,
    pin: &Path,
    access: &Access,
    to_host: bool,
) -> Result<()> {
    let Some(text) = rules::localhost(access, to_host) else { return Ok(()) };
    within(pin, || route_localnet("eth0"))??;
    restore(container_dir, Family::V4, &text, Some(pin)).await
}

/// Looks for the programs that change rules.
///
/// # Errors
/// [`ErrorKind::Unsupported`] naming the one that is not installed.
pub(crate) fn check_programs() -> Result<()> {
    families().try_for_each(|family| {
        let (save, restore) = names(family);
        program(save).and(program(restore)).map(drop)
    })
}

/// The families of addresses that need rules: not IPv6 where the kernel has none.
fn families() -> impl Iterator<Item = Family> {
    let has_ipv6 = Path::new("/proc/net/if_inet6").exists();
    [Family::V4, Family::V6].into_iter().filter(move |family| has_ipv6 || *family == Family::V4)
}

/// Whether the kernel shows iptables what passes through bridges, and from which port it comes.
pub(crate) fn sees_ports() -> bool {
    Path::new("/proc/sys/net/bridge").exists()
}

/// Confines a container that netavark has connected, whose network is pinned at `pin`: its port of the bridge. Notes what
/// it may reach.
///
/// # Errors
/// The kernel's. The container must not start then.
pub(crate) fn confine(container_dir: &ContainerDir, pin: &Path, access: &mut Access) -> Result<()> {
    let (kernel, inside) = (Netlink::new()?, Netlink::of(pin)?);
    let inner = inside.by_name("eth0")?;
    let (port, bridge) = (kernel.by_index(inner.peer)?, kernel.by_name(BRIDGE)?);
    kernel.set_up_bridge(&bridge)?;
    // What goes from one port to another and is looked at by iptables is held back there, where a container asks for
    // others; a port that is isolated would be left out of what is allowed.
    let isolated = access.between.is_empty() || !sees_ports();
    kernel.confine(&port, &inner.hardware, isolated)?;
    let range = Range::around(access.address);
    let families = [
        (access.ipv4, IpAddr::V4(access.address), IpAddr::V4(range.gateway()), 24),
        (access.ipv6, IpAddr::V6(with6(access.address)), IpAddr::V6(with6(range.gateway())), 64),
    ];
    for (_, own, gateway, prefix) in families.into_iter().filter(|(wanted, ..)| *wanted) {
        kernel.add_address(&bridge, gateway, prefix)?;
        // Nothing that another container says on the bridge changes who is who.
        kernel.fix_neighbour(&bridge, own, &inner.hardware)?;
        inside.fix_neighbour(&inner, gateway, &bridge.hardware)?;
    }
    if access.ipv4 && (!access.to_host.is_empty() || access.resolver.is_some()) {
        route_localnet(BRIDGE)?;
    }
    access.link = port.name;
    container_dir.write_note(ACCESS, access)
}

/// Lets packets with translated addresses go to `localhost`. Those that name it themselves are dropped by our rules.
fn route_localnet(link: &str) -> Result<()> {
    let file = format!("/proc/sys/net/ipv4/conf/{link}/route_localnet");
    std::fs::write(&file, "1").tried(|| format!("cannot write {file}"))
}

/// Makes the rules those of all containers that are connected now, at the addresses `leased`. One without a note, of an earlier version, keeps its way
/// out.
///
/// # Errors
/// Those of iptables. A container that was confined just now must not start then.
pub(crate) async fn apply(container_dir: &ContainerDir, leased: &BTreeSet<Ipv4Addr>) -> Result<()> {
    let state_dir = container_dir.path().parent().unwrap_or(Path::new("/"));
    let dirs = std::fs::read_dir(state_dir).tried(|| format!("cannot read {}", state_dir.display()))?;
    let notes = dirs.flatten().filter_map(|dir| read_json(&dir.path().join(ACCESS)).ok());
    let mut all: Vec<Access> = notes.filter_map(|note| serde_json::from_value(note).ok()).collect();
    let noted: BTreeSet<_> = all.iter().map(|access| access.address).collect();
    all.extend(leased.difference(&noted).map(|address| Access::only_out(*address)));
    all.sort_by_key(|access| access.address);
    for family in families() {
        let saved = save(family).await?;
        if let Some(text) = rules::script(family, &all, &saved) {
            restore(container_dir, family, &text, None).await?;
        }
    }
    Ok(())
}

fn names(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("iptables-save", "iptables-restore"),
        Family::V6 => ("ip6tables-save", "ip6tables-restore"),
    }
}

fn program(name: &str) -> Result<PathBuf> {
    host::find_program(name, &[]).ok_or_else(|| {
        let what = format!("network \"nat\" needs {name}, which is not installed");
        Error::new(ErrorKind::Unsupported, what).advise("install the package iptables")
    })
}

fn helper(name: &str) -> Result<Helper> {
    Ok(Helper::new(&program(name)?, Streams::Captured(MAX_RULES), TIMEOUT).detached())
}

/// The host's rules.
async fn save(family: Family) -> Result<String> {
    let (name, _) = names(family);
    let finished = helper(name)?.run().await?;
    succeeded(name, &finished)?;
    if finished.truncated {
        return Err(Error::new(
            ErrorKind::System,
            format!("the host's rules are longer than {MAX_RULES} bytes"),
        ));
    }
    Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
}

/// Adds rules, here or in the network that is pinned at `pin`: all of a table or none.
async fn restore(container_dir: &ContainerDir, family: Family, text: &str, pin: Option<&Path>) -> Result<()> {
    let (_, name) = names(family);
    let script = container_dir.file(SCRIPT);
    discard(&script);
    write_new(&script, text.as_bytes()).tried(|| format!("cannot write {}", script.display()))?;
    let mut helper = helper(name)?;
    helper.args(["--noflush".as_ref(), "--wait".as_ref(), LOCK_SECONDS.as_ref(), script.as_os_str()]);
    if let Some(pin) = pin {
        helper.enter_network(pin)?;
    }
    let finished = helper.run().await;
    discard(&script);
    succeeded(name, &finished?)
}

fn succeeded(name: &str, finished: &Finished) -> Result<()> {
    if finished.exit == ExitStatus::Code(0) {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&finished.stderr);
    let what = format!("{name} failed with {}: {}", finished.exit, crate::log::cut(why.trim()));
    let advice =
        "the kernel needs the tables filter, nat, mangle and raw, and the matches conntrack and physdev";
    Err(Error::new(ErrorKind::System, what).advise(advice))
}
