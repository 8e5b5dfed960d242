//! Plugins of the oldest kind, as RDK's RuntimeManager lists them.

use std::fs;

use serde_json::json;

use crate::bundles::leave_the_hosts_dumps;
use crate::daemon::{end, start, world};
use crate::plugins::says;
use crate::specs::with;

/// What RDK's logging library does with the variable, and a look at the number.
const LOGS: &str = "echo $ETHAN_LOGGING_PIPE; echo record >&$ETHAN_LOGGING_PIPE; sleep 60";

#[test]
fn one_that_is_not_known_is_warned_of() {
    let world = world();
    let id = world.id("unknown");
    start(&world, &id, &with(&json!({"plugins": [{"name": "Perfetto", "data": {"any": [1]}}]})));
    assert!(
        world.log().contains("the plugin \"Perfetto\" is not supported: the container starts without it")
    );
    end(&world, &id);
}

#[test]
fn records_of_the_logging_library_are_in_the_log() {
    let world = world();
    let id = world.id("ethanlog");
    let plugins = json!([{"name": "EthanLog", "data": {"loglevels": "all"}}]);
    start(&world, &id, &with(&json!({"args": ["sh", "-c", LOGS], "plugins": plugins})));
    says(&world, &id, "3\nrecord\n");
    end(&world, &id);
}

/// The logging library and the crash handler each have a descriptor.
#[test]
fn two_plugins_hand_over_a_descriptor_each() {
    leave_the_hosts_dumps();
    let world = world();
    let dumps = world.path("dumps");
    fs::create_dir_all(&dumps).unwrap();
    let id = world.id("both");
    let script = format!("echo $BREAKPAD_FD; printf MDMP >&$BREAKPAD_FD; {LOGS}",);
    let spec = with(&json!({
        "args": ["sh", "-c", script],
        "plugins": [{"name": "EthanLog"}],
        "rdkPlugins": {"minidump": {"data": {"destinationPath": dumps}}},
    }));
    start(&world, &id, &spec);
    says(&world, &id, "3\n4\nrecord\n");
    end(&world, &id);
    assert_eq!(fs::read_dir(&dumps).unwrap().count(), 1, "{}", world.log());
}
