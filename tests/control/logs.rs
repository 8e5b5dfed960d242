//! The output of containers: bounded, never in the container's way, and there after its end.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use oci_minidump::control::{Came, ContainerId, ExitStatus, LogBegin, Manager};

use crate::support::manager_world::{LONG, ManagerWorld, until};

/// Both files of a log together.
fn size(world: &ManagerWorld, id: &ContainerId) -> u64 {
    let length = |end: &str| fs::metadata(world.settings.log_dir.join(format!("{id}.{end}")));
    length("log").map_or(0, |file| file.len()) + length("log.1").map_or(0, |file| file.len())
}

/// Writes `count` numbered lines of 100 bytes.
fn chatter(count: u32, rest: &str) -> String {
    let line = "x".repeat(90);
    format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo $i {line}; done; {rest}")
}

#[tokio::test]
async fn the_newest_output_is_kept_and_no_more_than_the_limit() {
    let mut world = ManagerWorld::new("limit", "crun");
    world.settings.log_limit = 20_000;
    keeps_the_newest(&world).await;
}

#[tokio::test]
async fn the_newest_output_is_kept_in_memory() {
    let mut world = ManagerWorld::new("memory", "crun");
    world.settings.log_limit = 20_000;
    world.settings.log_dir = world.dir.join("tiny");
    let tiny = Tiny::mount(&world.settings.log_dir, "size=1m");
    keeps_the_newest(&world).await;
    drop(tiny);
}

async fn keeps_the_newest(world: &ManagerWorld) {
    let manager = world.open().await;
    let id = world.id("a");
    let script = chatter(2000, "trap 'exit 0' TERM; while :; do echo ready; sleep 0.1; done");
    let bundle = world.script("b", &script);
    world.start(&manager, &id, &bundle).await;
    until("it is ready", || world.log(&manager, &id).ends_with("ready\n")).await;
    until("the log is cut", || size(world, &id) <= 20_000).await;
    let log = world.log(&manager, &id);
    assert!(log.len() >= 6_000 && log.ends_with("ready\n"), "{} bytes: {log}", log.len());
    // The first line may have lost its beginning.
    let lines = log.lines().skip(1);
    let numbers: Vec<u32> = lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert!(numbers.is_sorted() && numbers.last() > Some(&1900), "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "nothing is lost: {numbers:?}");
    assert_eq!(manager.logs(id.as_str(), None, 6).unwrap().bytes, b"ready\n");
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
    assert!(world.log(&manager, &id).ends_with("ready\n"));

    world.start(&manager, &id, &world.script("c", "echo anew")).await;
    manager.wait(&id, Some(LONG)).await.unwrap();
    assert_eq!(world.log(&manager, &id), "anew\n", "a start begins a new log");
}

/// Reads from one place to the next while the log is cut, and when another start begins it anew.
async fn follow(world: &ManagerWorld) {
    let manager = world.open().await;
    let id = world.id("a");
    let line = "x".repeat(90);
    // A hundred lines at a time, so that a reader keeps up.
    let lines = format!("j=0; while [ $j -lt 100 ]; do j=$((j+1)); echo $((i*100+j)) {line}; done");
    let rest = "echo the end; trap 'exit 0' TERM; sleep 1000 & wait";
    let script = format!("i=0; while [ $i -lt 20 ]; do {lines}; i=$((i+1)); sleep 0.05; done; {rest}");
    let bundle = world.script("b", &script);
    let mut place = 0;
    for _ in 0..2 {
        world.start(&manager, &id, &bundle).await;
        let mut all = Vec::new();
        until("all is read", || {
            let part = manager.logs(id.as_str(), Some(place), 3000).unwrap();
            assert!(part.bytes.len() <= 3000 && part.next >= place);
            place = part.next;
            all.extend(part.bytes);
            all.ends_with(b"the end\n")
        })
        .await;
        manager.delete(&id, true).await.unwrap();
        let text = String::from_utf8(all).unwrap();
        let numbers: Vec<u32> =
            text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "nothing comes twice: {numbers:?}");
        assert!(numbers.len() == 2000, "nothing is lost: {numbers:?}");
    }
    assert!(place > 100_000, "the second log follows the first");
}

#[tokio::test]
async fn a_log_can_be_read_from_place_to_place() {
    let mut world = ManagerWorld::new("follow", "crun");
    world.settings.log_limit = 150_000;
    follow(&world).await;
    let mut world = ManagerWorld::new("follow-memory", "crun");
    world.settings.log_limit = 150_000;
    world.settings.log_dir = world.dir.join("tiny");
    let tiny = Tiny::mount(&world.settings.log_dir, "size=1m");
    follow(&world).await;
    drop(tiny);
}

#[tokio::test]
async fn without_a_monitor_a_container_waits_for_the_next_daemon() {
    let mut world = ManagerWorld::new("away", "crun");
    world.settings.log_limit = 20_000;
    let manager = world.open().await;
    let id = world.id("a");
    let go = world.dir.join("rootfs/opt/go");
    let wait = "trap 'exit 0' TERM; echo ready; while ! test -e /opt/go; do sleep 0.01; done; ";
    let rest = "echo done; while :; do sleep 1000 & wait; done";
    let bundle = world.script("b", &format!("{wait}{}", chatter(2000, rest)));
    world.start(&manager, &id, &bundle).await;
    drop(manager);
    fs::write(go, "").unwrap();
    let manager = world.open().await;
    let mut most = 0;
    until("it has written all", || {
        most = most.max(size(&world, &id));
        world.log(&manager, &id).ends_with("done\n")
    })
    .await;
    assert!(most <= 20_000, "{most} bytes");
    manager.delete(&id, true).await.unwrap();
}

/// A small file system, unmounted at the end of the test.
struct Tiny<'a>(&'a Path);

impl<'a> Tiny<'a> {
    fn mount(dir: &'a Path, size: &str) -> Self {
        fs::create_dir_all(dir).unwrap();
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(size)).unwrap();
        Self(dir)
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        umount2(self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

async fn runs_to_its_end(world: &ManagerWorld, manager: &Manager, name: &str) {
    let (id, bundle) = (world.id(name), world.script(name, &chatter(3000, "exit 5")));
    world.start(manager, &id, &bundle).await;
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Code(5));
    world.nothing_is_left(manager).await;
}

#[tokio::test]
async fn a_full_disk_or_no_disk_stops_no_container() {
    let mut world = ManagerWorld::new("full", "crun");
    world.settings.log_dir = world.dir.join("tiny");
    world.settings.log_limit = 1 << 20;
    let dir = world.settings.log_dir.clone();
    let tiny = Tiny::mount(&dir, "size=64k");
    let manager = world.open().await;
    runs_to_its_end(&world, &manager, "a").await;
    assert!(world.log(&manager, &world.id("a")).starts_with("1 xxx"), "what fitted is there");

    // So full that not even a name fits.
    let mut number = 0;
    while fs::write(dir.join(format!("filler-{number}")), [0; 4096]).is_ok() {
        number += 1;
    }
    let health = manager.health().degraded;
    assert!(health.len() == 1 && health[0].ends_with("tiny is full"), "{health:?}");
    mount(None::<&str>, &dir, None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>).unwrap();
    runs_to_its_end(&world, &manager, "b").await;
    let health = manager.health().degraded;
    assert!(health.len() == 2 && health[0].contains("without a log"), "{health:?}");
    assert!(health[1].ends_with("tiny is read-only"), "{health:?}");
    let failing = world.bundle("c", &["nosuch"], |_| {});
    let request = oci_minidump::control::StartRequest::new(world.id("c"), failing);
    manager.start(request).await.expect_err("the program is missing");

    mount(None::<&str>, &dir, None::<&str>, MsFlags::MS_REMOUNT, None::<&str>).unwrap();
    for filler in 0..number {
        fs::remove_file(dir.join(format!("filler-{filler}"))).unwrap();
    }
    fs::remove_file(dir.join(format!("{}.log", world.id("a")))).unwrap();
    runs_to_its_end(&world, &manager, "d").await;
    fs::remove_file(dir.join(format!("{}.log", world.id("d")))).unwrap();
    assert_eq!(manager.health().degraded, [""; 0], "all is well again");
    drop(manager);
    drop(tiny);
}

#[tokio::test]
async fn a_full_disk_of_ours_frees_itself() {
    let mut world = ManagerWorld::new("tight", "crun");
    world.settings.log_dir = world.dir.join("tiny");
    world.settings.log_limit = 90_000;
    let dir = world.settings.log_dir.clone();
    let tiny = Tiny::mount(&dir, "size=64k");
    let manager = world.open().await;
    let id = world.id("a");
    let bundle = world.script("b", &chatter(700, "sleep 1; echo again; sleep 1000"));
    world.start(&manager, &id, &bundle).await;
    // The older half does not fit beside the newer one, but the container can write again.
    until("there is room again", || world.log(&manager, &id).ends_with("again\n")).await;
    manager.delete(&id, true).await.unwrap();
    drop(manager);
    drop(tiny);
}

#[tokio::test]
async fn without_room_for_times_there_is_output_without_them() {
    let mut world = ManagerWorld::new("untimed", "crun");
    world.settings.state_dir = world.dir.join("tiny");
    let dir = world.settings.state_dir.clone();
    let tiny = Tiny::mount(&dir, "size=256k");
    let manager = world.open().await;
    let id = world.id("a");
    let wait = |name: &str| format!("while ! test -e /opt/{name}; do sleep 0.01; done");
    let rest = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let script = format!("{}; echo one; {}; echo two; {rest}", wait("go1"), wait("go2"));
    world.start(&manager, &id, &world.script("b", &script)).await;
    let filler = dir.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    let times = || manager.logs_with_times(id.as_str(), LogBegin::Last, 100).unwrap().1;
    for (go, log) in [("go1", "one\n"), ("go2", "one\ntwo\n")] {
        fs::write(world.dir.join("rootfs/opt").join(go), "").unwrap();
        until(log, || world.log(&manager, &id) == log).await;
        if go == "go1" {
            assert_eq!(times(), [Came { place: 0, time: None }]);
            file.set_len(0).unwrap();
        }
    }
    let times = times();
    assert!(times.len() == 2 && times[0].time.is_none(), "{times:?}");
    assert!(times[1].place == 4 && times[1].time.is_some(), "{times:?}");
    manager.delete(&id, true).await.unwrap();
    drop((manager, file, tiny));
}

#[tokio::test]
async fn a_trap_in_the_logs_place_is_not_followed() {
    let world = ManagerWorld::new("trap", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.script("b", "echo hello"));
    let log = world.settings.log_dir.join(format!("{id}.log"));
    let victim = world.dir.join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &log).unwrap();
    world.start(&manager, &id, &bundle).await;
    manager.wait(&id, Some(LONG)).await.unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(manager.logs(id.as_str(), None, 100).is_err());
    fs::remove_file(&log).unwrap();
    nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let started = tokio::time::timeout(LONG, world.start(&manager, &id, &bundle)).await;
    started.expect("a FIFO must not hold up a start");
    manager.wait(&id, Some(Duration::from_secs(20))).await.unwrap();
}
