//! Bundles that belong to an app's user: what the administrator allows is started, read once and held apart from the host.

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oci_minidump::control::{BundleOwner, StartRequest, State};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::support::manager_world::{LONG, ManagerWorld, until};
use crate::support::test_runtimes::runtimes;

pub(crate) const APP: u32 = 30_001;
const READY: &str = "trap 'exit 0' TERM; touch /mine; cat /proc/self/uid_map /proc/self/gid_map; echo ready; \
                     while :; do sleep 0.1; done";

/// Bundles of one user are allowed.
pub(crate) fn uids(uid: u32) -> BundleOwner {
    uid.to_string().parse().unwrap()
}

/// A configuration that is held apart from the host.
fn confine(config: &mut Value) {
    config["root"]["path"] = "rootfs".into();
    config.as_object_mut().unwrap().remove("x-vendor");
    let namespaces = ["user", "pid", "mount", "ipc", "uts", "network"];
    config["linux"]["namespaces"] = namespaces.map(|kind| json!({"type": kind})).to_vec().into();
    for ids in ["uidMappings", "gidMappings"] {
        config["linux"][ids] = json!([{"containerID": 0, "hostID": APP, "size": 1}]);
    }
}

/// A bundle that belongs to the app, with its root file system in it.
pub(crate) fn bundle(world: &ManagerWorld, name: &str, script: &str) -> PathBuf {
    let bundle = world.bundle(name, &["/bin/sh", "-c", script], confine);
    let root = bundle.join("rootfs");
    for dir in ["", "bin", "dev", "proc", "tmp"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for program in ["sh", "cat", "sleep", "touch", "ls"] {
        symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    give(&bundle);
    bundle
}

/// Gives a directory with all that is in it to the app.
fn give(path: &Path) {
    lchown(path, Some(APP), Some(APP)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

pub(crate) fn mounts_in(dir: &Path) -> usize {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(dir.to_str().unwrap())).count()
}

#[tokio::test]
async fn it_runs_as_its_owner_and_over_a_restart_of_the_daemon() {
    for runtime in runtimes() {
        for owner in [uids(APP), BundleOwner::MappedRoot] {
            let mut world = ManagerWorld::new("owned", runtime);
            world.settings.bundle_owners.owners = vec![owner];
            let manager = world.open().await;
            let (id, bundle) = (world.id("a"), bundle(&world, "b", READY));
            world.start(&manager, &id, &bundle).await;
            let log = world.log(&manager, &id);
            let maps: Vec<Vec<&str>> =
                log.lines().take(2).map(|line| line.split_whitespace().collect()).collect();
            assert_eq!(maps, [["0", "30001", "1"], ["0", "30001", "1"]], "{log}");
            assert!(bundle.join("rootfs/mine").exists(), "its root file system is its own");
            drop(manager);
            // What is in its place now is not what runs.
            fs::rename(bundle.join("rootfs"), bundle.join("elsewhere")).unwrap();
            symlink("/", bundle.join("rootfs")).unwrap();
            let manager = world.open().await;
            assert_eq!(manager.state(&id).unwrap(), State::Running);
            manager.stop(&id, false).await.unwrap();
            manager.wait(&id, Some(LONG)).await.unwrap();
            world.nothing_is_left(&manager).await;
            assert_eq!(mounts_in(&world.dir), 0);
            assert!(bundle.join("elsewhere/bin/sh").exists(), "the bundle is only read");
        }
    }
}

#[tokio::test]
async fn who_is_not_listed_and_what_is_not_the_owners_is_refused() {
    let mut world = ManagerWorld::new("strangers", "crun");
    world.settings.bundle_owners.owners = vec![uids(30_002)];
    let manager = world.open().await;
    let bundle = bundle(&world, "b", "true");
    let config = bundle.join("config.json");
    let refused = async |reason: &str| {
        let error = manager.start(StartRequest::new(world.id("a"), &bundle)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Attack, "{}", error.report());
        assert!(error.report().contains(reason), "{}", error.report());
    };
    refused("belongs to user 30001; see the setting bundle_owners").await;
    chown(&bundle, Some(30_002), None).unwrap();
    refused("config.json belongs to user 30001").await;
    chown(&config, Some(30_002), None).unwrap();
    refused("gives it user 30001 of the host").await;
    chown(&config, Some(0), None).unwrap();
    refused("gives it user 30001 of the host").await;
    fs::rename(&config, bundle.join("real.json")).unwrap();
    symlink("real.json", &config).unwrap();
    let error = manager.start(StartRequest::new(world.id("a"), &bundle)).await.unwrap_err();
    assert!(error.report().contains("cannot open"), "{}", error.report());
    world.nothing_is_left(&manager).await;
}

/// The app exchanges its configuration and its root file system while the daemon reads and starts them.
#[tokio::test]
async fn what_the_owner_exchanges_meanwhile_gives_it_nothing() {
    let mut world = ManagerWorld::new("exchanged", "crun");
    world.settings.bundle_owners.owners = vec![uids(APP)];
    let bundle = bundle(&world, "b", "ls /; sleep 1000");
    let (good, proof) = (fs::read(bundle.join("config.json")).unwrap(), world.dir.join("proof"));
    let mut evil: Value = serde_json::from_slice(&good).unwrap();
    evil["hooks"] = json!({"createRuntime": [{"path": "/bin/busybox", "args": ["touch", proof]}]});
    let evil = evil.to_string();
    let done = Arc::new(AtomicBool::new(false));
    let exchange = {
        let (bundle, done) = (bundle.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let root = bundle.join("rootfs");
            while !done.load(Ordering::Relaxed) {
                for text in [evil.as_bytes(), &good] {
                    let new = bundle.join("new.json");
                    fs::write(&new, text).unwrap();
                    chown(&new, Some(APP), None).unwrap();
                    fs::rename(&new, bundle.join("config.json")).unwrap();
                }
                fs::rename(&root, bundle.join("kept")).unwrap();
                symlink("/", &root).unwrap();
                fs::remove_file(&root).unwrap();
                fs::rename(bundle.join("kept"), &root).unwrap();
            }
        })
    };
    let manager = world.open().await;
    let (mut ran, mut refused) = (0, 0);
    for attempt in 0..60 {
        let id = world.id(&format!("a{attempt}"));
        match manager.start(StartRequest::new(id.clone(), &bundle)).await {
            Ok(_) => {
                until("it shows its root", || world.log(&manager, &id).contains("tmp\n")).await;
                let log = world.log(&manager, &id);
                assert!(!log.contains("etc"), "this is the host's root directory: {log}");
                ran += 1;
                manager.delete(&id, true).await.unwrap();
            }
            Err(_) => refused += 1,
        }
        assert!(!proof.exists(), "a hook of the app was run by root");
    }
    done.store(true, Ordering::Relaxed);
    exchange.join().unwrap();
    assert!(
        ran > 0 && refused > 0,
        "{ran} ran, {refused} were refused: nothing was exchanged at the right time"
    );
    world.nothing_is_left(&manager).await;
    assert_eq!(mounts_in(&world.dir), 0);
}
