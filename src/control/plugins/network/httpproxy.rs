//! `httpproxy`: sets `http_proxy` and `no_proxy`, and adds the proxy's certificate to those that the container
//! trusts.

use std::fs::{File, Permissions, set_permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::control::plugins::config_edit::{Bind, set_env};
use crate::control::plugins::data::{Whole, or_default};
use crate::control::plugins::network::nat;
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::control::state::container_dir::write_new;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The certificates that clients trust, on the host and in the container.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The same with that of the proxy, in the container's own directory.
const FILE: &str = "ca-certificates.crt";
/// The most bytes of the host's certificates.
const MAX_CERTIFICATES: u64 = 8 << 20;

pub(crate) struct HttpProxy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    proxy: Option<Proxy>,
    /// Hosts that are reached directly.
    #[serde(default, deserialize_with = "or_default")]
    ignore_proxy: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    ignore_proxy_on_bridge: bool,
    /// A certificate in PEM form.
    #[serde(rename = "proxyRootCACert")]
    proxy_root_ca_cert: Option<String>,
}

#[derive(Deserialize)]
struct Proxy {
    host: String,
    port: Whole,
}

impl Plugin for HttpProxy {
    fn name(&self) -> &'static str {
        "httpproxy"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let data: Data = call.data()?;
        let proxy = data.proxy.filter(|proxy| !proxy.host.is_empty() && proxy.port.0 > 0);
        let Some(Proxy { host, port: Whole(port) }) = proxy else {
            return Err(Error::new(ErrorKind::Config, "data.proxy has no host or no port"));
        };
        let mut direct = data.ignore_proxy;
        if data.ignore_proxy_on_bridge {
            direct.insert(0, nat::host_network(call)?.range.gateway().to_string());
        }
        let mut env = vec![format!("http_proxy=http://{host}:{port}")];
        if !direct.is_empty() {
            env.push(format!("no_proxy={}", direct.join(",")));
        }
        if let Some(certificate) = &data.proxy_root_ca_cert {
            trust(call, certificate, config)?;
        }
        set_env(config, &env)
    }
}

/// Lets the container trust the proxy besides those that the host trusts.
fn trust(call: &Invocation<'_>, certificate: &str, config: &mut Value) -> Result<()> {
    let mut all = certificate.replace("\r\n", "\n");
    all.push('\n');
    let place = Path::new(TRUSTED).canonicalize().unwrap_or_else(|_| TRUSTED.into());
    match File::open(&place) {
        Ok(file) => {
            file.take(MAX_CERTIFICATES)
                .read_to_string(&mut all)
                .tried(|| format!("cannot read {}", place.display()))?;
        }
        Err(error) => log::warn!("container {}: cannot open {}: {error}", call.container.id, place.display()),
    }
    let file = call.container.dir.file(FILE);
    let what = || format!("cannot write {}", file.display());
    write_new(&file, all.as_bytes()).tried(what)?;
    // It is not secret, and the container's user has no privileges here.
    set_permissions(&file, Permissions::from_mode(0o644)).tried(what)?;
    call.container.dir.allow_traversal()?;
    let destination = &place.to_string_lossy();
    Bind { source: &file, destination, options: &["ro", "nosuid", "nodev", "noexec"] }.add_to(config)
}
