//! Verbs that change a container that runs, or run something in it.

use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::dobby_tool::failure::{Failure, Outcome};
use crate::cli::term;

/// Calls a method about a container, and prints `done`.
fn change(client: &mut Client, method: &str, params: Value, done: String, failed: String) -> Outcome {
    let id = params["containerId"].as_str().unwrap_or_default().to_owned();
    match client.call(method, params) {
        Ok(_) => term::line(&done).map_err(Failure::general(failed)),
        // It may be a mount or an annotation that does not exist.
        Err(error) if client.about("getContainerState", &id).is_ok() => Err(Failure::general(failed)(error)),
        Err(error) => Err(Failure::of(&id, failed)(error)),
    }
}

/// Runs a command; options of the runtime's exec stand in front of the id.
pub(crate) fn exec(client: &mut Client, args: &[String]) -> Outcome {
    let first = args.iter().position(|arg| !arg.starts_with('-')).unwrap_or(args.len());
    let (options, rest) = args.split_at(first);
    let (id, command) = match rest.split_first() {
        Some((id, command)) if !command.is_empty() => (id, command),
        Some(_) => return Err(Failure::usage("No command given for exec.")),
        None => return Err(Failure::usage("must provide at least two args; <id> <command>")),
    };
    let failed = format!("failed to execute command in container '{id}'");
    let listed = client.call("listContainers", json!({})).map_err(Failure::general(&*failed))?;
    let mut containers = listed["containers"].as_array().into_iter().flatten();
    let number = id.parse::<i64>();
    let is_it = |entry: &&Value| {
        entry["Id"] == id.as_str() || number.as_ref().is_ok_and(|number| entry["Descriptor"] == *number)
    };
    let descriptor = containers.find(is_it).map(|entry| entry["Descriptor"].to_string()).unwrap_or_default();
    let params = json!({
        "containerId": id,
        "options": shell_words::join(options),
        "command": shell_words::join(command),
    });
    let done = format!("executed command in '{id}' container, descriptor is {descriptor}");
    change(client, "executeCommand", params, done, failed)
}

pub(crate) fn hibernate(client: &mut Client, args: &[String]) -> Outcome {
    let mut options = Vec::new();
    let mut ids = Vec::new();
    for arg in args {
        match arg.strip_prefix("--") {
            Some(option) if option.starts_with("dest=") || option.starts_with("compress=") => {
                options.push(option);
            }
            Some(_) => return Err(Failure::usage(format!("unknown argument '{arg}'"))),
            None => ids.push(arg),
        }
    }
    let [id] = ids[..] else { return Err(Failure::usage("must provide at least one arg; <id>")) };
    let params = json!({"containerId": id, "options": options.join(",")});
    let done = format!("hibernate successful for container '{id}'");
    change(client, "hibernateContainer", params, done, "failed to hibernate the container".to_owned())
}

pub(crate) fn wakeup(client: &mut Client, id: &str) -> Outcome {
    let done = format!("wakeup container '{id}' successful");
    let failed = format!("failed to wakeup container '{id}'");
    change(client, "wakeupContainer", json!({"containerId": id}), done, failed)
}

/// There are bind mounts only, for which mount data means nothing.
pub(crate) fn mount(client: &mut Client, args: &[String]) -> Outcome {
    let ([id, source, target, flags] | [id, source, target, flags, _]) = args else {
        return Err(Failure::usage("must provide at least four args; <id> <source> <destination> <flags>"));
    };
    let flags: Vec<&str> = flags.split(',').filter(|flag| !flag.is_empty()).collect();
    let params = json!({"containerId": id, "source": source, "target": target, "flags": flags});
    let done = format!("mount successful for container '{id}'");
    change(client, "mount", params, done, format!("failed to mount {source} inside the container {id}"))
}

pub(crate) fn unmount(client: &mut Client, id: &str, target: &str) -> Outcome {
    let done = format!("unmount successful for container '{id}'");
    let failed = format!("failed to unmount {target} inside the container {id}");
    change(client, "unmount", json!({"containerId": id, "target": target}), done, failed)
}

pub(crate) fn annotate(client: &mut Client, id: &str, key: &str, value: &str) -> Outcome {
    let done = format!("annotate successful for container '{id}'");
    let failed = format!("failed to add {key} {value} pair inside the container {id}");
    change(client, "annotate", json!({"containerId": id, "key": key, "value": value}), done, failed)
}

pub(crate) fn remove_annotation(client: &mut Client, id: &str, key: &str) -> Outcome {
    let done = format!("removed {key} key from container '{id}' annotations");
    let failed = format!("failed to remove {key} key from the container {id}");
    change(client, "removeAnnotation", json!({"containerId": id, "key": key}), done, failed)
}
