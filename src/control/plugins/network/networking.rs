//! `networking`: sets up a network of `type` `nat`, `none` or `open`. With `nat`, a container reaches the outside, and those
//! ports of the host and of other containers that `portForwarding` and `interContainer` name. It always counts as required.

use std::path::Path;

use serde_json::{Value, json};

use crate::control::plugins::config_edit;
use crate::control::plugins::network::wishes::Wishes;
use crate::control::plugins::network::{firewall, nat, resolv_conf};
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
                firewall::check_programs()?;
                let (wishes, network): (Wishes, _) = (call.data()?, nat::host_network(call)?);
                warn_of_the_rest(call, &wishes);
                nat::isolate(config)?;
                match resolv_conf::resolver().filter(|_| wishes.dnsmasq) {
                    Some(_) => resolv_conf::of_bridge(call, network.range, wishes.ipv4(), config),
                    None => resolv_conf::mount(config),
                }
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

/// Says what of its wishes a container does not get.
fn warn_of_the_rest(call: &Invocation<'_>, wishes: &Wishes) {
    let id = call.container.id;
    if call.data["multicastForwarding"].as_array().is_some_and(|groups| !groups.is_empty()) {
        log::warn!("container {id}: multicastForwarding of the plugin networking is not supported");
    }
    if wishes.dnsmasq && resolv_conf::resolver().is_none() {
        log::warn!(
            "container {id}: nothing answers for names on 127.0.0.1: it gets the host's /etc/resolv.conf"
        );
    }
    if !wishes.ipv4() && wishes.asks_for_localhost() {
        log::warn!("container {id}: localhostMasquerade has no effect without IPv4");
    }
    if !firewall::sees_ports() {
        log::warn!(
            "container {id}: the kernel module br_netfilter is not loaded: a container with CAP_NET_RAW can send from \
             the address of another"
        );
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
