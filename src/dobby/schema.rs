//! What the settings (`data`) of each plugin look like.

use std::collections::BTreeMap;

use crate::dobby::read::node::Node;
use crate::dobby::read::problems::{Findings, Problem};
use crate::dobby::spec::PluginSection;

/// The kind of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Any,
    Bool,
    /// As [`Kind::Bool`]; a text instead has no effect, as with Dobby.
    LenientBool,
    Text,
    Texts,
    OneOf(&'static [&'static str]),
    Whole(i64, i64),
    Wholes(i64, i64),
    Object(&'static [Member]),
    Objects(&'static [Member]),
}

/// A member of an object. Null stands for an absent one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    name: &'static str,
    kind: Kind,
    needed: bool,
}

impl Member {
    /// Its name; with `*` when it must be given.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.name, if self.needed { "*" } else { "" })
    }
}

const fn needed(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, needed: true }
}

const fn may(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, needed: false }
}

const INT32: Kind = Kind::Whole(i32::MIN as i64, i32::MAX as i64);
const SIZE: Kind = Kind::Whole(0, i32::MAX as i64);
const UINT32: Kind = Kind::Whole(0, u32::MAX as i64);
const PORT: Kind = Kind::Whole(0, u16::MAX as i64);

const FORWARD: &[Member] = &[needed("port", PORT), may("protocol", Kind::Text)];
const LOOPBACK: &[Member] = &[
    needed("source", Kind::Text),
    needed("destination", Kind::Text),
    needed("flags", SIZE),
    may("fstype", Kind::Text),
    may("options", Kind::Texts),
    may("persistent", Kind::Bool),
    may("imgsize", SIZE),
    may("imgmanagement", Kind::Bool),
];
const DYNAMIC: &[Member] = &[
    needed("source", Kind::Text),
    needed("destination", Kind::Text),
    may("flags", SIZE),
    may("options", Kind::Texts),
];
const MOUNT_OWNER: &[Member] = &[
    may("source", Kind::Text),
    may("user", Kind::Text),
    may("group", Kind::Text),
    may("recursive", Kind::Bool),
];
const DUMP_PATH: &[Member] = &[
    needed("image", Kind::Text),
    needed("containerSource", Kind::Text),
    needed("hostDestination", Kind::Text),
    may("imgsize", SIZE),
    may("imageBacking", Kind::OneOf(&["disk", "memory"])),
];
const FORWARDING: &[Member] = &[
    may("localhostMasquerade", Kind::Bool),
    may("hostToContainer", Kind::Objects(FORWARD)),
    may("containerToHost", Kind::Objects(FORWARD)),
];
const BETWEEN: &[Member] = &[
    needed("direction", Kind::OneOf(&["in", "out"])),
    needed("port", PORT),
    may("protocol", Kind::Text),
    may("localhostMasquerade", Kind::Bool),
];

/// The form of a plugin's data: the members of an object.
pub(crate) type Schema = &'static [Member];

/// The members of each plugin's data.
const PLUGINS: &[(&str, Schema)] = &[
    (
        "appservicesrdk",
        &[
            may("setMenu", Kind::Text),
            may("additionalPorts", Kind::Wholes(0, u16::MAX as i64)),
            may("connLimit", UINT32),
        ],
    ),
    ("ipc", &[may("system", Kind::Text), may("session", Kind::Text), may("debug", Kind::Text)]),
    ("gpu", &[may("memory", UINT32)]),
    (
        "ionmemory",
        &[
            may("defaultLimit", Kind::Whole(0, i64::MAX)),
            may(
                "heaps",
                Kind::Objects(&[needed("name", Kind::Text), needed("limit", Kind::Whole(0, i64::MAX))]),
            ),
        ],
    ),
    (
        "logging",
        &[
            needed("sink", Kind::OneOf(&["file", "journald", "devnull"])),
            may("fileOptions", Kind::Object(&[needed("path", Kind::Text), may("limit", INT32)])),
            may("journaldOptions", Kind::Object(&[needed("priority", Kind::Text)])),
        ],
    ),
    (
        "networking",
        &[
            may("type", Kind::OneOf(&["nat", "open", "none"])),
            may("ipv4", Kind::LenientBool),
            may("ipv6", Kind::LenientBool),
            may("dnsmasq", Kind::LenientBool),
            may("portForwarding", Kind::Object(FORWARDING)),
            may("multicastForwarding", Kind::Objects(&[needed("ip", Kind::Text), needed("port", PORT)])),
            may("interContainer", Kind::Objects(BETWEEN)),
        ],
    ),
    (
        "storage",
        &[
            may("loopback", Kind::Objects(LOOPBACK)),
            may("dynamic", Kind::Objects(DYNAMIC)),
            may("mountOwner", Kind::Objects(MOUNT_OWNER)),
        ],
    ),
    ("minidump", &[may("destinationPath", Kind::Text), may("paths", Kind::Objects(DUMP_PATH))]),
    ("localtime", &[may("setTZ", Kind::Text), may("path", Kind::Text)]),
    ("rtscheduling", &[may("rtlimit", INT32), may("rtdefault", INT32)]),
    (
        "httpproxy",
        &[
            may("proxy", Kind::Object(&[needed("host", Kind::Text), needed("port", PORT)])),
            may("ignoreProxy", Kind::Texts),
            may("ignoreProxyOnBridge", Kind::Bool),
            may("proxyRootCACert", Kind::Text),
        ],
    ),
    ("thunder", &[may("trusted", Kind::Bool), may("bearerUrl", Kind::Text), may("connLimit", UINT32)]),
    ("testrdkplugin", &[may("testData", Kind::Any)]),
    ("oomcrash", &[needed("path", Kind::Text)]),
    ("devicemapper", &[may("devices", Kind::Texts)]),
    ("gamepad", &[]),
];

/// The members of a plugin's data, if it is a known one.
pub(crate) fn members(plugin: &str) -> Option<Schema> {
    PLUGINS.iter().find(|(name, _)| *name == plugin).map(|(_, members)| *members)
}

/// Checks the data of known plugins.
pub(crate) fn check_all(plugins: &BTreeMap<String, PluginSection>, findings: &Findings) {
    for (name, plugin) in plugins {
        let Some(members) = members(name) else { continue };
        let data = Node::new(data_of(name), &plugin.data, findings);
        if name == "minidump" {
            check_minidump(&data, plugin.required);
        }
        if plugin.data.is_null() {
            continue;
        }
        object(&data, members);
        if name == "logging" && plugin.data["sink"] == "file" && data.given("fileOptions").is_none() {
            data.warn("has no fileOptions for its sink \"file\": the output is discarded");
        }
    }
}

/// Without either member the plugin does nothing, which a container that needs it cannot mean.
fn check_minidump(data: &Node<'_>, required: bool) {
    const RULE: &str = "has neither destinationPath nor paths";
    if ["destinationPath", "paths"].iter().any(|key| data.given(key).is_some()) {
        return;
    }
    if required { data.wrong(RULE) } else { data.warn(format_args!("{RULE}, and has no effect")) }
}

/// Checks that the data of known plugins are complete: a spec that says nothing asks for nothing.
pub(crate) fn check_complete(plugins: &BTreeMap<String, PluginSection>, findings: &Findings) {
    for (name, plugin) in plugins.iter().filter(|(name, _)| members(name).is_some()) {
        if plugin.data.is_null() && !["localtime", "gamepad", "minidump"].contains(&name.as_str()) {
            let rule = "is missing".to_owned();
            findings.wrong(Problem { field: data_of(name), value: None, rule });
        }
    }
}

fn data_of(plugin: &str) -> String {
    format!("rdkPlugins.{plugin}.data")
}

fn object(node: &Node<'_>, members: &[Member]) {
    if node.object().is_none() {
        return;
    }
    for member in members {
        let value = if member.needed { node.need(member.name) } else { node.given(member.name) };
        if let Some(value) = value {
            check(&value, member.kind);
        }
    }
}

/// Notes what is wrong with a value; the value itself is not wanted.
fn check(node: &Node<'_>, kind: Kind) {
    match kind {
        Kind::Any => {}
        Kind::Bool => _ = node.boolean(),
        Kind::LenientBool if node.value().is_string() => node.warn("is a text and has no effect"),
        Kind::LenientBool => _ = node.boolean(),
        Kind::Text => _ = node.text(),
        Kind::Texts => _ = node.texts(),
        Kind::OneOf(allowed) => _ = node.one_of(allowed),
        Kind::Whole(low, high) => _ = node.whole::<i64>(low..=high),
        Kind::Wholes(low, high) => {
            node.items().iter().for_each(|item| check(item, Kind::Whole(low, high)));
        }
        Kind::Object(members) => object(node, members),
        Kind::Objects(members) => node.items().iter().for_each(|item| object(item, members)),
    }
}
