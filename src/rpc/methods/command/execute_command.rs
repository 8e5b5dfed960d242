//! `executeCommand`: launches a command in a running container and answers; its output goes to the
//! container's log.
//!
//! `command` is split into words as a shell would, without a shell; `options` are options of the runtime's `exec`
//! from an allow-list.

use crate::control::{ExecRequest, Manager};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "executeCommand",
    aliases: &["execCommand", "execCommamd"],
    access: Access::Change,
    parameters: &["containerId*", "command*", "options"],
    result: &["success, once the command is launched"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let (command, options) = (params.text("command")?, params.optional_text("options")?);
    let id = container(&manager, &params)?;
    manager.exec(&id, ExecRequest::parse(command, options.unwrap_or_default())?).await?;
    done()
}
