//! Images that were not cleanly unmounted, that the user-space reader cannot read, that are still mounted, or broken.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{dump_bytes, image, whole_dump};
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::{command, hook_program, wait_until};
use crate::support::test_runtimes::runtimes;

/// Copies an image while it is mounted and synced: what a power cut leaves.
fn cut_power(world: &HookWorld, size: u64) -> std::path::PathBuf {
    let cut = world.path("images/cut.img");
    let source = world.image("made");
    let made = image(world, size, |dir| {
        fs::write(dir.join("a.dmp"), dump_bytes(50_000)).unwrap();
        let file = File::open(dir.join("a.dmp")).unwrap();
        file.sync_all().unwrap();
        command("sync", &["-f".as_ref(), dir.as_ref()]);
        fs::copy(&source, &cut).unwrap();
    });
    fs::remove_file(made).unwrap();
    cut
}

#[test]
fn after_a_power_cut_the_journal_is_replayed_first() {
    for size in [262_144, DEFAULT_IMGSIZE] {
        let world = HookWorld::new("crun");
        let cut = cut_power(&world, size);
        let run = world
            .hook(&["harvest", cut.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
            .expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(50_000), "{size}: {}", run.story());
        assert!(!cut.exists(), "{}", run.story());
    }
}

/// The disk has room for a part of what the repair writes: that must not be taken for damage.
#[test]
fn a_disk_that_is_nearly_full_condemns_no_image() {
    let world = HookWorld::new("crun");
    let (made, saved) = (image(&world, DEFAULT_IMGSIZE, |_| {}), world.path("saved.img"));
    let size = 600_000;
    world.in_own_namespace(|| {
        let dir = world.path("journalled");
        fs::create_dir(&dir).unwrap();
        let options = ["-o", "loop,data=journal,commit=300"].map(AsRef::as_ref);
        command("mount", &[&options[..], &[made.as_ref(), dir.as_ref()]].concat());
        fs::write(dir.join("a.dmp"), dump_bytes(size)).unwrap();
        File::open(dir.join("a.dmp")).unwrap().sync_all().unwrap();
        // What was written lies in the journal only.
        fs::copy(&made, &saved).unwrap();
        command("umount", &[dir.as_ref()]);
    });
    fs::remove_file(made).unwrap();
    let to = world.dumps_dir();
    crate::disk_full::on_a_small_disk(&world, "tmpfs", |images| {
        let cut = images.join("cut.img");
        let filler = images.join("filler");
        for free in (0..=64_u64).map(|step| step * 32 * 1024) {
            // Holes stay holes.
            command("cp", &["--sparse=always".as_ref(), saved.as_ref(), cut.as_ref()]);
            let stat = rustix::fs::statvfs(images).unwrap();
            fs::write(&filler, vec![1; usize::try_from(stat.f_bfree * stat.f_frsize - free).unwrap()])
                .unwrap();
            let harvest = || world.hook(&["harvest", cut.to_str().unwrap(), "--to", to.to_str().unwrap()]);
            let first = harvest();
            fs::remove_file(&filler).unwrap();
            // The kernel gives the room of a copy without a name back a little later.
            let has_room = || rustix::fs::statvfs(images).unwrap().f_bfree >= stat.f_bfree;
            wait_until(has_room);
            let story = || format!("{free} bytes free: {}", first.story());
            assert_eq!(first.code() == Some(0), !cut.exists(), "{}", story());
            if cut.exists() {
                harvest().expect(0);
            }
            assert!(fs::read(world.dump()).unwrap() == dump_bytes(size), "{}", story());
            assert_eq!(fs::read_dir(images).unwrap().count(), 0, "{}", story());
            fs::remove_file(world.dump()).unwrap();
        }
    });
    fs::remove_file(saved).unwrap();
}

/// The kernel kills what uses too much memory, and a person what takes too long.
#[test]
fn an_e2fsck_that_is_killed_condemns_no_image() {
    let world = HookWorld::new("crun");
    let cut = cut_power(&world, DEFAULT_IMGSIZE);
    let killed = world.path("killed");
    fs::write(&killed, "#!/bin/sh\nkill -9 $$\n").unwrap();
    command("chmod", &["755".as_ref(), killed.as_ref()]);
    let found = command("sh", &["-c".as_ref(), "PATH=/usr/sbin:/sbin:$PATH command -v e2fsck".as_ref()]);
    let mut run = Command::new("unshare");
    run.args(["--mount", "--propagation", "private", "sh", "-c"]);
    run.arg("mount --bind \"$0\" \"$1\" && shift && exec \"$@\"").arg(&killed).arg(found.trim());
    run.arg(hook_program()).arg("--settings").arg(world.path("settings.toml"));
    run.arg("harvest").arg(&cut).arg("--to").arg(world.dumps_dir());
    let run = world.feed(run, "").expect(1);
    assert!(run.stderr().contains("e2fsck was killed"), "{}", run.story());
    assert!(cut.exists() && world.dumps().is_empty(), "{}", run.story());
    let run = world
        .hook(&["harvest", cut.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(50_000), "{}", run.story());
}

#[test]
fn a_start_after_a_power_cut_harvests_and_goes_on() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let cut = cut_power(&world, DEFAULT_IMGSIZE);
        let bundle = world.bundle("cut", &["write", "b.dmp", "700", "none"]);
        assert_eq!(world.image("cut"), cut);
        let run = world.run(&bundle, "c").expect(0);
        assert!(fs::read(world.dumps_dir().join("a.dmp")).unwrap() == dump_bytes(50_000), "{}", run.story());
        assert_eq!(world.dumps().len(), 2, "{}", run.story());
    }
}

#[test]
fn what_the_user_space_reader_refuses_is_read_by_the_kernel() {
    let world = HookWorld::new("crun");
    let path = world.image("inline");
    File::create(&path).unwrap().set_len(DEFAULT_IMGSIZE).unwrap();
    let options = ["-q", "-F", "-t", "ext4", "-L", "oci-minidump", "-O", "inline_data"];
    command("mke2fs", &options.iter().map(AsRef::as_ref).chain([path.as_ref()]).collect::<Vec<_>>());
    world.with_mounted(&path, |dir| fs::write(dir.join("a.dmp"), dump_bytes(30_000)).unwrap());
    let run = world
        .hook(&["harvest", path.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(run.stderr().contains("the kernel is asked to read it"), "{}", run.story());
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(30_000), "{}", run.story());
    assert!(world.leaks().is_empty(), "{:?}", world.leaks());
}

/// Stale bytes of other files lie in preallocated blocks; the dump must have zeros there.
#[test]
fn preallocated_blocks_are_read_as_zeros() {
    let world = HookWorld::new("crun");
    let mut expected = dump_bytes(5000);
    expected.resize(200_000, 0);
    let path = image(&world, DEFAULT_IMGSIZE, |dir| {
        let mut stale = 0;
        while fs::write(dir.join(format!("stale{stale}")), vec![0x55; 60_000]).is_ok() {
            stale += 1;
        }
        command("sync", &["-f".as_ref(), dir.as_ref()]);
        for n in (0..=stale).step_by(2) {
            fs::remove_file(dir.join(format!("stale{n}"))).unwrap();
        }
        command("sync", &["-f".as_ref(), dir.as_ref()]);
        let file = File::create(dir.join("a.dmp")).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 200_000).unwrap();
        file.write_all_at(&dump_bytes(5000), 0).unwrap();
    });
    let run = world
        .hook(&["harvest", path.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(fs::read(world.dump()).unwrap() == expected, "{}", run.story());
    assert!(run.stderr().contains("a file has preallocated blocks"), "{}", run.story());
    assert!(world.leaks().is_empty(), "{:?}", world.leaks());
}

/// The library that reads images slices by a count in the index of a large directory before it looks at the checksum.
#[test]
fn a_damaged_index_of_a_directory_is_repaired() {
    let world = HookWorld::new("crun");
    let path = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("a.dmp"), dump_bytes(50_000)).unwrap();
        for n in 0..100 {
            fs::write(dir.join(format!("a-file-with-a-name-of-some-length-{n}")), "").unwrap();
        }
    });
    let bytes = fs::read(&path).unwrap();
    // The root directory's first block: "." in 12 bytes, which is inode 2; behind the dots, the index's header of 8.
    let is_index = |block: &[u8]| block.starts_with(b"\x02\0\0\0\x0c\0\x01\x02.") && block[0x1d] == 8;
    let index = bytes.chunks(1024).position(is_index).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 2], u64::try_from(index * 1024 + 0x22).unwrap()).unwrap();
    let run = world
        .hook(&["harvest", path.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(50_000), "{}", run.story());
    assert!(run.stderr().contains("makes the user-space reader fail"), "{}", run.story());
    for path in crate::support::host::files_in(&world.path("images")) {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn space_that_was_set_aside_is_harvested_as_zeros() {
    let world = HookWorld::new("crun");
    let path = image(&world, DEFAULT_IMGSIZE, |dir| {
        // What lies on the disk must not come out.
        fs::write(dir.join("secret"), vec![b'x'; 3_000_000]).unwrap();
        command("sync", &["-f".as_ref(), dir.as_ref()]);
        fs::remove_file(dir.join("secret")).unwrap();
        command("sync", &["-f".as_ref(), dir.as_ref()]);
        let file = File::create(dir.join("a.dmp")).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 2_000_000).unwrap();
        file.write_all_at(&dump_bytes(5000), 0).unwrap();
    });
    let run = world
        .hook(&["harvest", path.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    let mut expected = dump_bytes(5000);
    expected.resize(2_000_000, 0);
    assert!(fs::read(world.dump()).unwrap() == expected, "{}", run.story());
}

#[test]
fn a_damaged_image_is_kept_aside_and_the_container_starts() {
    let world = HookWorld::new("crun");
    let path =
        image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), dump_bytes(30_000)).unwrap());
    let broken = world.image("app");
    fs::rename(path, &broken).unwrap();
    // The superblock is left, everything behind it is noise.
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    File::options().write(true).open(&broken).unwrap().write_all_at(&noise, 2048).unwrap();
    let bundle = world.bundle("app", &["write", "b.dmp", "500", "none"]);
    let run = world.run(&bundle, "c").expect(0);
    assert_eq!(world.dumps().last().unwrap().file_name().unwrap(), "b.dmp", "{}", run.story());
    let aside = world.path("images/app.img.damaged1");
    assert!(aside.exists() && run.story().contains("damaged"), "{}", run.story());
    for path in crate::support::host::files_in(&world.path("images")) {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn an_image_still_mounted_is_read_through_its_own_device() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["sleep", "100"]);
        let (mut pin, ()) = run_pinned(&world, &bundle, |dir| {
            fs::write(dir.join("a.dmp"), whole_dump(50_000)).unwrap();
        });
        world.control(&["delete", "--force"], "c", &[]).expect(0);
        assert!(world.log().contains("is still attached to /dev/loop"), "{}", world.log());
        assert!(fs::read(world.dump()).unwrap() == whole_dump(50_000), "{}", world.log());
        pin.kill().unwrap();
        pin.wait().unwrap();
        wait_until(|| world.leaks().is_empty());
        // Harvested again, nothing is doubled.
        let run = world.hook(&["sweep"]).expect(0);
        assert_eq!(world.dumps().len(), 1, "{}", run.story());
        assert!(!world.image("app").exists(), "{}", run.story());
    }
}

/// A container without its own mount may still have processes that write: a dump that they have not finished is no
/// truncated one.
#[test]
fn an_unfinished_dump_stays_in_an_image_that_is_still_mounted() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["sleep", "100"]);
    let dump = whole_dump(50_000);
    let (mut pin, late) = run_pinned(&world, &bundle, |dir| {
        fs::write(dir.join("whole.dmp"), whole_dump(3000)).unwrap();
        fs::write(dir.join("half.dmp"), &dump[..70]).unwrap();
        // Breakpad writes the header last.
        fs::write(dir.join("headless.dmp"), vec![0; 5000]).unwrap();
        File::options().write(true).open(dir.join("half.dmp")).unwrap()
    });
    world.control(&["delete", "--force"], "c", &[]).expect(0);
    assert!(fs::read(world.dump()).unwrap() == whole_dump(3000), "{}", world.log());
    let image = world.image("app");
    assert!(image.exists(), "{}", world.log());
    for name in ["half.dmp", "headless.dmp"] {
        let line = format!("left {name} in the image, which is still mounted");
        assert!(world.log().contains(&line), "{}", world.log());
    }
    late.write_all_at(&dump, 0).unwrap();
    drop(late);
    pin.kill().unwrap();
    pin.wait().unwrap();
    wait_until(|| world.leaks().is_empty());
    let run = world.hook(&["sweep"]).expect(0);
    assert!(fs::read(world.dumps_dir().join("half.dmp")).unwrap() == dump, "{}", run.story());
    assert!(run.stderr().contains("skipped headless.dmp: it has 5000 bytes and is not a minidump"));
    assert_eq!(world.dumps().len(), 2, "{}", run.story());
}

/// Starts a container, lets `fill` put things into its minidump directory, and gives a process that keeps its mount
/// namespace alive.
fn run_pinned<T>(world: &HookWorld, bundle: &Bundle, fill: impl FnOnce(&Path) -> T) -> (Child, T) {
    world.create(bundle, "c").expect(0);
    world.control(&["start"], "c", &[]).expect(0);
    wait_until(|| !world.leaks().is_empty());
    let state: serde_json::Value =
        serde_json::from_str(&world.control(&["state"], "c", &[]).stdout()).unwrap();
    let pid = state["pid"].as_i64().unwrap();
    // Before pivot_root(2) the container's program has another root.
    wait_until(|| Path::new(&format!("/proc/{pid}/root/crasher")).exists());
    let filled = fill(Path::new(&format!("/proc/{pid}/root{SOURCE}")));
    let namespace = |pid: i64| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    let pin = enter(pid);
    wait_until(|| namespace(pin.id().into()) == namespace(pid));
    (pin, filled)
}

/// A process that keeps the mount namespace of a container alive.
fn enter(pid: i64) -> Child {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &pid.to_string(), "/crasher", "/tmp", "sleep", "100"]);
    // Before pivot_root there is another root; afterwards the program is the container's own.
    command.arg("none").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}
