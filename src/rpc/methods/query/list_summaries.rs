//! `listSummaries`: all containers, each with where it stands.
//!
//! Not in Thunder's plugin. `age` is in milliseconds since the last start or restart, `restarts` counts those in a row; null when that is
//! not known, or the container is not restarted.

use serde_json::{Value, json};

use crate::control::{Manager, Summary};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "listSummaries",
    aliases: &[],
    access: Access::Read,
    parameters: &[],
    result: &[
        "containers (containerId, descriptor, state, age in milliseconds, restarts of each)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let entry = |summary: &Summary| {
        json!({
            "containerId": summary.id.as_str(),
            "descriptor": summary.descriptor,
            "state": params.api.state(summary.state),
            "age": summary.age.and_then(|age| u64::try_from(age.as_millis()).ok()),
            "restarts": summary.restarts,
        })
    };
    let containers: Vec<Value> = manager.summaries().iter().map(entry).collect();
    Ok(json!({"containers": containers, "success": true}))
}
