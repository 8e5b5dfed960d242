//! `mount`: mounts a directory of the host in a running container; the path there is made if it is missing.

use crate::control::{Manager, MountRequest};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "mount",
    aliases: &[],
    access: Access::Change,
    parameters: &[
        "containerId*",
        "source*",
        "target*",
        "flags (an array of bind, rbind, ro, noexec, nosuid, nodev, noatime, nodiratime, relatime, strictatime; nosuid and nodev always count)",
    ],
    result: &["success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    let request = MountRequest {
        source: params.text("source")?.into(),
        target: params.text("target")?.into(),
        flags: params.texts("flags")?,
    };
    manager.mount(&id, request).await?;
    done()
}
