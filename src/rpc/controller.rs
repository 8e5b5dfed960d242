//! Thunder's Controller, as far as clients of the plugin use it.

use serde_json::{Value, json};

use super::errors::{Fault, quoted};
use super::params::Params;
use super::service::Service;

/// The plugin changed its state; told to subscribers of the Controller's `statechange`.
#[derive(Debug, Clone)]
pub struct StateChange {
    callsign: String,
}

impl StateChange {
    /// The parameters of the notification.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"callsign": self.callsign, "state": "Activated", "reason": "Requested"})
    }
}

/// The interface version of the plugin that this daemon stands in for.
fn plugin_version() -> Value {
    json!({"hash": concat!("oci-minidump-", env!("CARGO_PKG_VERSION")), "major": 1, "minor": 0, "patch": 4})
}

/// Answers a call to the Controller.
///
/// # Errors
/// -32601 for what nobody needs, 22 for a callsign that is not here.
pub(super) fn call(
    service: &Service,
    method: &str,
    index: Option<&str>,
    params: &Params,
) -> Result<Value, Fault> {
    match method {
        "status" => status(service, index),
        "activate" => activate(service, params),
        "deactivate" => deactivate(service, params),
        // The release of Thunder whose behaviour this is.
        "version" => Ok(json!({"hash": "", "major": 4, "minor": 4, "patch": 1})),
        _ => Err(Fault::unknown_method()),
    }
}

/// `status@callsign`: a list of one, as Thunder 4 gives.
fn status(service: &Service, index: Option<&str>) -> Result<Value, Fault> {
    let plugin = service.plugin();
    if let Some(callsign) = index.filter(|index| !index.is_empty() && !plugin.is_me(index)) {
        return Err(Fault::unknown_key(format!("there is no plugin {} here", quoted(callsign))));
    }
    Ok(json!([{
        "callsign": plugin.callsign,
        "locator": plugin.locator,
        "classname": plugin.classname,
        "autostart": plugin.autostart,
        "startmode": if plugin.autostart { "Activated" } else { "Deactivated" },
        "state": if service.is_active() { "activated" } else { "deactivated" },
        "observers": 0,
        "module": "Plugin_OCIContainer",
        "version": plugin_version(),
    }]))
}

/// `activate {callsign}`: always succeeds for us; tells subscribers before it answers.
fn activate(service: &Service, params: &Params) -> Result<Value, Fault> {
    check_callsign(service, params)?;
    if service.activate() {
        service.tell(StateChange { callsign: service.plugin().callsign.clone() });
    }
    Ok(Value::Null)
}

/// `deactivate {callsign}`: answered and not done. One client must not take the control of its containers away from
/// all others, and containers go on running in any case.
fn deactivate(service: &Service, params: &Params) -> Result<Value, Fault> {
    check_callsign(service, params)?;
    log::info!("a client asked to deactivate the plugin; it stays active");
    Ok(Value::Null)
}

fn check_callsign(service: &Service, params: &Params) -> Result<(), Fault> {
    match params.get("callsign").and_then(Value::as_str) {
        Some(callsign) if service.plugin().is_me(callsign) => Ok(()),
        Some(callsign) => Err(Fault::unknown_key(format!("there is no plugin {} here", quoted(callsign)))),
        None => Err(Fault::unknown_key("parameter callsign is missing")),
    }
}
