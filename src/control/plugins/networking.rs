//! `networking`: the host's network, none, or one behind address translation.

use std::path::Path;

use serde_json::{Value, json};

use super::{Job, Plugin, Site, Work, edit, nat, resolver};
use crate::dobby::runtime::Network;
use crate::error::Result;

pub(super) struct Networking;

impl Plugin for Networking {
    /// Without it a container could have the host's network.
    fn is_vital(&self) -> bool {
        true
    }

    fn configure(&self, job: &Job<'_>, config: &mut Value) -> Result<()> {
        match Network::of(config, job.data) {
            Network::Nat => {
                // Before anything is made: the start would come to it last.
                nat::program()?;
                nat::isolate(config)?;
                resolver::mount(config)
            }
            Network::Isolated => isolate(config),
            Network::Host if lacks_resolver(config) => resolver::mount(config),
            Network::Host => Ok(()),
        }
    }

    fn wants_process(&self, job: &Job<'_>) -> bool {
        job.data["type"] == "nat"
    }

    fn created<'a>(&'a self, job: &'a Job<'a>, pid: i32) -> Work<'a> {
        Box::pin(async move { if job.data["type"] == "nat" { nat::set_up(job, pid).await } else { Ok(()) } })
    }

    fn stopped<'a>(&'a self, site: &'a Site<'a>, _last: bool) -> Work<'a> {
        Box::pin(nat::take_down(site.shelf))
    }
}

/// Gives a container a network namespace, if it has none: of its own, or the one that the bundle names.
fn isolate(config: &mut Value) -> Result<()> {
    let namespaces = edit::list(config, &["linux", "namespaces"])?;
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
