//! `httpproxy`: the proxy of HTTP clients, and its certificate.

use std::fs::{File, Permissions, set_permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, set_env};
use crate::control::plugins::network::nat;
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::control::state::container_dir::write_new;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The certificates that clients trust, on the host and in the container.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The same with that of the proxy, in the container's own directory.
const FILE: &str = "ca-certificates.crt";
/// The most bytes of the host's certificates.
const MOST: u64 = 8 << 20;

pub(crate) struct HttpProxy;

impl Plugin for HttpProxy {
    fn configure(&self, job: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let proxy = &job.data["proxy"];
        let host = proxy["host"].as_str().filter(|host| !host.is_empty());
        let port = proxy["port"].as_f64().filter(|port| *port > 0.0).map(|port| port as u16);
        let (Some(host), Some(port)) = (host, port) else {
            return Err(Error::new(ErrorKind::Config, "data.proxy has no host or no port"));
        };
        let mut direct: Vec<_> =
            job.data["ignoreProxy"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if job.data["ignoreProxyOnBridge"] == true {
            direct.insert(0, nat::GATEWAY);
        }
        let mut env = vec![format!("http_proxy=http://{host}:{port}")];
        if !direct.is_empty() {
            env.push(format!("no_proxy={}", direct.join(",")));
        }
        if let Some(certificate) = job.data["proxyRootCACert"].as_str() {
            trust(job, certificate, config)?;
        }
        set_env(config, &env)
    }
}

/// Lets the container trust the proxy besides whom the host trusts.
fn trust(job: &Invocation<'_>, certificate: &str, config: &mut Value) -> Result<()> {
    let mut all = certificate.replace("\r\n", "\n");
    all.push('\n');
    let place = Path::new(TRUSTED).canonicalize().unwrap_or_else(|_| TRUSTED.into());
    match File::open(&place) {
        Ok(file) => {
            file.take(MOST).read_to_string(&mut all).tried(|| format!("cannot read {}", place.display()))?;
        }
        Err(error) => log::warn!("container {}: cannot open {}: {error}", job.site.id, place.display()),
    }
    let file = job.site.shelf.file(FILE);
    let what = || format!("cannot write {}", file.display());
    write_new(&file, all.as_bytes()).tried(what)?;
    // It is no secret, and the container's user is nobody special here.
    set_permissions(&file, Permissions::from_mode(0o644)).tried(what)?;
    job.site.shelf.let_pass()?;
    let destination = &place.to_string_lossy();
    Bind { source: &file, destination, options: &["ro", "nosuid", "nodev", "noexec"] }.add_to(config)
}
