//! Minidumps of an app whose bundle is its own: they reach the directories that the administrator allows to annotations.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::bundles::tmpfs;
use crate::daemon::left;
use crate::plugins::bundle;
use crate::shapes::{FLAGS, give};
use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};

const APP: u32 = 30_490;
/// Where annotations may have dumps and images, without settings.
const DUMPS: &str = "/var/lib/oci-minidump/dumps";
const IMAGES: &str = "/var/lib/oci-minidump/images";

/// A bundle of the app's that runs `script` with the plugin `minidump`.
fn start(world: &DaemonWorld, id: &str, script: &str, data: &Value) -> Result<Value, Value> {
    let dir = bundle(world, id, script, |config| {
        config["root"] = json!({"path": "rootfs"});
        config["rdkPlugins"] = json!({"minidump": {"required": true, "data": data}});
        let namespaces = ["user", "pid", "ipc", "uts", "mount", "network"];
        config["linux"]["namespaces"] = namespaces.map(|kind| json!({"type": kind})).to_vec().into();
        config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": APP, "size": 1}]);
        config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 30_000, "size": 10}]);
    });
    give(&dir, APP);
    world.call("startContainer", &json!({"containerId": id, "bundlePath": dir}))
}

fn dumps() -> Vec<String> {
    let entries = fs::read_dir(DUMPS).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn dumps_of_an_apps_own_bundle_reach_the_host_and_only_where_they_may() {
    leave_the_hosts_mounts();
    tmpfs("/var/lib");
    for runtime in ["crun", "runc"] {
        let flags = [&FLAGS[..], &["--runtime", runtime]].concat();
        let world = DaemonWorld::with(&flags);
        let path = |image: &str, destination: &str| json!({"paths": [{"image": image, "containerSource": "/opt/dumps", "hostDestination": destination}]});
        let image = format!("{IMAGES}/app.img");
        let forms = [
            ("descriptor", "printf MDMP-of-the-app >&$BREAKPAD_FD", json!({"destinationPath": DUMPS})),
            ("image", "printf MDMP-of-the-app > /opt/dumps/a.dmp", path(&image, DUMPS)),
        ];
        for (form, script, data) in forms {
            let id = world.id(form);
            start(&world, &id, script, &data)
                .unwrap_or_else(|error| panic!("{form}: {error}\n{}", world.log()));
            world.until("the dump is there", || dumps().len() == 1 && left(&world).is_empty());
            let dump = Path::new(DUMPS).join(&dumps()[0]);
            assert_eq!(fs::read(&dump).unwrap(), b"MDMP-of-the-app");
            assert_eq!((dump.metadata().unwrap().uid(), dump.metadata().unwrap().mode() & 0o777), (0, 0o600));
            fs::remove_file(dump).unwrap();
        }
        let elsewhere = world.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let outside = elsewhere.join("x.img").to_str().unwrap().to_owned();
        let refused = [
            (json!({"destinationPath": elsewhere}), "hostDestination"),
            (path(&image, elsewhere.to_str().unwrap()), "hostDestination"),
            (path(&outside, DUMPS), "image"),
            (path(&format!("{IMAGES}/../../../etc/x.img"), DUMPS), "image"),
        ];
        for (n, (data, named)) in refused.iter().enumerate() {
            let error = start(&world, &world.id(&format!("refused{n}")), "true", data).unwrap_err();
            let text = error["data"].as_str().unwrap();
            assert!(text.contains("its minidumps") && text.contains(named), "{text}");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert!(left(&world).is_empty() && dumps().is_empty());
    }
}
