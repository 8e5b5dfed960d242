//! Network `nat`: a bridge, an address and address translation, set up by netavark (netavark(1)), as podman does.
//!
//! The container is created, its network namespace is pinned by a mount in the container's own directory, netavark
//! connects it, and only then the program starts. The file with what netavark was given is the container's lease of its
//! address; with the pin it is all that a later daemon needs to take the network down.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::plugins::config_edit;
use crate::control::plugins::data::{Whole, or_default};
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
/// Dobby's bridge and its addresses.
const BRIDGE: &str = "dobby0";
const SUBNET: &str = "100.64.11.0/24";
const PREFIX: &str = "100.64.11.";
pub(crate) const GATEWAY: &str = "100.64.11.1";
/// netavark names its rules after it.
const NETWORK_ID: &str = "d0bb100000000000000000000000000000000000000000000000000000000000";

/// The part of the data of the plugin `networking` that netavark acts on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    port_forwarding: Forwarding,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Forwarding {
    #[serde(default, deserialize_with = "or_default")]
    host_to_container: Vec<ForwardedPort>,
}

#[derive(Deserialize)]
struct ForwardedPort {
    port: Whole,
    /// `tcp` when not given.
    protocol: Option<String>,
}

/// The part of a lease that says which addresses are taken.
#[derive(Deserialize)]
struct Lease {
    networks: Networks,
}

#[derive(Deserialize)]
struct Networks {
    dobby: LeasedNetwork,
}

#[derive(Deserialize)]
struct LeasedNetwork {
    static_ips: Vec<String>,
}

/// Takes an address and connects the container whose first process is `pid`.
///
/// # Errors
/// [`ErrorKind::Unsupported`] without netavark, with what to install; its own; the kernel's. What was set up so far is
/// for [`take_down`].
pub(crate) async fn set_up(call: &Invocation<'_>, pid: i32) -> Result<()> {
    let ContainerRef { id, dir: container_dir } = call.container;
    let program = program()?;
    let address = free_address(container_dir)?;
    let Data { port_forwarding } = call.data()?;
    let ports = port_forwarding.host_to_container.iter().map(port).collect();
    container_dir.write_note(LEASE, &request(id, &address, ports))?;
    pin(container_dir, pid)?;
    run(&program, "setup", container_dir).await.map_err(|error| {
        error.advise("it needs iptables, and a kernel with bridge, veth and address translation")
    })
}

/// What netavark gets.
fn request(id: &ContainerId, address: &str, ports: Vec<Value>) -> Value {
    json!({
        "container_id": id.as_str(),
        "container_name": id.as_str(),
        "port_mappings": ports,
        "networks": {"dobby": {"static_ips": [address], "interface_name": "eth0"}},
        "network_info": {"dobby": {
            "name": "dobby",
            "id": NETWORK_ID,
            "driver": "bridge",
            "network_interface": BRIDGE,
            "subnets": [{"subnet": SUBNET, "gateway": GATEWAY}],
            "ipv6_enabled": false,
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

/// A port of the plugin `networking` (a number and a protocol, tcp when not given) as netavark has it.
fn port(forwarded: &ForwardedPort) -> Value {
    let Whole(number) = forwarded.port;
    let protocol = forwarded.protocol.as_deref().unwrap_or("tcp").to_lowercase();
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

/// The lowest address that no container has. Nothing else runs between this and the writing of the lease.
fn free_address(container_dir: &ContainerDir) -> Result<String> {
    let state_dir = container_dir.path().parent().unwrap_or(Path::new("/"));
    let dirs = std::fs::read_dir(state_dir).tried(|| format!("cannot read {}", state_dir.display()))?;
    let leases = dirs.flatten().filter_map(|dir| read_json(&dir.path().join(LEASE)).ok());
    let leases = leases.filter_map(|lease| serde_json::from_value::<Lease>(lease).ok());
    let taken: BTreeSet<_> = leases.flat_map(|lease| lease.networks.dobby.static_ips).collect();
    (2..=254)
        .map(|number| format!("{PREFIX}{number}"))
        .find(|address| !taken.contains(address))
        .ok_or_else(|| Error::new(ErrorKind::Busy, format!("all addresses of {SUBNET} are taken")))
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
    let is_pinned = rustix::fs::statfs(&pin).is_ok_and(|fs| fs.f_type == NSFS);
    if is_pinned {
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
    Ok(())
}

/// Calls netavark for a container; one at a time, since it does not lock the host's rules.
async fn run(program: &Path, verb: &str, container_dir: &ContainerDir) -> Result<()> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
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
