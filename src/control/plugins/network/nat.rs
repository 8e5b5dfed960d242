//! Network `nat`: a bridge, addresses and address translation, set up by netavark (netavark(1)), as podman does. What
//! containers may reach through it is for [`super::firewall`].
//!
//! The container is created, its network namespace is pinned by a mount in the container's own directory, netavark
//! connects it, and only then the program starts. The file with what netavark was given is the container's lease of its
//! address; with the pin it is all that a later daemon needs to take the network down.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::plugins::config_edit;
use crate::control::plugins::network::access::{Access, BRIDGE};
use crate::control::plugins::network::addresses::{HostNetwork, Range, with6};
use crate::control::plugins::network::wishes::{Port, Wishes};
use crate::control::plugins::network::{firewall, resolv_conf};
use crate::control::plugins::plugin::{ContainerRef, Invocation, unmount};
use crate::control::process::helper::{Helper, Streams};
use crate::control::state::container_dir::ContainerDir;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::bundle::read_json;

/// What netavark was given.
const LEASE: &str = "network.json";
/// Where the network namespace is pinned.
const PIN: &str = "netns";
/// Where Debian and others put the program.
const NETAVARK_DIRS: [&str; 4] =
    ["/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman", "/usr/local/libexec/podman"];
/// The type of a pinned namespace's file system (statfs(2), `NSFS_MAGIC`).
const NSFS: rustix::fs::FsWord = 0x6e73_6673;
/// How long one call may take.
const NETAVARK_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of its output is kept, in bytes.
const MAX_OUTPUT: usize = 16 * 1024;
/// netavark names its rules after it.
const NETWORK_ID: &str = "d0bb100000000000000000000000000000000000000000000000000000000000";

/// One change at a time: netavark does not lock the host's rules, and ours are made from all leases.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The addresses and interfaces of the administrator.
///
/// # Errors
/// Those of [`HostNetwork::load`].
pub(crate) fn host_network(call: &Invocation<'_>) -> Result<HostNetwork> {
    HostNetwork::load(call.dobby_settings)
}

/// Takes an address, connects the container whose first process is `pid`, and confines it to what it asks for.
///
/// # Errors
/// [`ErrorKind::Unsupported`] without netavark, with what to install; its own; the kernel's. What was set up is for
/// [`take_down`].
pub(crate) async fn set_up(call: &Invocation<'_>, pid: i32) -> Result<()> {
    let ContainerRef { id, dir: container_dir } = call.container;
    let program = program()?;
    let (wishes, network): (Wishes, _) = (call.data()?, host_network(call)?);
    let _one = ONE.lock().await;
    let (address, range) = free_address(container_dir, network.range)?;
    if range != network.range {
        log::warn!(
            "container {id}: network.addressRange counts once no container has an address of {}",
            range.subnet()
        );
    }
    container_dir.write_note(LEASE, &request(id, address, &wishes))?;
    pin(container_dir, pid)?;
    run(&program, "setup", container_dir).await.map_err(|error| {
        error.advise("it needs iptables, and a kernel with bridge, veth and address translation")
    })?;
    let mut access = Access {
        address,
        ipv4: wishes.ipv4(),
        ipv6: wishes.ipv6,
        link: String::new(),
        external: network.external,
        to_host: wishes.port_forwarding.container_to_host,
        between: wishes.inter_container,
        resolver: if wishes.dnsmasq { resolv_conf::resolver() } else { None },
    };
    let masquerade = wishes.port_forwarding.localhost_masquerade;
    let place = container_dir.file(PIN);
    firewall::confine(container_dir, &place, &mut access)?;
    firewall::apply(container_dir, &addresses(container_dir)).await?;
    firewall::lead_localhost(container_dir, &place, &access, masquerade).await
}

/// The addresses and subnets of the families that are `wanted`, IPv4 and IPv6, as netavark has them.
fn families(address: Ipv4Addr, wanted: [bool; 2]) -> (Vec<IpAddr>, Vec<Value>) {
    let range = Range::around(address);
    let all = [
        (IpAddr::V4(address), range.subnet(), IpAddr::V4(range.gateway())),
        (IpAddr::V6(with6(address)), Range::subnet6(), IpAddr::V6(with6(range.gateway()))),
    ];
    let wanted = all.into_iter().zip(wanted).filter_map(|(family, wanted)| wanted.then_some(family));
    wanted.map(|(own, subnet, gateway)| (own, json!({"subnet": subnet, "gateway": gateway}))).unzip()
}

/// What netavark gets.
fn request(id: &ContainerId, address: Ipv4Addr, wishes: &Wishes) -> Value {
    let (addresses, subnets) = families(address, [wishes.ipv4(), wishes.ipv6]);
    let ports: Vec<_> = wishes.port_forwarding.host_to_container.iter().map(port).collect();
    json!({
        "container_id": id.as_str(),
        "container_name": id.as_str(),
        "port_mappings": ports,
        "address": address,
        "networks": {"dobby": {"static_ips": addresses, "interface_name": "eth0"}},
        "network_info": {"dobby": {
            "name": "dobby",
            "id": NETWORK_ID,
            "driver": "bridge",
            "network_interface": BRIDGE,
            "subnets": subnets,
            "ipv6_enabled": wishes.ipv6,
            "internal": false,
            "dns_enabled": false,
            "ipam_options": {"driver": "host-local"},
        }},
    })
}

/// Gives a configuration a network namespace of its own: never the host's network, whatever the bundle says.
pub(crate) fn isolate(config: &mut Value) -> Result<()> {
    let namespaces = config_edit::list(config, &["linux", "namespaces"])?;
    namespaces.retain(|namespace| namespace["type"] != "network");
    namespaces.push(json!({"type": "network"}));
    Ok(())
}

/// A port as netavark has it.
fn port(forwarded: &Port) -> Value {
    let (number, protocol) = (forwarded.port, forwarded.protocol.name());
    json!({"container_port": number, "host_port": number, "host_ip": "", "protocol": protocol, "range": 1})
}

/// The program.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when it is not installed.
pub(crate) fn program() -> Result<PathBuf> {
    host::find_program("netavark", &NETAVARK_DIRS).ok_or_else(|| {
        let what = format!("network \"nat\" needs netavark, and there is no {}/netavark", NETAVARK_DIRS[0]);
        Error::new(ErrorKind::Unsupported, what).advise("install the packages netavark and iptables")
    })
}

/// The lowest address that no container has, and its range: that of the containers that have one, else `range`.
fn free_address(container_dir: &ContainerDir, range: Range) -> Result<(Ipv4Addr, Range)> {
    let taken = addresses(container_dir);
    let range = taken.first().map_or(range, |address| Range::around(*address));
    let free = (2..=254).map(|number| range.address(number)).find(|address| !taken.contains(address));
    let full = || Error::new(ErrorKind::Busy, format!("all addresses of {} are taken", range.subnet()));
    Ok((free.ok_or_else(full)?, range))
}

/// All addresses that are taken, with the directories of their leases. Version 0.1 noted only what netavark gets.
fn leases(state_dir: &Path) -> impl Iterator<Item = (PathBuf, Ipv4Addr)> {
    let dirs = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    dirs.filter_map(|dir| {
        let lease = read_json(&dir.path().join(LEASE)).ok()?;
        let address = lease["address"].as_str().or(lease["networks"]["dobby"]["static_ips"][0].as_str());
        Some((dir.path(), address?.parse().ok()?))
    })
}

/// The addresses of all containers.
fn addresses(container_dir: &ContainerDir) -> BTreeSet<Ipv4Addr> {
    leases(container_dir.path().parent().unwrap_or(Path::new("/"))).map(|(_, address)| address).collect()
}

/// Keeps the network namespace of a process until it is taken down.
fn pin(container_dir: &ContainerDir, pid: i32) -> Result<()> {
    let (namespace, pin) = (format!("/proc/{pid}/ns/net"), container_dir.file(PIN));
    let what = || format!("cannot mount {namespace} on {}", pin.display());
    drop(File::create_new(&pin).tried(what)?);
    mount(Some(namespace.as_str()), &pin, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(std::io::Error::from)
        .tried(what)
}

/// Takes down whatever was set up for a container; nothing is done for one without a lease.
///
/// # Errors
/// The kernel's. What netavark cannot take down is logged, and the rest is done nevertheless.
pub(crate) async fn take_down(container_dir: &ContainerDir) -> Result<()> {
    let (lease, pin) = (container_dir.file(LEASE), container_dir.file(PIN));
    if !lease.exists() {
        return Ok(());
    }
    let _one = ONE.lock().await;
    let is_pinned = rustix::fs::statfs(&pin).is_ok_and(|fs| fs.f_type == NSFS);
    if is_pinned {
        widen_last(container_dir);
        let torn = match program() {
            Ok(program) => run(&program, "teardown", container_dir).await,
            Err(error) => Err(error),
        };
        if let Err(error) = torn {
            log::warn!("{}", error.report());
        }
        unmount(&pin)?;
    }
    container_dir.discard(PIN);
    container_dir.discard(LEASE);
    firewall::close(container_dir, &addresses(container_dir)).await
}

/// Has netavark take down both families with the last container: it only takes down those of that container, and the
/// bridge, and leaves the rules of the other family behind.
fn widen_last(container_dir: &ContainerDir) {
    let (state_dir, lease) =
        (container_dir.path().parent().unwrap_or(Path::new("/")), container_dir.file(LEASE));
    let others = leases(state_dir).filter(|(dir, _)| dir != container_dir.path()).count();
    let Ok(mut request) = read_json(&lease) else { return };
    let Some(address) = request["address"].as_str().and_then(|address| address.parse().ok()) else { return };
    if others > 0 {
        return;
    }
    let all = families(address, bridge_families());
    request["networks"]["dobby"]["static_ips"] = json!(all.0);
    request["network_info"]["dobby"]["subnets"] = json!(all.1);
    request["network_info"]["dobby"]["ipv6_enabled"] = json!(bridge_families()[1]);
    if let Err(error) = host::write::write_private(&lease, request.to_string().as_bytes()) {
        log::warn!("{}", error.report());
    }
}

/// Whether the bridge has addresses of IPv4 and of IPv6 now.
fn bridge_families() -> [bool; 2] {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let prefix = format!("{:032x}", u128::from(with6(Ipv4Addr::UNSPECIFIED)));
    let prefix = prefix.get(..24).unwrap_or_default();
    let is_ours = |line: &str| line.starts_with(prefix) && line.ends_with(BRIDGE);
    [
        read("/proc/net/route").lines().any(|line| line.starts_with(&format!("{BRIDGE}\t"))),
        read("/proc/net/if_inet6").lines().any(is_ours),
    ]
}

/// Calls netavark for a container.
async fn run(program: &Path, verb: &str, container_dir: &ContainerDir) -> Result<()> {
    let (lease, pin) = (container_dir.file(LEASE), container_dir.file(PIN));
    let mut helper = Helper::new(program, Streams::Captured(MAX_OUTPUT), NETAVARK_TIMEOUT).detached();
    helper.args(["--file".as_ref(), lease.as_os_str(), verb.as_ref(), pin.as_os_str()]);
    let finished = helper.run().await?;
    if finished.exit == ExitStatus::Code(0) {
        return Ok(());
    }
    // It writes its error as JSON to its standard output.
    let said: Value = serde_json::from_slice(&finished.stdout).unwrap_or_default();
    let stderr = String::from_utf8_lossy(&finished.stderr);
    let why = said["error"].as_str().unwrap_or(stderr.trim());
    let what = format!("netavark {verb} failed with {}: {}", finished.exit, crate::log::cut(why));
    Err(Error::new(ErrorKind::System, what))
}
