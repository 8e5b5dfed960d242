//! The administrator's settings for specs: the part of Dobby's `/etc/dobby.json` that a conversion needs.

use std::path::Path;

use serde_json::Value;

use crate::dobby::read::input;
use crate::dobby::read::node::Node;
use crate::dobby::read::problems::Findings;
use crate::dobby::spec::SpecMount;
use crate::error::{ErrorKind, Result};

/// Where Dobby has its settings.
pub const DEFAULT_PATH: &str = "/etc/dobby.json";
/// The options of an extra mount.
const OPTIONS: [&str; 13] = [
    "rbind",
    "bind",
    "silent",
    "ro",
    "sync",
    "nosuid",
    "dirsync",
    "nodiratime",
    "relatime",
    "noexec",
    "nodev",
    "noatime",
    "strictatime",
];
/// The most processes of a container for which no other limit is given.
const PIDS: u32 = 256;
/// The AppArmor profile of a container for which no other is given.
const APPARMOR: &str = "dobby_default";
/// The keys that mean something here.
const KEYS: [&str; 7] = ["gpu", "vpu", "extraEnvVariables", "defaultPlugins", "pids", "apparmor", "network"];

/// The settings. The default is that of a host without a settings file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DobbySettings {
    /// What a container gets that may use the GPU.
    pub gpu: Hardware,
    /// What a container gets that may use the video decoder.
    pub vpu: Hardware,
    /// Variables in every container's environment.
    pub extra_env: Vec<String>,
    /// Plugins of every container with their data.
    pub default_plugins: Vec<(String, Value)>,
    /// The most processes in a container whose configuration does not say; `None` for no limit.
    pub pids_limit: Option<u32>,
    /// The AppArmor profile of a container whose configuration names none, if the kernel has it loaded.
    pub apparmor_profile: Option<String>,
}

/// A piece of hardware as a container gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The groups that its device nodes belong to: ids on the host.
    pub groups: Vec<u32>,
    /// Patterns of device nodes.
    pub dev_nodes: Vec<String>,
    /// Mounts that go with it.
    pub mounts: Vec<SpecMount>,
    /// Environment that goes with it.
    pub env: Vec<String>,
}

impl Default for DobbySettings {
    fn default() -> Self {
        Self {
            gpu: Hardware::default(),
            vpu: Hardware::default(),
            extra_env: Vec::new(),
            default_plugins: Vec::new(),
            pids_limit: Some(PIDS),
            apparmor_profile: Some(APPARMOR.to_owned()),
        }
    }
}

impl DobbySettings {
    /// The settings of a file, and warnings. No file is the default. Keys that mean nothing here
    /// are warned of.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Input`] for a file that cannot be read or has wrong values, all of them
    /// named.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>)> {
        if !path.exists() {
            return Ok((Self::default(), Vec::new()));
        }
        let json = input::read_file(path)?;
        let findings = Findings::default();
        let settings = Self::parse(&Node::new("", &json, &findings));
        let what = format!("{} is refused", path.display());
        Ok((settings, findings.into_result(ErrorKind::Config, &what)?))
    }

    fn parse(root: &Node<'_>) -> Self {
        if root.object().is_none() {
            return Self::default();
        }
        root.only(&KEYS);
        Self {
            gpu: hardware(root, "gpu"),
            vpu: hardware(root, "vpu"),
            extra_env: extra_env(root),
            default_plugins: default_plugins(root),
            pids_limit: pids_limit(root),
            apparmor_profile: apparmor_profile(root),
        }
    }
}

fn hardware(root: &Node<'_>, key: &str) -> Hardware {
    let Some(node) = root.given(key) else { return Hardware::default() };
    if node.object().is_none() {
        return Hardware::default();
    }
    let texts = |key| node.given(key).map(|list| list.texts()).unwrap_or_default();
    let mounts = node.given("extraMounts").map(|mounts| mounts.items()).unwrap_or_default();
    Hardware {
        groups: ["groupIds", "groupId"].iter().flat_map(|key| groups(&node, key)).collect(),
        dev_nodes: texts("devNodes"),
        mounts: mounts.iter().filter_map(mount).collect(),
        env: texts("extraEnvVariables"),
    }
}

/// A group or a list of them.
fn groups(node: &Node<'_>, key: &str) -> Vec<u32> {
    match node.given(key) {
        None => Vec::new(),
        Some(list) if list.value().is_array() => list.items().iter().filter_map(group).collect(),
        Some(one) => group(&one).into_iter().collect(),
    }
}

/// A group by number or by name. A name that the host does not have is not the group of any device node.
fn group(node: &Node<'_>) -> Option<u32> {
    if node.is_whole() {
        return node.whole(1..=i64::from(u32::MAX) - 1);
    }
    let name = node.text()?;
    let group = nix::unistd::Group::from_name(&name).ok().flatten().map(|group| group.gid.as_raw());
    if group.is_none() {
        node.warn("is not a group of this host");
    }
    group.filter(|gid| *gid > 0)
}

fn mount(node: &Node<'_>) -> Option<SpecMount> {
    node.object()?;
    let text = |key| node.need(key)?.text();
    let options = node.given("options").map(|options| options.items()).unwrap_or_default();
    let options = options.iter().filter_map(|option| option.one_of(&OPTIONS)).collect();
    Some(SpecMount {
        source: text("source")?,
        destination: text("destination")?,
        kind: text("type")?,
        options,
    })
}

/// Variables of the form NAME=VALUE, both of letters, digits and underscores. Others are left out.
fn extra_env(root: &Node<'_>) -> Vec<String> {
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut env = Vec::new();
    for node in root.given("extraEnvVariables").map(|list| list.items()).unwrap_or_default() {
        let Some(variable) = node.text() else { continue };
        if variable.split_once('=').is_some_and(|(name, value)| word(name) && word(value)) {
            env.push(variable);
        } else {
            node.warn("is not of the form NAME=VALUE with letters, digits and '_', and is left out");
        }
    }
    env
}

/// A list of names, of objects from name to data, or both.
fn default_plugins(root: &Node<'_>) -> Vec<(String, Value)> {
    let mut plugins = Vec::new();
    for node in root.given("defaultPlugins").map(|list| list.items()).unwrap_or_default() {
        match node.value() {
            Value::String(name) => plugins.push((name.clone(), Value::Null)),
            Value::Object(all) => plugins.extend(all.iter().map(|(name, data)| (name.clone(), data.clone()))),
            _ => node.wrong("is neither the name of a plugin nor an object from name to data"),
        }
    }
    plugins
}

fn pids_limit(root: &Node<'_>) -> Option<u32> {
    let Some(pids) = root.given("pids") else { return Some(PIDS) };
    pids.object()?;
    let enabled = pids.given("enable").and_then(|enable| enable.boolean()).unwrap_or(true);
    let limit = pids.given("limit").and_then(|limit| limit.whole(1..=i32::MAX.into())).unwrap_or(PIDS);
    enabled.then_some(limit)
}

fn apparmor_profile(root: &Node<'_>) -> Option<String> {
    let Some(apparmor) = root.given("apparmor") else { return Some(APPARMOR.to_owned()) };
    apparmor.object()?.0.only(&["enable", "defaultProfile"]);
    let enabled = apparmor.given("enable").and_then(|enable| enable.boolean()).unwrap_or(true);
    let profile = apparmor.given("defaultProfile").and_then(|profile| profile.text());
    enabled.then(|| profile.unwrap_or_else(|| APPARMOR.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(json: &Value) -> (DobbySettings, Result<Vec<String>>) {
        let findings = Findings::default();
        let settings = DobbySettings::parse(&Node::new("", json, &findings));
        (settings, findings.into_result(ErrorKind::Config, "refused"))
    }

    #[test]
    fn every_setting_is_read() {
        let (settings, warnings) = parse(&json!({
            "paths": {"workspaceDir": "/x"},
            "gpu": {
                "groupIds": [44, "root", "no such group"],
                "groupId": 45,
                "devNodes": ["/dev/nvidia*"],
                "extraMounts": [{"source": "/a", "destination": "/b", "type": "bind", "options": ["ro", "bind"]}],
                "extraEnvVariables": ["A=1"]
            },
            "vpu": {"groupId": 46},
            "extraEnvVariables": ["ETHAN_STB_TYPE=IP", "bad-name=1", "=1", "A="],
            "defaultPlugins": ["localtime", {"oomcrash": {"path": "/opt"}}],
            "pids": {"limit": 100}
        }));
        let mount = SpecMount {
            source: "/a".to_owned(),
            destination: "/b".to_owned(),
            kind: "bind".to_owned(),
            options: vec!["ro".to_owned(), "bind".to_owned()],
        };
        let gpu = Hardware {
            groups: vec![44, 45],
            dev_nodes: vec!["/dev/nvidia*".to_owned()],
            mounts: vec![mount],
            env: vec!["A=1".to_owned()],
        };
        assert_eq!(settings.gpu, gpu);
        assert_eq!(settings.vpu.groups, [46]);
        assert_eq!(settings.extra_env, ["ETHAN_STB_TYPE=IP"]);
        let plugins =
            [("localtime".to_owned(), Value::Null), ("oomcrash".to_owned(), json!({"path": "/opt"}))];
        assert_eq!(settings.default_plugins, plugins);
        assert_eq!(settings.pids_limit, Some(100));
        let warnings = warnings.unwrap();
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        assert!(warnings.iter().any(|warning| warning.starts_with("paths: {")), "{warnings:?}");
        assert_eq!(parse(&json!({"pids": {"enable": false}})).0.pids_limit, None);
        let profile = |apparmor| parse(&json!({"apparmor": apparmor})).0.apparmor_profile;
        assert_eq!(profile(json!({"enable": false})), None);
        assert_eq!(profile(json!({"defaultProfile": "x"})).as_deref(), Some("x"));
        assert_eq!(parse(&json!({})).0, DobbySettings::default());
    }

    #[test]
    fn wrong_settings_are_named() {
        let cases = [
            (json!([]), "the whole: [] is not an object"),
            (json!({"gpu": 1}), "gpu: 1 is not an object"),
            (json!({"gpu": {"groupId": 0}}), "gpu.groupId: 0 is out of range 1.."),
            (json!({"vpu": {"devNodes": [1]}}), "vpu.devNodes[0]: 1 is not a string"),
            (json!({"gpu": {"extraMounts": [{}]}}), "gpu.extraMounts[0].source: is missing"),
            (
                json!({"gpu": {"extraMounts": [{"source": "", "destination": "", "type": "", "options": ["x"]}]}}),
                "options[0]: \"x\" is not one of rbind,",
            ),
            (json!({"defaultPlugins": [1]}), "defaultPlugins[0]: 1 is neither"),
            (json!({"pids": {"limit": 0}}), "pids.limit: 0 is out of range"),
        ];
        for (settings, expected) in cases {
            let report = parse(&settings).1.unwrap_err().report();
            assert!(report.contains(expected), "{settings}: {report}");
        }
    }
}
