//! What a hostile container does while it is harvested.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::images::whole_dump;
use crate::running::Going;
use crate::support::host::{command, hook_program, wait_until};
use crate::support::programs::fault_injector;

#[test]
fn what_is_not_a_file_of_one_name_is_left() {
    let mut going = Going::new();
    let secret = going.world.path("secret");
    fs::write(&secret, whole_dump(5000)).unwrap();
    let dir = going.dir();
    symlink(&secret, dir.join("link.dmp")).unwrap();
    symlink(going.world.path("."), dir.join("elsewhere")).unwrap();
    command("mkfifo", &[dir.join("fifo.dmp").as_ref()]);
    command("mknod", &[dir.join("zero.dmp").as_os_str(), "c".as_ref(), "1".as_ref(), "5".as_ref()]);
    fs::create_dir(dir.join("directory.dmp")).unwrap();
    going.write("one.dmp", &whole_dump(7000));
    fs::hard_link(dir.join("one.dmp"), dir.join("two.dmp")).unwrap();
    let names = going.names();
    going.harvest().expect(0);
    assert_eq!((going.dumps(), going.names()), (Vec::new(), names));
    assert!(secret.exists());
    going.end();
    assert_eq!(going.dumps(), [("one.dmp".to_owned(), whole_dump(7000))]);
}

/// Another file takes the place of a dump again and again: each dump comes to the host, and nothing else.
#[test]
fn a_name_that_leads_elsewhere_meanwhile_costs_no_dump() {
    let mut going = Going::new();
    let secret = going.world.path("secret");
    fs::write(&secret, whole_dump(5000)).unwrap();
    let dir = going.dir();
    symlink(&secret, dir.join("link")).unwrap();
    command("mkfifo", &[dir.join("fifo").as_ref()]);
    fs::create_dir(dir.join("directory")).unwrap();
    fs::create_dir_all(dir.join("deep/er")).unwrap();
    symlink(going.world.path("."), dir.join("away")).unwrap();
    let done = AtomicBool::new(false);
    let exchange = |one: &str, other: &str| {
        // One of them may be just on its way.
        let _missing = renameat_with(CWD, dir.join(one), CWD, dir.join(other), RenameFlags::EXCHANGE);
    };
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for other in ["link", "fifo", "directory", "spare.dmp"] {
                    exchange("a.dmp", other);
                    exchange("a.dmp", other);
                }
                exchange("deep", "away");
                exchange("deep", "away");
            }
        });
        for round in 0..60 {
            going.write("spare.part", &whole_dump(6000 + round));
            going.write("a.dmp.part", &whole_dump(8000 + round));
            // The name may be that of anything at this moment.
            for (part, name) in [("a.dmp.part", "a.dmp"), ("spare.part", "spare.dmp")] {
                let _taken = renameat_with(CWD, dir.join(part), CWD, dir.join(name), RenameFlags::NOREPLACE);
            }
            let run = going.harvest();
            assert!(matches!(run.code(), Some(0 | 1)), "{}", run.story());
        }
        done.store(true, Ordering::Relaxed);
        swapper.join().unwrap();
    });
    assert!(secret.exists() && fs::read(&secret).unwrap() == whole_dump(5000));
    going.end();
    let sizes: Vec<usize> = going.dumps().iter().map(|(_, bytes)| bytes.len()).collect();
    assert!(sizes.iter().all(|size| *size != 5000), "nothing of the host: {sizes:?}");
    assert!(going.dumps().iter().all(|(_, bytes)| *bytes == whole_dump(bytes.len())), "each is whole");
}

/// Dumps that are put under one name one after the other: not one is removed that is not on the host, and none is there
/// twice.
#[test]
fn a_new_dump_under_the_same_name_is_not_removed_for_the_old_one() {
    const DUMPS: usize = 200;
    let mut going = Going::new();
    let dir = going.dir();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..DUMPS {
                fs::write(dir.join("part"), whole_dump(3000 + n)).unwrap();
                while renameat_with(CWD, dir.join("part"), CWD, dir.join("a.dmp"), RenameFlags::NOREPLACE)
                    .is_err()
                {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            going.harvest().expect(0);
        }
    });
    going.end();
    let mut sizes: Vec<usize> = going.dumps().iter().map(|(_, bytes)| bytes.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, (3000..3000 + DUMPS).collect::<Vec<_>>());
}

/// A program opens a complete dump for writing while it is harvested, at any moment: what it writes is not lost.
#[test]
fn a_writer_is_never_raced() {
    let (first, second) = (whole_dump(5000), whole_dump(6000));
    for step in 1.. {
        let mut going = Going::new();
        going.write("a.dmp", &first);
        let path = going.dir().join("a.dmp");
        let report = going.world.path("report");
        let (survived, has_written) = std::thread::scope(|scope| {
            let mut command = Command::new(fault_injector());
            command.arg(&report).args(["changes", &format!("hold@{step}")]).arg(hook_program());
            command.arg("--settings").arg(going.world.path("settings.toml")).args(["harvest", "--running"]);
            let harvest = scope.spawn(|| going.world.feed(command, ""));
            let held = report.with_extension("held");
            wait_until(|| held.exists() || harvest.is_finished());
            let is_held = held.exists();
            // The dump may be gone, or have another name just now.
            let writer = scope.spawn(|| {
                let mut file = File::options().write(true).open(&path)?;
                std::io::Write::write_all(&mut file, &second)
            });
            if is_held {
                // It has opened the file, or waits for that.
                wait_until(|| writer.is_finished() || is_waited_for(&path));
                fs::remove_file(held).unwrap();
            }
            let run = harvest.join().unwrap();
            assert!(matches!(run.code(), Some(0 | 1)), "{step}: {}", run.story());
            (!is_held, writer.join().unwrap().is_ok())
        });
        going.harvest();
        going.end();
        let dumps = going.dumps();
        let has = |bytes: &[u8]| dumps.iter().filter(|(_, dump)| dump == bytes).count();
        assert!(has(&second) == usize::from(has_written), "held at {step}: {}", dumps.len());
        assert!(has_written || has(&first) == 1, "held at {step}");
        if survived {
            assert!(step > 10, "{step} steps");
            return;
        }
    }
}

/// Whether an open of this file waits for the end of a lease.
fn is_waited_for(path: &Path) -> bool {
    let Ok(inode) = fs::metadata(path).map(|file| std::os::unix::fs::MetadataExt::ino(&file)) else {
        return false;
    };
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("BREAKING") && line.contains(&format!(":{inode} ")))
}

/// What cannot be removed is on the host once, also after poststop.
#[test]
fn a_dump_that_cannot_be_removed_is_published_once() {
    let mut going = Going::new();
    going.write("a.dmp", &whole_dump(5000));
    let path = going.dir().join("a.dmp");
    let attribute = |change: &str| command("chattr", &[change.as_ref(), path.as_os_str()]);
    attribute("+i");
    for _ in 0..3 {
        let run = going.harvest().expect(1);
        assert!(run.stderr().contains("cannot remove a.dmp from the image"), "{}", run.story());
        assert_eq!((going.dumps().len(), going.names()), (1, vec!["a.dmp".to_owned()]));
    }
    attribute("-i");
    going.end();
    assert_eq!(going.dumps(), [("a.dmp".to_owned(), whole_dump(5000))]);
}

/// A hook was killed, or the power went, between the name aside and the removal.
#[test]
fn what_a_killed_harvest_was_about_to_remove_is_not_another_dump() {
    for running in [false, true] {
        let mut going = Going::new();
        going.write("a.dmp", &whole_dump(5000));
        fs::create_dir_all(going.world.dumps_dir()).unwrap();
        fs::write(going.world.dumps_dir().join("a.dmp"), whole_dump(5000)).unwrap();
        let aside = format!(".oci-minidump-{}-a.dmp", "0123456789abcdef".repeat(2));
        fs::rename(going.dir().join("a.dmp"), going.dir().join(&aside)).unwrap();
        going.write("b.dmp", &whole_dump(6000));
        if running {
            going.harvest().expect(0);
            assert_eq!(going.names(), [""; 0]);
        }
        going.end();
        let names: Vec<String> = going.dumps().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.dmp", "b.dmp"]);
    }
}

/// An image that is full has no room for anything, and is emptied all the same.
#[test]
fn an_image_that_is_full_is_emptied() {
    let mut going = Going::new();
    let whole = whole_dump(300_000);
    let written = |n: usize| fs::write(going.dir().join(format!("{n}.dmp")), &whole).is_ok();
    let count = (0..1000).find(|n| !written(*n)).unwrap();
    let filler = File::create(going.dir().join("filler"));
    if let Ok(mut file) = filler {
        while std::io::Write::write_all(&mut file, &[1; 512]).is_ok() {}
    }
    assert!(count > 5 && fs::create_dir(going.dir().join("new")).is_err());
    going.harvest().expect(0);
    let published = || going.dumps().iter().filter(|(_, bytes)| *bytes == whole).count();
    assert_eq!(published(), count);
    assert!(!going.dir().join("0.dmp").exists());
    assert!(fs::write(Path::new(&going.dir()).join("next.dmp"), &whole).is_ok());
    going.end();
    assert_eq!(going.dumps().iter().filter(|(_, bytes)| *bytes == whole).count(), count + 1);
}

/// Crashpad's metadata goes with its dump. What was not brought to the host stays.
#[test]
fn metadata_is_removed_only_if_it_was_published() {
    let mut going = Going::new();
    going.write("new/a.dmp", &whole_dump(5000));
    going.write("new/a.meta", b"small");
    going.write("new/b.dmp", &whole_dump(6000));
    going.write("new/b.meta", &vec![1; 100 << 10]);
    going.harvest().expect(0);
    assert!(!going.dir().join("new/a.meta").exists() && going.dir().join("new/b.meta").exists());
    let names: Vec<String> = going.dumps().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.dmp", "a.meta", "b.dmp"]);
    going.end();
}
