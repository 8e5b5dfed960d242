//! `/etc/resolv.conf` of a container that has a way to the host's name servers.

use std::path::Path;

use serde_json::{Value, json};

const FILE: &str = "/etc/resolv.conf";

/// Mounts the host's file in a converted spec, whose root file system has an empty one, unless the spec does so itself
/// or the host has none.
pub(super) fn mount(config: &mut Value) {
    let Some(mounts) = config.get_mut("mounts").and_then(Value::as_array_mut) else { return };
    // The name may be a link, as systemd-resolved makes it.
    let source = Path::new(FILE).canonicalize().ok();
    let Some(source) = source.as_deref().and_then(Path::to_str) else { return };
    if !mounts.iter().any(|mount| mount["destination"] == FILE) {
        let options = ["bind", "ro", "nosuid", "nodev", "noexec"];
        mounts.push(json!({"destination": FILE, "type": "bind", "source": source, "options": options}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specs_own_mount_wins() {
        let own = json!({"mounts": [{"destination": FILE, "source": "/own"}]});
        let mut config = own.clone();
        mount(&mut config);
        assert_eq!(config, own);
    }
}
