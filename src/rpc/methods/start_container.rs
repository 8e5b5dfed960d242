//! `startContainer`: starts a container from an OCI bundle and gives its descriptor.
//!
//! Parameters: `containerId`, `bundlePath`; optional `command`, `westerosSocket`, `envvar` (array of `NAME=value`).

use std::path::PathBuf;

use serde_json::json;

use super::{Access, Method};
use crate::control::{Manager, StartRequest};
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "startContainer",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let (id, bundle) = (params.text("containerId")?, params.text("bundlePath")?);
    let request = StartRequest {
        command: params.optional_text("command")?.map(str::to_owned),
        westeros_socket: params.optional_text("westerosSocket")?.map(PathBuf::from),
        env: params.texts("envvar")?,
        ..StartRequest::new(id.parse()?, bundle)
    };
    let descriptor = manager.start(request).await?;
    Ok(json!({"descriptor": descriptor, "success": true}))
}
