//! `networking`: sets up a network of `type` `nat`, `none` or `open`, and the ports of
//! `portForwarding.hostToContainer`. It always counts as required.

use std::path::Path;

use serde_json::{Value, json};

use crate::control::plugins::config_edit;
use crate::control::plugins::network::{nat, resolv_conf};
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture};
use crate::dobby::runtime::Network;
use crate::error::Result;

pub(crate) struct Networking;

impl Plugin for Networking {
    fn name(&self) -> &'static str {
        "networking"
    }

    /// Without it a container could have the host's network.
    fn is_vital(&self) -> bool {
        true
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        match Network::of(config, call.data) {
            Network::Nat => {
                // Before anything is made: the start would come to it last.
                nat::program()?;
                warn_of_the_rest(call);
                nat::isolate(config)?;
                resolv_conf::mount(config)
            }
            Network::Isolated => isolate(config),
            Network::Host if lacks_resolver(config) => resolv_conf::mount(config),
            Network::Host => Ok(()),
        }
    }

    fn wants_process(&self, call: &Invocation<'_>) -> bool {
        is_nat(call)
    }

    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move { if is_nat(call) { nat::set_up(call, pid).await } else { Ok(()) } })
    }

    fn post_stop<'a>(&'a self, container: &'a ContainerRef<'a>, _last: bool) -> PluginFuture<'a> {
        Box::pin(nat::take_down(container.dir))
    }
}

fn is_nat(call: &Invocation<'_>) -> bool {
    call.data["type"] == "nat"
}

/// netavark forwards ports of the host to the container, and nothing else that Dobby knows.
fn warn_of_the_rest(call: &Invocation<'_>) {
    for what in ["/portForwarding/containerToHost", "/interContainer", "/multicastForwarding", "/ipv6"] {
        let wish = call.data.pointer(what).unwrap_or(&Value::Null);
        if wish == true || wish.as_array().is_some_and(|wishes| !wishes.is_empty()) {
            let name = what.trim_start_matches('/').replace('/', ".");
            log::warn!("container {}: {name} of the plugin networking is not supported", call.container.id);
        }
    }
}

/// Gives a container a network namespace, if it has none: of its own, or the one that the bundle names.
fn isolate(config: &mut Value) -> Result<()> {
    let namespaces = config_edit::list(config, &["linux", "namespaces"])?;
    if !namespaces.iter().any(|namespace| namespace["type"] == "network") {
        namespaces.push(json!({"type": "network"}));
    }
    Ok(())
}

/// Whether the root file system has an empty `/etc/resolv.conf`, as those of specs have. Another one is the bundle's
/// own will.
fn lacks_resolver(config: &Value) -> bool {
    let file = config["root"]["path"].as_str().map(|root| Path::new(root).join("etc/resolv.conf"));
    let metadata = file.and_then(|file| file.symlink_metadata().ok());
    metadata.is_some_and(|metadata| metadata.is_file() && metadata.len() == 0)
}
