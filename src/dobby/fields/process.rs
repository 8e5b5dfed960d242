//! `version`, `args`, `user`, `env`, `cwd`, `userNs`, `restartOnCrash`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::User;

/// The versions of the format. They differ in the shape of `rtPriority` only.
const VERSIONS: [&str; 2] = ["1.0", "1.1"];
/// The highest user or group id.
const MAX_ID: i64 = 65_534;

/// `version`; `None` when it is wrong.
pub(in crate::dobby) fn version(spec: &Node<'_>) -> Option<String> {
    spec.need("version")?.one_of(&VERSIONS)
}

/// `args`.
pub(in crate::dobby) fn args(spec: &Node<'_>) -> Vec<String> {
    let Some(args) = spec.need("args") else { return Vec::new() };
    if args.value().as_array().is_some_and(Vec::is_empty) {
        args.wrong("has no program");
    }
    args.texts()
}

/// `user`. Root is refused.
pub(in crate::dobby) fn user(spec: &Node<'_>) -> User {
    let id = |user: &Node<'_>, key, least| user.need(key)?.whole(least..=MAX_ID);
    let read = || {
        let user = spec.need("user")?;
        user.object()?.0.only(&["uid", "gid"]);
        let (uid, gid) = (id(&user, "uid", 1), id(&user, "gid", 0));
        Some(User { uid: uid?, gid: gid? })
    };
    read().unwrap_or_default()
}

/// `env`.
pub(in crate::dobby) fn env(spec: &Node<'_>) -> Vec<String> {
    let items = spec.member("env").map(|env| env.items()).unwrap_or_default();
    let variable = |node: &Node<'_>| {
        let variable = node.text()?;
        if !variable.contains('=') {
            node.warn("has no '=' in it");
        }
        Some(variable)
    };
    items.iter().filter_map(variable).collect()
}

/// `cwd`.
pub(in crate::dobby) fn cwd(spec: &Node<'_>) -> Option<String> {
    spec.member("cwd")?.text()
}

/// `userNs`: on when absent, off when null.
pub(in crate::dobby) fn user_ns(spec: &Node<'_>) -> bool {
    match spec.member("userNs") {
        None => true,
        Some(null) if null.value().is_null() => false,
        Some(other) => other.boolean().unwrap_or(true),
    }
}

/// `restartOnCrash`.
pub(in crate::dobby) fn restart_on_crash(spec: &Node<'_>) -> bool {
    spec.given("restartOnCrash").and_then(|node| node.boolean()).unwrap_or(false)
}
