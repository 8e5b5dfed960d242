//! `executeCommand`: launches a command in a running container and answers; its output goes to the
//! container's log.
//!
//! `command` is split into words as a shell would, without a shell; `options` are options of the runtime's `exec`
//! from an allow-list.

use super::{Access, Method, container, done};
use crate::control::{ExecRequest, Manager};
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "executeCommand",
    aliases: &["execCommand", "execCommamd"],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let (command, options) = (params.text("command")?, params.optional_text("options")?);
    let id = container(&manager, &params)?;
    manager.exec(&id, ExecRequest::parse(command, options.unwrap_or_default())?).await?;
    done()
}
