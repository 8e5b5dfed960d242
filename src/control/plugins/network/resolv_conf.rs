//! `/etc/resolv.conf` of a container that has a way to the host's name servers.

use std::path::Path;

use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, list};
use crate::error::Result;

const FILE: &str = "/etc/resolv.conf";

/// Mounts the host's file, unless the configuration mounts something there itself or the host has none.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the mounts are not a list.
pub(crate) fn mount(config: &mut Value) -> Result<()> {
    // The name may be a link, as systemd-resolved makes it.
    let Ok(source) = Path::new(FILE).canonicalize() else { return Ok(()) };
    if list(config, &["mounts"])?.iter().any(|mount| mount["destination"] == FILE) {
        return Ok(());
    }
    let options = &["ro", "nosuid", "nodev", "noexec"];
    Bind { source: &source, destination: FILE, options }.add_to(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_configurations_own_mount_wins() {
        let own = json!({"mounts": [{"destination": FILE, "source": "/own"}]});
        let mut config = own.clone();
        mount(&mut config).unwrap();
        assert_eq!(config, own);
    }
}
