//! `plugins` and `rdkPlugins`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::dobby::read::node::Node;
use crate::dobby::schema;
use crate::dobby::spec::PluginSection;

/// `plugins`: plugins of the oldest kind, by name.
pub(in crate::dobby) fn legacy(spec: &Node<'_>) -> BTreeMap<String, Value> {
    let items = spec.member("plugins").map(|plugins| plugins.items()).unwrap_or_default();
    let plugin = |item: &Node<'_>| {
        item.object()?.0.only(&["name", "data"]);
        let name = item.need("name")?.text()?;
        Some((name, item.member("data").map_or(Value::Null, |data| data.value().clone())))
    };
    items.iter().filter_map(plugin).collect()
}

/// `rdkPlugins`: what it says goes over what `plugins` holds already.
///
/// Of a plugin's `data`, lists grow and everything else is replaced.
pub(in crate::dobby) fn merge(spec: &Node<'_>, plugins: &mut BTreeMap<String, PluginSection>) {
    let Some(section) = spec.given("rdkPlugins") else { return };
    let Some((_, members)) = section.object() else { return };
    for name in members.keys() {
        let Some(node) = section.member(name) else { continue };
        let plugin = plugins.entry(name.clone()).or_default();
        if !node.value().is_null() && node.object().is_some() {
            overlay(&node, plugin, schema::members(name).is_some());
        }
    }
}

/// Of a plugin that is not known, the data may be anything: it is only kept.
fn overlay(node: &Node<'_>, plugin: &mut PluginSection, is_known: bool) {
    node.only(&["required", "dependsOn", "data"]);
    if let Some(required) = node.given("required").and_then(|node| node.boolean()) {
        plugin.required = required;
    }
    if let Some(depends_on) = node.given("dependsOn") {
        plugin.depends_on = depends_on.texts();
    }
    let Some(data) = node.given("data") else { return };
    if !is_known && !data.value().is_object() {
        plugin.data = data.value().clone();
        return;
    }
    let Some((_, members)) = data.object() else { return };
    if !plugin.data.is_object() {
        plugin.data = Value::Object(serde_json::Map::new());
    }
    let Some(merged) = plugin.data.as_object_mut() else { return };
    for (key, value) in members {
        match (merged.get_mut(key), value) {
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new.iter().cloned()),
            _ => drop(merged.insert(key.clone(), value.clone())),
        }
    }
}
