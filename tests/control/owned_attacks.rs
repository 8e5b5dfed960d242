//! What an app tries with a bundle of its own: to have root act at a path of its choice, and to reach what is not its own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use oci_minidump::control::{Manager, StartRequest};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::owned::{APP, bundle, mounts_in, uids};
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
    world.settings.bundle_owners.owners = vec![uids(APP)];
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
        ("logging", json!({"sink": "file", "fileOptions": {"path": file}}), "in no directory for logs"),
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

/// The group of a set-group-id directory in which everybody may make bundles need not be one of the app's.
#[tokio::test]
async fn a_group_that_the_app_only_inherited_is_not_its_own() {
    let mut world = world("group", "crun");
    let manager = world.open().await;
    let shared = world.dir.join("crash");
    fs::create_dir(&shared).unwrap();
    chown(&shared, None, Some(APP)).unwrap();
    let bundle = bundle(&world, "crash/b", "echo ready; sleep 1000");
    fs::create_dir_all(bundle.join("rootfs/proc")).unwrap();
    fs::set_permissions(&shared, PermissionsExt::from_mode(0o3777)).unwrap();
    refused(&world, &manager, &bundle, "gives it group 30001 of the host").await;
    for (path, mode) in [(bundle.clone(), 0o775), (bundle.join("config.json"), 0o664)] {
        let before = path.metadata().unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        refused(&world, &manager, &bundle, "is writable by others").await;
        fs::set_permissions(&path, before).unwrap();
    }
    drop(manager);
    world.settings.bundle_owners.owners = vec!["30000-30999".parse().unwrap()];
    world.settings.bundle_owners.groups = vec!["30000-30001".parse().unwrap()];
    let manager = world.open().await;
    let id = world.id("a");
    world.start(&manager, &id, &bundle).await;
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

/// The administrator's limit of processes is the highest.
#[tokio::test]
async fn an_app_cannot_raise_its_limit_of_processes() {
    let mut world = world("pids", "crun");
    world.settings.dobby_settings = world.dir.join("dobby.json");
    fs::write(&world.settings.dobby_settings, r#"{"pids": {"limit": 20}}"#).unwrap();
    // As /var/run is one.
    symlink(".", world.dir.join("link")).unwrap();
    world.settings.state_dir = world.dir.join("link/state");
    let manager = world.open().await;
    let bundle = bundle(&world, "b", "echo ready; sleep 1000");
    for (asked, given) in [(json!(4_000_000), 20), (json!(7), 7), (Value::Null, 20)] {
        edit(&bundle, |config| config["linux"]["resources"]["pids"]["limit"] = asked.clone());
        let id = world.id("a");
        world.start(&manager, &id, &bundle).await;
        let config = fs::read(world.settings.state_dir.join(id.as_str()).join("config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["linux"]["resources"]["pids"]["limit"], given, "{asked}");
        manager.delete(&id, true).await.unwrap();
    }
    world.nothing_is_left(&manager).await;
}

/// What runs after a crash is what was started, whatever the app has put in the place of its bundle.
#[tokio::test]
async fn a_restart_runs_what_was_looked_at() {
    for runtime in runtimes() {
        let world = world("again", runtime);
        let manager = world.open().await;
        let bundle =
            bundle(&world, "b", "echo ready; cat /count; echo x >> /count; ls /; sleep 1; [ -e /enough ]");
        edit(&bundle, |config| config["annotations"] = json!({"org.rdk.restartOnCrash": "true"}));
        let id = world.id("a");
        world.start(&manager, &id, &bundle).await;
        let root = bundle.join("kept");
        fs::rename(bundle.join("rootfs"), &root).unwrap();
        symlink("/", bundle.join("rootfs")).unwrap();
        fs::write(bundle.join("config.json"), "{}").unwrap();
        until("it was restarted", || {
            fs::read_to_string(root.join("count")).unwrap_or_default().lines().count() > 2
        })
        .await;
        let log = world.log(&manager, &id);
        assert!(!log.contains("etc"), "this is the host's root directory: {log}");
        fs::write(root.join("enough"), "").unwrap();
        until("it has ended", || manager.list().is_empty()).await;
        world.nothing_is_left(&manager).await;
        assert_eq!(mounts_in(&world.dir), 0);
    }
}

/// Its output goes to a file where the administrator wants it, and to no file that is there for another reason.
#[tokio::test]
async fn its_log_lies_where_the_administrator_wants_it() {
    for runtime in runtimes() {
        let mut world = world("logs", runtime);
        let logs = world.dir.join("logs");
        world.settings.bundle_owners.logs = vec![logs.clone()];
        let manager = world.open().await;
        let bundle = bundle(&world, "b", "echo hello; sleep 1000");
        fs::create_dir(&logs).unwrap();
        let to = |path: &Path| json!({"logging": {"required": true, "data": {"sink": "file", "fileOptions": {"path": path}}}});
        edit(&bundle, |config| config["rdkPlugins"] = to(&logs.join("app.log")));
        let id = world.id("a");
        world.start(&manager, &id, &bundle).await;
        until("it is written", || fs::read(logs.join("app.log")).is_ok_and(|log| log == b"hello\n")).await;
        manager.delete(&id, true).await.unwrap();

        let secret = world.dir.join("secret");
        fs::write(&secret, "").unwrap();
        symlink(&secret, logs.join("link.log")).unwrap();
        symlink(&world.dir, logs.join("dir")).unwrap();
        edit(&bundle, |config| config["rdkPlugins"] = to(&logs.join("dir/secret")));
        refused(&world, &manager, &bundle, "others than root can write").await;
        edit(&bundle, |config| config["rdkPlugins"] = to(&logs.join("link.log")));
        refused(&world, &manager, &bundle, "is there and not its own").await;
        fs::write(logs.join("other.log"), "").unwrap();
        chown(logs.join("other.log"), Some(30_002), None).unwrap();
        fs::hard_link(&secret, logs.join("hard.log")).unwrap();
        for name in ["other.log", "hard.log"] {
            edit(&bundle, |config| config["rdkPlugins"] = to(&logs.join(name)));
            refused(&world, &manager, &bundle, "is there and not its own").await;
        }
        assert_eq!(fs::read(&secret).unwrap(), b"");
        world.nothing_is_left(&manager).await;
    }
}
