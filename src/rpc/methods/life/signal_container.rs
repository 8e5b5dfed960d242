//! `signalContainer`: sends a signal to the first process of a container.
//!
//! Not in Thunder's plugin. `signal` is a name, with or without `SIG`, or a number in text. SIGKILL is a forced stop; any other signal
//! promises nothing.

use crate::control::{Manager, Signal};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "signalContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "signal* (a name such as TERM or RTMIN+3, or a number, as text)"],
    result: &["success, once the signal is sent"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let signal: Signal = params.text("signal")?.parse()?;
    manager.signal(&container(&manager, &params)?, signal).await?;
    done()
}
