//! `console` and `syslog`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::Console;

/// `console`; null discards the output.
pub(in crate::dobby) fn console(spec: &Node<'_>) -> Option<Console> {
    let node = spec.member("console")?;
    let mut console = Console { path: None, limit: -1 };
    if node.value().is_null() {
        return Some(console);
    }
    node.object()?.0.only(&["path", "limit"]);
    console.path = node.given("path").and_then(|path| path.text());
    if let Some(limit) = node.given("limit").and_then(|limit| limit.whole(i32::MIN.into()..=i32::MAX.into()))
    {
        console.limit = std::cmp::max(limit, -1);
    }
    Some(console)
}

/// `syslog`.
pub(in crate::dobby) fn syslog(spec: &Node<'_>) -> bool {
    spec.given("syslog").and_then(|node| node.boolean()).unwrap_or(false)
}
