//! What real runtimes give a container: its record says enough to find it again.

use std::os::unix::fs::MetadataExt;

use oci_minidump::harvest::marks;
use oci_minidump::hook::record::Record;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

use crate::container::{call, head_of};
use crate::support::hook_world::HookWorld;
use crate::support::test_runtimes::runtimes;

#[test]
fn a_process_is_found_in_the_container_of_every_runtime() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["sleep", "1000"]);
        bundle.edit(|config| config["rdkPlugins"]["minidump"]["data"]["core"] = json!(true));
        world.create(&bundle, "app").expect(0);
        world.control(&["start"], "app", &[]).expect(0);
        let state: Value =
            serde_json::from_slice(&world.control(&["state"], "app", &[]).output.stdout).unwrap();
        let pid = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
        let record = Record::all(&world.path("records")).unwrap().remove(0).unwrap();
        assert!(record.core && !record.cgroups.is_empty(), "{runtime}: {record:?}");
        let namespace = std::fs::metadata(format!("/proc/{pid}/ns/mnt")).unwrap().ino();
        assert_eq!(record.mount_namespace, Some(namespace), "{runtime}");
        let held = pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
        let head = head_of(pid, 1).bytes();
        let output = call(&world.path("settings.toml"), &[pid, pid], Some(held), (&head, &["/bin/false"]));
        assert!(output.status.success(), "{runtime}: {}", String::from_utf8_lossy(&output.stderr));
        let dump = world.dump();
        assert_eq!(marks::container(&dump).unwrap(), world.id("app").as_bytes());
        for entry in std::fs::read_dir(world.path("records")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("crashes-") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        world.control(&["delete", "--force"], "app", &[]).expect(0);
        assert_eq!(world.dumps(), [dump], "{runtime}");
    }
}
