//! One daemon goes, in whatever way, and the next one takes over.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use oci_minidump::control::{Event, ExecRequest, Manager, StartRequest, State};
use oci_minidump::error::ErrorKind;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::manager_world::{LONG, ManagerWorld, is_quiet, names, next, until};
use crate::support::programs::minimal_daemon;
use crate::support::test_runtimes::runtimes;

#[tokio::test]
async fn containers_go_on_and_are_adopted() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("adopt", runtime);
        let manager = world.open().await;
        let ids = ["c", "a", "b"].map(|name| world.id(name));
        for (number, id) in ids.iter().enumerate() {
            world.start(&manager, id, &world.sleeper(&format!("b{number}"))).await;
        }
        manager.pause(&ids[2]).await.unwrap();
        let before = manager.list();
        drop(manager);

        let manager = world.open().await;
        let mut events = manager.subscribe();
        assert_eq!(manager.list(), before, "same ids, descriptors and order");
        assert_eq!(manager.state(&ids[0]).unwrap(), State::Running);
        assert_eq!(manager.state(&ids[2]).unwrap(), State::Paused);
        let echo = ExecRequest::parse("echo adopted", "").unwrap();
        let output = manager.exec_wait(&ids[0], echo.clone(), Default::default()).await.unwrap();
        assert_eq!(output.stdout, b"adopted\n");
        manager.exec(&ids[0], echo).await.unwrap();
        until("the command has spoken", || world.log(&manager, &ids[0]).contains("adopted")).await;
        assert_eq!(manager.info(&ids[1]).await.unwrap()["pids"].as_array().unwrap().len(), 2);
        manager.resume(&ids[2]).await.unwrap();

        let more = world.id("d");
        let descriptor = world.start(&manager, &more, &world.sleeper("b3")).await;
        assert!(before.iter().all(|listed| listed.descriptor != descriptor));
        assert_eq!(next(&mut events).await, Event::Started { id: more.clone(), descriptor });
        for id in ids.iter().chain([&more]) {
            manager.stop(id, false).await.unwrap();
            manager.wait(id, Some(LONG)).await.unwrap();
            assert!(matches!(next(&mut events).await, Event::Stopped { id: stopped, .. } if stopped == *id));
        }
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_daemon_that_starts_afresh_removes_what_it_finds() {
    for runtime in runtimes() {
        let mut world = ManagerWorld::new("fresh", runtime);
        let manager = world.open().await;
        let ids = ["a", "b", "c"].map(|name| world.id(name));
        for (number, id) in ids.iter().enumerate() {
            world.start(&manager, id, &world.sleeper(&format!("b{number}"))).await;
        }
        manager.pause(&ids[1]).await.unwrap();
        drop(manager);
        world.runtime(&["kill", ids[2].as_str(), "KILL"]).await;
        world.settings.fresh = true;
        let manager = world.open().await;
        world.nothing_is_left(&manager).await;
        // The next one finds nothing to remove, and a start is as ever.
        world.start(&manager, &ids[0], &world.dir.join("b0")).await;
        manager.delete(&ids[0], true).await.unwrap();
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_second_daemon_is_refused() {
    let world = ManagerWorld::new("second", "crun");
    let first = world.open().await;
    let error = Manager::open(world.settings.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{}", error.report());
    drop(first);
    world.open().await;
}

#[tokio::test]
async fn the_state_directory_must_be_ours_alone() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let world = ManagerWorld::new("traps", "crun");
    let state = &world.settings.state_dir;
    fs::create_dir(world.dir.join("elsewhere")).unwrap();
    symlink(world.dir.join("elsewhere"), state).unwrap();
    assert_eq!(Manager::open(world.settings.clone()).await.unwrap_err().kind(), ErrorKind::Attack);
    fs::remove_file(state).unwrap();
    fs::create_dir(state).unwrap();
    fs::set_permissions(state, PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(Manager::open(world.settings.clone()).await.unwrap_err().kind(), ErrorKind::Attack);
}

#[tokio::test]
async fn what_was_left_half_made_is_cleaned_up() {
    let world = ManagerWorld::new("half", "crun");
    let state = &world.settings.state_dir;
    let leave = |name: &str, files: &[(&str, &str)]| {
        let dir = state.join(world.id(name).as_str());
        fs::create_dir_all(&dir).unwrap();
        for (file, text) in files.iter().chain(&[("mark", "")]) {
            fs::write(dir.join(file), text).unwrap();
        }
    };
    let record = |init: &str| format!(r#"{{"descriptor":5,"started":7,"init":{init}}}"#);
    leave("marked", &[]);
    fs::create_dir(state.join(world.id("empty").as_str())).unwrap();
    leave("config", &[("config.json", "{}")]);
    leave("cut", &[("config.json", "{}"), ("record.json", "{\"descr")]);
    leave("dead", &[("config.json", "{}"), ("record.json", &record(r#"{"pid":2147483647,"start_time":1}"#))]);
    leave("starting", &[("config.json", "{}"), ("record.json", &record("null")), ("container.pid", "1")]);
    fs::write(state.join("+ended.0.7.cut"), "{\"again").unwrap();
    let manager = world.open().await;
    until("all is cleaned up", || manager.list().is_empty()).await;
    world.nothing_is_left(&manager).await;
    assert!(!state.join("+ended.0.7.cut").exists());
}

/// A directory for something else was given to the daemon by mistake.
#[tokio::test]
async fn what_is_not_of_a_container_stays() {
    let world = ManagerWorld::new("foreign", "crun");
    let state = &world.settings.state_dir;
    let photo = state.join("photos/2020/a.jpg");
    fs::create_dir_all(photo.parent().unwrap()).unwrap();
    fs::write(&photo, "a picture").unwrap();
    fs::write(state.join("notes.txt"), "a note").unwrap();
    // Almost one of a container.
    fs::create_dir(state.join("app")).unwrap();
    fs::write(state.join("app/config.json"), "{}").unwrap();
    fs::write(state.join("app/record.json"), "{\"descr").unwrap();
    std::os::unix::fs::symlink(state.join("photos"), state.join("link")).unwrap();
    let manager = world.open().await;
    let bundle = world.script("b", "exit 0");
    for id in ["photos", "notes.txt", "app", "link"] {
        let request = StartRequest::new(id.parse().unwrap(), &bundle);
        let error = manager.start(request).await.unwrap_err();
        assert!(error.report().contains("is not of a container"), "{}", error.report());
    }
    assert_eq!(manager.list(), []);
    assert_eq!(fs::read_to_string(&photo).unwrap(), "a picture");
    assert_eq!(fs::read_to_string(state.join("notes.txt")).unwrap(), "a note");
    assert_eq!(fs::read_dir(state.join("app")).unwrap().count(), 2);
    assert!(state.join("link").is_symlink());
}

/// A daemon in a process of its own, to be killed: `examples/minimal_daemon.rs`. It is never waited for, as the manager of
/// another test may reap it.
struct Daemon {
    pid: Pid,
    said: PathBuf,
}

impl Daemon {
    fn start(world: &ManagerWorld, containers: &[(&str, PathBuf)]) -> Self {
        let said = world.dir.join("daemon-said");
        let output = fs::File::create(&said).unwrap();
        let mut command = Command::new(minimal_daemon());
        command.args(["state", "log", "runtime"].map(|dir| world.dir.join(dir))).arg(&world.settings.runtime);
        for (name, bundle) in containers {
            command.arg(world.id(name).as_str()).arg(bundle);
        }
        command.process_group(0).stdin(Stdio::piped()).stderr(output.try_clone().unwrap()).stdout(output);
        Self { pid: Pid::from_child(&command.spawn().unwrap()), said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    async fn kill_dash_nine(self) {
        kill_process(self.pid, Signal::KILL).unwrap();
        until("the daemon is dead", || !self.lives()).await;
    }

    /// Whether it is neither gone nor a zombie.
    fn lives(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.lives() {
            // It may have ended just now.
            let _gone = kill_process(self.pid, Signal::KILL);
        }
    }
}

#[tokio::test]
async fn kill_dash_nine_leaves_all_running_and_the_dead_are_reported() {
    let world = ManagerWorld::new("kill9", "crun");
    let names_and_bundles =
        ["lives", "dies", "waits"].map(|name| (name, world.sleeper(&format!("b-{name}"))));
    let daemon = Daemon::start(&world, &names_and_bundles);
    until("all are started", || daemon.said().lines().count() == 3).await;
    let descriptors: BTreeMap<String, i32> = daemon
        .said()
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(descriptor, id)| (id.to_owned(), descriptor.parse().unwrap()))
        .collect();
    daemon.kill_dash_nine().await;
    world.runtime(&["kill", world.id("dies").as_str(), "KILL"]).await;
    let root = world.settings.runtime_root.clone().unwrap();
    assert_eq!(names(&root).len(), 3, "nothing is deleted");

    let manager = world.open().await;
    let mut events = manager.subscribe();
    let id = world.id("dies");
    let descriptor = descriptors[id.as_str()];
    match next(&mut events).await {
        Event::Stopped { id: stopped, descriptor: number, .. } => {
            assert_eq!((stopped, number), (id, descriptor))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(names(&root).len(), 2, "the dead one is deleted");
    for listed in manager.list() {
        assert_eq!(listed.descriptor, descriptors[listed.id.as_str()]);
        assert_eq!(manager.state(&listed.id).unwrap(), State::Running);
        manager.stop(&listed.id, false).await.unwrap();
        manager.wait(&listed.id, Some(LONG)).await.unwrap();
    }
    next(&mut events).await;
    next(&mut events).await;
    assert!(is_quiet(&mut events));
    world.nothing_is_left(&manager).await;
}

/// The next daemon is not the containers' parent, as after any restart: the kernel says how they ended, since Linux 6.15.
#[tokio::test]
async fn the_end_of_containers_of_an_earlier_daemon_is_seen() {
    let world = ManagerWorld::new("orphans", "crun");
    let first = Daemon::start(&world, &[("a", world.sleeper("b"))]);
    until("it is started", || first.said().lines().count() == 1).await;
    let first_said = first.said();
    first.kill_dash_nine().await;
    let second = Daemon::start(&world, &[]);
    let id = world.id("a");
    until("it is adopted", || second.said() == first_said).await;
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    // The kernel keeps it once the host's init has reaped the process, which may be too late.
    let known = kernel_keeps_exits().then_some("signal 9");
    let ends: Vec<String> = known
        .into_iter()
        .chain(["unknown exit status"])
        .map(|how| format!("{first_said}{id}: {how}\n"))
        .collect();
    until("the end is reported", || ends.contains(&second.said())).await;
    second.kill_dash_nine().await;
    let manager = world.open().await;
    world.nothing_is_left(&manager).await;
}

/// Whether the kernel is at least Linux 6.15, and has pidfds.
fn kernel_keeps_exits() -> bool {
    let flags = rustix::process::PidfdFlags::empty();
    if rustix::process::pidfd_open(rustix::process::getpid(), flags).is_err() {
        return false;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

/// Killed at any moment of a start: the next daemon finds the container running or finds nothing.
#[tokio::test]
async fn kill_dash_nine_during_a_start_leaves_no_half_container() {
    let world = ManagerWorld::new("mid", "crun");
    for round in 0..12_u64 {
        let name = format!("r{round}");
        let bundle = world.sleeper(&name);
        let daemon = Daemon::start(&world, &[(&name, bundle)]);
        let shelf = world.settings.state_dir.join(world.id(&name).as_str());
        until("the start has begun", || shelf.exists()).await;
        tokio::time::sleep(std::time::Duration::from_micros(round * 1500)).await;
        daemon.kill_dash_nine().await;

        let manager = world.open().await;
        until("it is known what became of it", || {
            let listed = manager.list();
            listed.is_empty() || manager.state(&listed[0].id).is_ok_and(|state| state == State::Running)
        })
        .await;
        if let Some(listed) = manager.list().first() {
            manager.delete(&listed.id, true).await.unwrap();
        }
        world.nothing_is_left(&manager).await;
        drop(manager);
    }
}
