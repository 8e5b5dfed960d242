//! From a checked spec to a `config.json` (runtime-spec, "Configuration").

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::dobby::hardware::{Allowed, OWN_GROUPS, device_rule};
use crate::dobby::host::Host;
use crate::dobby::parse::REFUSED;
use crate::dobby::read::problems::{Findings, Problem};
use crate::dobby::rootfs::Rootfs;
use crate::dobby::runtime;
use crate::dobby::runtime::RuntimeExtras;
use crate::dobby::spec::{Cpu, NetworkKey, Spec, SpecMount};
use crate::dobby::template;
use crate::error::{ErrorKind, Result};
use crate::log::shown;

/// What Dobby's generator writes; its daemon takes bundles of this version for converted specs.
const OCI_VERSION: &str = "1.0.2-dobby";
/// The longest host name, in characters (uname(2)).
const MAX_NAME: usize = 64;

/// A converted spec.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Conversion {
    /// The `config.json`.
    pub config: Value,
    /// The root file system.
    pub rootfs: Rootfs,
    /// What a runtime does not act on.
    pub runtime: RuntimeExtras,
    /// What is legal but odd about the spec.
    pub warnings: Vec<String>,
}

/// Converts the spec `json` for `host`.
///
/// # Errors
/// [`ErrorKind::Input`] naming every mistake.
pub fn convert(json: &Value, host: &Host) -> Result<Conversion> {
    let findings = Findings::default();
    let spec = Spec::read(json, host, &findings);
    let allowed = Allowed::new(&spec, host, &findings);
    let rootfs = rootfs(&spec, &allowed, &findings);
    let config = config(&spec, host, &allowed, &findings);
    let warnings = findings.into_result(ErrorKind::Input, REFUSED)?;
    let runtime = RuntimeExtras::of_config(&config)?;
    Ok(Conversion { config, rootfs, runtime, warnings })
}

impl Conversion {
    /// Makes it the configuration of the container `id`: its host name, cut where the kernel has no room for more, and
    /// the administrator's limit of processes.
    pub fn for_container(&mut self, id: &str, host: &Host) {
        if let Some(config) = self.config.as_object_mut() {
            let name: String = id.chars().take(MAX_NAME).collect();
            config.insert("hostname".to_owned(), name.into());
        }
        let resources = self.config.pointer_mut("/linux/resources").and_then(Value::as_object_mut);
        if let (Some(resources), Some(limit)) = (resources, host.settings.pids_limit) {
            resources.insert("pids".to_owned(), json!({"limit": limit}));
        }
    }
}

fn rootfs(spec: &Spec, allowed: &Allowed<'_>, findings: &Findings) -> Rootfs {
    let mut rootfs = Rootfs::new(&spec.etc);
    let mounts = extra_mounts(spec, allowed).map(|mount| (&mount.destination, binds_file(mount)));
    let images = spec.loop_mounts.iter().map(|mount| (&mount.destination, false));
    for (destination, file) in mounts.chain(images) {
        if let Err(rule) = rootfs.add_mount_point(destination, file) {
            let value = Some(shown(&destination.as_str().into()));
            findings.wrong(Problem { field: "mounts[].destination".to_owned(), value, rule });
        }
    }
    rootfs
}

fn config(spec: &Spec, host: &Host, allowed: &Allowed<'_>, findings: &Findings) -> Value {
    let mut config = json!({
        "ociVersion": OCI_VERSION,
        "platform": {"os": "linux", "arch": "arm"},
        "process": process(spec, host, allowed),
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "dobby",
        "mounts": mounts(spec, host, allowed),
        "linux": linux(spec, host, allowed, findings),
    });
    if !spec.legacy_plugins.is_empty() {
        let plugin =
            |(name, data): (&String, &Value)| (name.clone(), json!({"required": true, "data": data}));
        config["legacyPlugins"] = spec.legacy_plugins.iter().map(plugin).collect::<Map<_, _>>().into();
    }
    if spec.restart_on_crash {
        config["annotations"] = json!({runtime::RESTART: "true"});
    }
    config["rdkPlugins"] = runtime::section(&spec.plugins).into();
    config
}

fn process(spec: &Spec, host: &Host, allowed: &Allowed<'_>) -> Value {
    let init = host.init.iter().filter_map(|init| init.to_str());
    let args: Vec<_> = init.chain(spec.args.iter().map(String::as_str)).collect();
    let (uid, gid) = if spec.user_ns { (0, 0) } else { (spec.user.uid, spec.user.gid) };
    json!({
        "terminal": false,
        "user": {"uid": uid, "gid": gid, "additionalGids": allowed.groups.additional},
        "args": args,
        "cwd": working_dir(spec.cwd.as_deref().unwrap_or_default()),
        "env": env(spec, host, allowed),
        "capabilities": template::capabilities(spec.capabilities.as_deref().unwrap_or_default()),
        "rlimits": template::rlimits(highest_priority(spec)),
        "noNewPrivileges": spec.capabilities.is_none(),
    })
}

/// Only the spec's own field lifts the limit here; the plugin does so for a bundle that asks for it by its name.
fn highest_priority(spec: &Spec) -> u32 {
    let plugin = spec.rt_priority.and(spec.plugins.get("rtscheduling"));
    plugin.map_or(0, |plugin| runtime::RealTime::of(&plugin.data).limit.into())
}

/// Runtimes want an absolute path.
fn working_dir(cwd: &str) -> String {
    if cwd.starts_with('/') { cwd.to_owned() } else { format!("/{cwd}") }
}

fn env(spec: &Spec, host: &Host, allowed: &Allowed<'_>) -> Vec<String> {
    let mut env = spec.env.clone();
    env.extend(allowed.env.iter().copied().map(str::to_owned));
    env.extend(host.extra_env());
    env.extend(["HOME=/home/private", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"].map(str::to_owned));
    env
}

/// The mounts that are not in every container.
fn extra_mounts<'a>(spec: &'a Spec, allowed: &Allowed<'a>) -> impl Iterator<Item = &'a SpecMount> {
    allowed.gpu_mounts.iter().chain(&spec.mounts).chain(allowed.vpu_mounts)
}

fn mounts(spec: &Spec, host: &Host, allowed: &Allowed<'_>) -> Vec<Value> {
    let mut mounts = template::first_mounts(host);
    mounts.extend(spec.syslog.then(template::syslog_mount));
    mounts.extend(extra_mounts(spec, allowed).map(|mount| {
        let options: Vec<_> = mount.options.iter().map(String::as_str).collect();
        template::mount(&mount.destination, &mount.kind, &mount.source, &options)
    }));
    mounts.push(template::proc_mount());
    mounts
}

/// Whether a mount point must be a file. A source that is not there (yet) counts as a directory.
fn binds_file(mount: &SpecMount) -> bool {
    let bind = |word: &str| ["bind", "rbind"].contains(&word);
    let binds = bind(&mount.kind) || mount.options.iter().any(|option| bind(option));
    binds && std::fs::metadata(Path::new(&mount.source)).is_ok_and(|source| !source.is_dir())
}

fn linux(spec: &Spec, host: &Host, allowed: &Allowed<'_>, findings: &Findings) -> Value {
    let mut linux = Map::new();
    let mut put = |key: &str, value: Value| drop(linux.insert(key.to_owned(), value));
    if spec.user_ns {
        let mapping = |inside: u32, outside: u32, size: u32| json!({"hostID": outside, "containerID": inside, "size": size});
        let more = allowed.groups.mapped.iter().map(|(inside, outside)| mapping(*inside, *outside, 1));
        let groups = std::iter::once(mapping(0, spec.user.gid, OWN_GROUPS)).chain(more);
        put("uidMappings", json!([mapping(0, spec.user.uid, 1)]));
        put("gidMappings", groups.collect());
    }
    if let Some(seccomp) = &spec.seccomp {
        let syscalls = json!([{"action": seccomp.action, "names": seccomp.names}]);
        put("seccomp", json!({"defaultAction": seccomp.default_action, "syscalls": syscalls}));
    }
    put("devices", allowed.nodes.iter().map(crate::dobby::host::DeviceNode::node).collect());
    put("resources", resources(spec, host, allowed, findings));
    put("namespaces", namespaces(spec, findings));
    put("maskedPaths", json!(template::MASKED_PATHS));
    put("readonlyPaths", json!(template::READONLY_PATHS));
    put("rootfsPropagation", "slave".into());
    linux.into()
}

fn resources(spec: &Spec, host: &Host, allowed: &Allowed<'_>, findings: &Findings) -> Value {
    let denied = json!({"allow": false, "access": "rwm"});
    let nodes = allowed.nodes.iter().map(crate::dobby::host::DeviceNode::rule);
    let named = spec.devices.iter().map(|device| device_rule(device.major, device.minor, &device.access));
    let devices: Vec<_> = std::iter::once(denied).chain(nodes).chain(named).collect();
    let swap = spec.swap_limit.map_or(-1, i64::from);
    let mut memory = json!({"limit": spec.mem_limit, "swap": swap});
    if host.cgroup_v1 {
        memory["swappiness"] = 60.into();
    }
    json!({"devices": devices, "memory": memory, "cpu": cpu(&spec.cpu, host, findings)})
}

fn cpu(wanted: &Cpu, host: &Host, findings: &Findings) -> Value {
    let mut cpu = Map::new();
    if let Some(percent) = wanted.shares {
        cpu.insert("shares".to_owned(), (percent * 1024 / 100).into());
    }
    if let Some(cores) = &wanted.cores {
        let on = cores.iter().filter(|core| **core < host.cpus).map(u32::to_string);
        let on: Vec<_> = on.collect();
        if on.is_empty() {
            findings.warn(format!("cpu.cores: this host has none of the processors {cores:?}"));
        } else {
            cpu.insert("cpus".to_owned(), on.join(",").into());
        }
    }
    if host.rt_groups {
        template::give_real_time(&mut cpu);
    }
    cpu.into()
}

/// A container shares the host's network only if `network` is in the spec and the plugin says `open`.
fn namespaces(spec: &Spec, findings: &Findings) -> Value {
    let kind = spec.plugins.get("networking").map(|plugin| &plugin.data["type"]);
    let open = spec.network.is_some() && kind.is_some_and(|kind| kind == "open");
    if open && spec.network != Some(NetworkKey::Open) {
        findings
            .warn("rdkPlugins.networking.data.type: \"open\" goes over network: it is the host's".to_owned());
    }
    let all = [
        ("pid", true),
        ("network", !open),
        ("ipc", true),
        ("uts", true),
        ("user", spec.user_ns),
        ("mount", true),
    ];
    all.iter().filter(|(_, own)| *own).map(|(name, _)| json!({"type": name})).collect()
}
