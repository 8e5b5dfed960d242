//! `etc`: lines of files.

use crate::dobby::read::node::Node;
use crate::dobby::spec::Etc;

/// `etc`.
pub(in crate::dobby) fn etc(spec: &Node<'_>) -> Etc {
    let read = || {
        let node = spec.member("etc")?;
        node.object()?.0.only(&["services", "hosts", "passwd", "group", "ld-preload"]);
        let lines = |key| node.member(key).map(|lines| lines.texts()).unwrap_or_default();
        Some(Etc {
            services: lines("services"),
            hosts: lines("hosts"),
            passwd: lines("passwd"),
            group: lines("group"),
            ld_preload: lines("ld-preload"),
        })
    };
    read().unwrap_or_default()
}
