//! `dbus`.

use std::collections::BTreeMap;

use crate::dobby::read::node::Node;

const KINDS: [&str; 3] = ["debug", "session", "system"];
const BUSES: [&str; 3] = ["system", "ai-public", "ai-private"];

/// `dbus`: which bus the container finds as each of the three.
pub(in crate::dobby) fn dbus(spec: &Node<'_>) -> BTreeMap<String, String> {
    let Some(dbus) = spec.given("dbus") else { return BTreeMap::new() };
    if dbus.object().is_none() {
        return BTreeMap::new();
    }
    dbus.only(&KINDS);
    let bus = |kind: &&str| Some(((*kind).to_owned(), dbus.given(kind)?.one_of(&BUSES)?));
    KINDS.iter().filter_map(bus).collect()
}
