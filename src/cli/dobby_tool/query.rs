//! Verbs that look.

use serde_json::json;

use crate::cli::client::Client;
use crate::cli::dobby_tool::failure::{Failure, Outcome};
use crate::cli::dobby_tool::json::styled;
use crate::cli::term;
use crate::log::escape_json;

/// All containers in a table, in the order of their ids.
pub(crate) fn list(client: &mut Client) -> Outcome {
    let result =
        client.call("listContainers", json!({})).map_err(Failure::general("failed to list containers"))?;
    let mut containers: Vec<(&str, String)> = Vec::new();
    for entry in result["containers"].as_array().into_iter().flatten() {
        containers.push((entry["Id"].as_str().unwrap_or_default(), entry["Descriptor"].to_string()));
    }
    containers.sort_unstable();
    let mut lines = Vec::new();
    for (id, descriptor) in containers {
        // One that ended since then has no state any more.
        let Ok(state) = client.about("getContainerState", id) else { continue };
        let state = state["state"].as_str().unwrap_or("ERR!").to_lowercase();
        lines.push(format!(" {descriptor:>10} | {id:32} | {state}"));
    }
    if lines.is_empty() {
        lines.push("no containers".to_owned());
    } else {
        let head = format!(" descriptor | {:32} | state", "id");
        let rule = "------------|----------------------------------|-------------".to_owned();
        lines.splice(0..0, [head, rule]);
    }
    lines.iter().try_for_each(|line| term::line(line)).map_err(Failure::general("failed to list containers"))
}

pub(crate) fn info(client: &mut Client, id: &str) -> Outcome {
    let failed = "failed to get container info";
    let result = client.about("getContainerInfo", id).map_err(Failure::of(id, failed))?;
    term::line(&escape_json(&styled(&result["info"]))).map_err(Failure::general(failed))
}

/// The configuration of a container: what a specification became.
pub(crate) fn dump_spec(client: &mut Client, id: &str) -> Outcome {
    let failed = "failed to get container spec";
    let result = client.about("getContainerConfig", id).map_err(Failure::of(id, failed))?;
    term::line(&escape_json(&styled(&result["config"]))).map_err(Failure::general(failed))
}

/// Waits until a container is in a state.
pub(crate) fn wait(client: &mut Client, id: &str, state: &str) -> Outcome {
    let wanted = match state {
        "started" | "running" => "started",
        "stopped" => "stopped",
        _ => return Err(Failure::usage(format!("Invalid container state '{state}'"))),
    };
    let failed = "failed to wait for the container";
    let params = json!({"containerId": id, "state": wanted});
    client.call("waitContainer", params).map_err(Failure::of(id, failed))?;
    term::line(&format!("Container {id} has changed state to {state}")).map_err(Failure::general(failed))
}
