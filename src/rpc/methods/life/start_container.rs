//! `startContainer`: starts a container from an OCI bundle and gives its descriptor.
//!
//! Parameters: `containerId`, `bundlePath`; optional `command`, `westerosSocket`, `envvar` (array of `NAME=value`). Beyond the
//! seed: `terminal`, an object with `rows` and `columns`, and `interactive`, for clients that attach.

use std::path::PathBuf;

use serde_json::json;

use crate::control::{Manager, Source, StartRequest};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::common::window;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "startContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &[
        "containerId*",
        "bundlePath*",
        "command",
        "westerosSocket",
        "envvar (an array of NAME=VALUE)",
        "terminal (rows and columns of the window of a terminal that it gets; not in Thunder's plugin)",
        "interactive (whether its standard input stays open for attachContainer; not in Thunder's plugin)",
    ],
    result: &["descriptor", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let bundle = PathBuf::from(params.text("bundlePath")?);
    start(manager, &params, Source::Bundle(bundle)).await
}

/// Starts a container from any source, as the other parameters want it.
pub(crate) async fn start(manager: Manager, params: &Params, source: Source) -> CallResult {
    let descriptor = manager.start(request(params, source)?).await?;
    Ok(json!({"descriptor": descriptor, "success": true}))
}

/// What the parameters ask for.
pub(crate) fn request(params: &Params, source: Source) -> Result<StartRequest, Fault> {
    Ok(StartRequest {
        command: params.optional_text("command")?.map(str::to_owned),
        westeros_socket: params.optional_text("westerosSocket")?.map(PathBuf::from),
        env: params.texts("envvar")?,
        terminal: window(params)?,
        interactive: params.flag("interactive")?,
        ..StartRequest::of(params.text("containerId")?.parse()?, source)
    })
}
