//! What an app tries with a bundle of its own: to have root act at a path of its choice, and to reach what is not its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use oci_minidump::control::{BundleOwner, Manager, StartRequest};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::owned::{APP, bundle, mounts_in};
use crate::support::daemon_world::leave_the_hosts_mounts;
use crate::support::manager_world::{ManagerWorld, until};
use crate::support::test_runtimes::runtimes;

/// Changes the configuration of a bundle.
fn edit(bundle: &Path, change: impl FnOnce(&mut Value)) {
    let file = bundle.join("config.json");
    let mut config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    fs::write(&file, config.to_string()).unwrap();
}

fn world(name: &str, runtime: &str) -> ManagerWorld {
    let mut world = ManagerWorld::new(name, runtime);
    world.settings.bundle_owners.owners = vec![BundleOwner::Uid(APP)];
    world
}

/// A start must fail as an attack, for this reason.
async fn refused(world: &ManagerWorld, manager: &Manager, bundle: &Path, reason: &str) {
    let error = manager.start(StartRequest::new(world.id("a"), bundle)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Attack, "{}", error.report());
    assert!(error.report().contains(reason), "{}", error.report());
}

/// Whatever the administrator lists, root writes nowhere because the app says so.
#[tokio::test]
async fn a_listed_plugin_does_not_write_where_the_app_says() {
    let mut world = world("listed", "crun");
    let plugins = ["logging", "minidump", "storage", "oomcrash", "localtime"];
    world.settings.bundle_owners.plugins = plugins.map(str::to_owned).into();
    let manager = world.open().await;
    let bundle = bundle(&world, "b", "echo '* * * * * root touch /proof'; sleep 1000");
    let target = world.dir.join("cron.d");
    fs::create_dir(&target).unwrap();
    let file = target.join("app");
    let image = json!({"source": file, "destination": "/x", "flags": 14, "persistent": false});
    let cases = [
        ("logging", json!({"sink": "file", "fileOptions": {"path": file}}), "fileOptions"),
        ("minidump", json!({"destinationPath": target}), "cron.d"),
        (
            "minidump",
            json!({"paths": [{"image": file, "containerSource": "/c", "hostDestination": target}]}),
            "cron.d",
        ),
        ("storage", json!({"loopback": [image]}), "loopback"),
        ("storage", json!({"mountOwner": [{"source": target, "recursive": true}]}), "mountOwner"),
        ("oomcrash", json!({"path": target}), "cron.d"),
        ("localtime", json!({"setTZ": "/etc/shadow"}), "setTZ"),
    ];
    for (plugin, data, reason) in cases {
        edit(&bundle, |config| config["rdkPlugins"] = json!({plugin: {"required": true, "data": data}}));
        refused(&world, &manager, &bundle, reason).await;
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    assert_eq!(fs::metadata(&target).unwrap().uid(), 0);
    world.nothing_is_left(&manager).await;
}

/// A directory of the app's own, below a listed one, is mounted; one that the app could exchange is not.
#[tokio::test]
async fn an_app_mounts_its_own_data_and_nothing_that_it_could_exchange() {
    for runtime in runtimes() {
        let mut world = world("data", runtime);
        world.settings.bundle_owners.mounts = vec![world.dir.join("data")];
        let manager = world.open().await;
        let bundle = bundle(&world, "b", "touch /tmp/mine; echo ready; sleep 1000");
        let (data, own) = (world.dir.join("data"), world.dir.join("data/app"));
        fs::create_dir_all(&own).unwrap();
        chown(&own, Some(APP), Some(APP)).unwrap();
        let mount = |source: &Path| {
            let options = ["rbind", "nosuid", "nodev"];
            json!([{"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/tmp", "type": "bind", "source": source, "options": options}])
        };
        edit(&bundle, |config| config["mounts"] = mount(&own));
        let id = world.id("a");
        world.start(&manager, &id, &bundle).await;
        until("it has its data", || own.join("mine").exists()).await;
        assert_eq!(own.join("mine").metadata().unwrap().uid(), APP);
        manager.delete(&id, true).await.unwrap();

        fs::create_dir(own.join("deeper")).unwrap();
        symlink("/root", own.join("link")).unwrap();
        for inside in ["deeper", "link", "none"] {
            edit(&bundle, |config| config["mounts"] = mount(&own.join(inside)));
            refused(&world, &manager, &bundle, "others than root can change").await;
        }
        edit(&bundle, |config| config["mounts"] = mount(&own));
        for mode in [0o1777, 0o775] {
            fs::set_permissions(&data, PermissionsExt::from_mode(mode)).unwrap();
            refused(&world, &manager, &bundle, "others than root can change").await;
        }
        world.nothing_is_left(&manager).await;
    }
}

/// What root has mounted in the root file system of the app's bundle is there in the container, and stays on the host when
/// that ends, also where mounts are shared. A device in it does not work.
#[tokio::test]
async fn mounts_in_its_root_survive_it_and_devices_in_it_do_not_work() {
    leave_the_hosts_mounts();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>).unwrap();
    for runtime in runtimes() {
        let world = world("inner", runtime);
        let manager = world.open().await;
        let script =
            "cat /data/precious; cat /null || echo no device; touch /root-is-ro; echo ready; sleep 1000";
        let bundle = bundle(&world, "b", script);
        edit(&bundle, |config| config["root"]["readonly"] = true.into());
        let data = bundle.join("rootfs/data");
        fs::create_dir(&data).unwrap();
        mount(Some("tmpfs"), &data, Some("tmpfs"), MsFlags::MS_NOSUID, None::<&str>).unwrap();
        fs::write(data.join("precious"), "jewels\n").unwrap();
        let (mode, null) = (rustix::fs::Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 3));
        let node = bundle.join("rootfs/null");
        rustix::fs::mknodat(rustix::fs::CWD, &node, rustix::fs::FileType::CharacterDevice, mode, null)
            .unwrap();
        fs::set_permissions(&node, PermissionsExt::from_mode(0o666)).unwrap();
        let id = world.id("a");
        world.start(&manager, &id, &bundle).await;
        until("it has tried", || world.log(&manager, &id).contains("ready\n")).await;
        let log = world.log(&manager, &id);
        assert!(
            log.contains("jewels\n") && log.contains("no device\n") && log.contains("Read-only"),
            "{log}"
        );
        manager.delete(&id, true).await.unwrap();
        world.nothing_is_left(&manager).await;
        assert!(data.join("precious").exists(), "a mount of the host's is gone");
        assert_eq!(mounts_in(&world.dir), 1);
        nix::mount::umount(&data).unwrap();
    }
}
