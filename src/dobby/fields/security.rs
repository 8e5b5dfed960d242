//! `capabilities` and `seccomp`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::Seccomp;

/// The capabilities that a spec may ask for.
const CAPABILITIES: [&str; 3] = ["CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_RAW"];
const ACTIONS: [&str; 2] = ["SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"];

/// `capabilities`; an empty list is not the same as none.
pub(in crate::dobby) fn capabilities(spec: &Node<'_>) -> Option<Vec<String>> {
    let items = spec.member("capabilities")?.items();
    Some(items.iter().filter_map(|item| item.one_of(&CAPABILITIES)).collect())
}

/// `seccomp`.
pub(in crate::dobby) fn seccomp(spec: &Node<'_>) -> Option<Seccomp> {
    let node = spec.member("seccomp")?;
    node.object()?.0.only(&["defaultAction", "syscalls"]);
    let default_action = node.need("defaultAction").and_then(|action| action.one_of(&ACTIONS));
    let syscalls = node.need("syscalls")?;
    syscalls.object()?.0.only(&["action", "names"]);
    let action = syscalls.need("action").and_then(|action| action.one_of(&ACTIONS));
    let names = syscalls.need("names")?;
    if names.value().as_array().is_some_and(Vec::is_empty) {
        names.wrong("names no system call");
    }
    Some(Seccomp { default_action: default_action?, action: action?, names: names.texts() })
}
