//! `getDaemonInfo`: what the daemon is, where it keeps things, and what it cannot do at the moment.
//!
//! Not in Thunder's plugin. Times are in seconds.

use serde_json::json;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "getDaemonInfo",
    aliases: &[],
    access: Access::Read,
    parameters: &[],
    result: &[
        "version",
        "containers (how many there are)",
        "runtime",
        "stateDir",
        "logDir",
        "logLimit (bytes)",
        "stopTimeout",
        "runtimeTimeout",
        "degraded (an array of reasons)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, _params: Params) -> CallResult {
    let settings = manager.settings();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "containers": manager.list().len(),
        "runtime": settings.runtime.to_string_lossy(),
        "stateDir": settings.state_dir.to_string_lossy(),
        "logDir": settings.log_dir.to_string_lossy(),
        "logLimit": settings.log_limit,
        "stopTimeout": settings.stop_timeout.as_secs(),
        "runtimeTimeout": settings.runtime_timeout.as_secs(),
        "degraded": manager.health().degraded,
        "success": true,
    }))
}
