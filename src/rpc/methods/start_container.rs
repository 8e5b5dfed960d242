//! `startContainer`: starts a container from an OCI bundle and gives its descriptor.
//!
//! Parameters: `containerId`, `bundlePath`; optional `command`, `westerosSocket`, `envvar` (array of `NAME=value`).

use std::path::PathBuf;

use serde_json::json;

use super::{Access, Method};
use crate::control::{Manager, Source, StartRequest};
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "startContainer",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let bundle = PathBuf::from(params.text("bundlePath")?);
    start(manager, &params, Source::Bundle(bundle)).await
}

/// Starts a container from any source, as the other parameters want it.
pub(super) async fn start(manager: Manager, params: &Params, source: Source) -> Outcome {
    let request = StartRequest {
        command: params.optional_text("command")?.map(str::to_owned),
        westeros_socket: params.optional_text("westerosSocket")?.map(PathBuf::from),
        env: params.texts("envvar")?,
        ..StartRequest::of(params.text("containerId")?.parse()?, source)
    };
    let descriptor = manager.start(request).await?;
    Ok(json!({"descriptor": descriptor, "success": true}))
}
