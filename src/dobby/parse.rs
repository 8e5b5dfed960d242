//! From JSON to a [`Spec`]: every field is looked at, whatever is wrong with the others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::dobby::fields::{
    cpu, dbus, devices, etc, media, memory, mounts, network, output, plugins, process, security,
};
use crate::dobby::host::Host;
use crate::dobby::read::node::Node;
use crate::dobby::read::problems::Findings;
use crate::dobby::schema;
use crate::dobby::spec::{NetworkKey, PluginSection, Spec};
use crate::error::{ErrorKind, Result};

/// The fields of a spec.
const FIELDS: [&str; 24] = [
    "version",
    "args",
    "user",
    "memLimit",
    "swapLimit",
    "env",
    "cwd",
    "userNs",
    "network",
    "console",
    "etc",
    "mounts",
    "restartOnCrash",
    "rtPriority",
    "cpu",
    "gpu",
    "vpu",
    "syslog",
    "dbus",
    "devices",
    "capabilities",
    "seccomp",
    "plugins",
    "rdkPlugins",
];

/// What is said of a spec with mistakes.
pub(crate) const REFUSED: &str = "the Dobby spec is refused";

impl Spec {
    /// The checked spec of `json`, and warnings. The host says which drivers there are and what its default
    /// plugins are.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] with all mistakes as its cause.
    pub fn parse(json: &Value, host: &Host) -> Result<(Self, Vec<String>)> {
        let findings = Findings::default();
        let spec = Self::read(json, host, &findings);
        Ok((spec, findings.into_result(ErrorKind::Input, REFUSED)?))
    }

    /// What can be read of a spec, right or wrong.
    pub(crate) fn read(json: &Value, host: &Host, findings: &Findings) -> Self {
        let root = Node::new("", json, findings);
        if root.object().is_none() {
            return Self::default();
        }
        root.only(&FIELDS);
        let mut spec = fields(&root, host);
        spec.plugins = merged_plugins(&spec, &root, host);
        schema::check_all(&spec.plugins, findings);
        schema::check_complete(&spec.plugins, findings);
        spec
    }
}

fn fields(root: &Node<'_>, host: &Host) -> Spec {
    let version = process::version(root);
    let memory = memory::limit(root);
    let (mounts, loop_mounts) = mounts::mounts(root);
    Spec {
        args: process::args(root),
        user: process::user(root),
        mem_limit: memory.unwrap_or_default(),
        swap_limit: memory::swap(root, memory),
        env: process::env(root),
        cwd: process::cwd(root),
        user_ns: process::user_ns(root),
        network: network::network(root),
        console: output::console(root),
        etc: etc::etc(root),
        mounts,
        loop_mounts,
        restart_on_crash: process::restart_on_crash(root),
        rt_priority: cpu::rt_priority(root, version.as_deref()),
        cpu: cpu::cpu(root),
        gpu: media::gpu(root),
        vpu: media::vpu(root),
        syslog: output::syslog(root),
        dbus: dbus::dbus(root),
        devices: devices::devices(root, host),
        capabilities: security::capabilities(root),
        seccomp: security::seccomp(root),
        legacy_plugins: plugins::legacy(root),
        plugins: BTreeMap::new(),
    }
}

/// The plugins that other fields stand for, then the host's default ones, then those of the spec.
fn merged_plugins(spec: &Spec, root: &Node<'_>, host: &Host) -> BTreeMap<String, PluginSection> {
    let optional = |data: Value| PluginSection { data, ..PluginSection::default() };
    let implied = implied(spec).into_iter().map(|(name, data)| (name.to_owned(), optional(data)));
    let defaults = host.settings.default_plugins.iter();
    let mut all: BTreeMap<_, _> =
        implied.chain(defaults.map(|(name, data)| (name.clone(), optional(data.clone())))).collect();
    plugins::merge(root, &mut all);
    all
}

/// Plugins that other fields stand for.
fn implied(spec: &Spec) -> Vec<(&'static str, Value)> {
    let network = spec.network.map(|network| match network {
        NetworkKey::Nat => json!({"dnsmasq": true, "ipv4": true, "type": "nat"}),
        NetworkKey::Open => json!({"dnsmasq": true, "type": "open"}),
        NetworkKey::Private => json!({"type": "none"}),
    });
    let logging = spec.console.as_ref().map(|console| match &console.path {
        Some(path) => json!({"fileOptions": {"limit": console.limit, "path": path}, "sink": "file"}),
        None => json!({"sink": "devnull"}),
    });
    let images = spec.loop_mounts.iter().map(|mount| {
        json!({
            "destination": mount.destination,
            "flags": mount.flags,
            "fstype": mount.fstype,
            "imgmanagement": false,
            "options": mount.options,
            "source": mount.source,
        })
    });
    let images: Vec<_> = images.collect();
    let storage = (!images.is_empty()).then(|| json!({"loopback": images}));
    let gpu = spec.gpu.map(|memory| json!({"memory": memory}));
    let rt = spec.rt_priority.map(|rt| json!({"rtdefault": rt.default, "rtlimit": rt.limit}));
    let ipc = (!spec.dbus.is_empty()).then(|| json!(spec.dbus));
    let all = [
        ("gpu", gpu),
        ("ipc", ipc),
        ("logging", logging),
        ("networking", network),
        ("rtscheduling", rt),
        ("storage", storage),
    ];
    all.into_iter().filter_map(|(name, data)| Some((name, data?))).collect()
}
