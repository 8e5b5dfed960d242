//! How often a harvest has the destination's disk flushed: once for all dumps where the file system keeps the order of what
//! is done, and once more for each file where it does not.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::images::{dump_bytes, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::{command, hook_program};
use crate::support::programs::kernel_without;

/// Harvests an image with `dumps` dumps into a new ext4 file system, made with `features`. Gives the calls that flush a file,
/// the directory, or write a file out, in that order.
fn calls(world: &HookWorld, features: &str, missing: Option<&str>, dumps: usize) -> (usize, usize, usize) {
    let made = image(world, 8 << 20, |root| {
        for n in 0..dumps {
            fs::write(root.join(format!("{n}.dmp")), whole_dump(100_000 + n)).unwrap();
        }
    });
    let (disk, to, trace) = (world.path("disk"), world.dumps_dir(), world.path("trace"));
    fs::create_dir_all(&to).unwrap();
    fs::File::create(&disk).unwrap().set_len(16 << 20).unwrap();
    command("mkfs.ext4", &["-q".as_ref(), "-O".as_ref(), features.as_ref(), disk.as_ref()]);
    world.in_own_namespace(|| {
        command("mount", &["-o".as_ref(), "loop".as_ref(), disk.as_ref(), to.as_ref()]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"]).arg(&trace);
        if let Some(missing) = missing {
            strace.arg(kernel_without()).arg(missing);
        }
        strace.arg(hook_program()).arg("--settings").arg(world.path("settings.toml"));
        strace.arg("harvest").arg(&made).arg("--to").arg(&to);
        let run = world.feed(strace, "").expect(0);
        for n in 0..dumps {
            let harvested = fs::read(to.join(format!("{n}.dmp"))).unwrap();
            assert!(harvested == whole_dump(100_000 + n), "{features} {n}: {}", run.story());
        }
        // Nothing is waited for: a program that another test is just starting has a copy of our open files for a moment.
        command("umount", &["--lazy".as_ref(), to.as_ref()]);
    });
    let trace = fs::read_to_string(trace).unwrap();
    let count = |start: &str, is_file: bool| {
        let of = |line: &&str| {
            let (Some(call), Some(path)) = (line.find(start), line.find(to.to_str().unwrap())) else {
                return false;
            };
            let name = line.get(path..).and_then(|rest| rest.split('>').next()).unwrap_or_default();
            call < path && (Path::new(name) != to) == is_file
        };
        trace.lines().filter(of).count()
    };
    fs::remove_file(&disk).unwrap();
    fs::remove_dir_all(&to).unwrap();
    (
        count("fsync(", true) + count("fdatasync(", true),
        count("fsync(", false),
        count("sync_file_range(", true),
    )
}

#[test]
fn one_flush_makes_all_dumps_last_where_a_journal_keeps_the_order() {
    let world = HookWorld::new("crun");
    for dumps in [1, 3] {
        for (records, files) in [("false", 1), ("true", 2)] {
            world.settings(&format!("crash_records = {records}\n"));
            let files = files * dumps;
            for (features, missing, expected) in [
                ("has_journal", None, (0, 1, files)),
                ("^has_journal", None, (files, 1, 0)),
                ("has_journal", Some("sync_file_range"), (files, 1, files)),
            ] {
                let case = format!("{features} without {missing:?}, {dumps} dumps, records {records}");
                assert_eq!(calls(&world, features, missing, dumps), expected, "{case}");
            }
        }
    }
}

/// Who reads that a dump was harvested may count on it: an image in memory does not survive a power cut.
#[test]
fn a_dump_is_on_the_disk_before_it_is_said_to_be_harvested() {
    let world = HookWorld::new("crun");
    let made = image(&world, 8 << 20, |root| {
        // Of dumps that are not whole, stderr gets a line, too.
        for name in ["a.dmp", "b.dmp"] {
            fs::write(root.join(name), dump_bytes(5000)).unwrap();
        }
    });
    let (to, trace) = (world.dumps_dir(), world.path("trace"));
    fs::create_dir_all(&to).unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "200", "-e", "trace=fsync,write", "-o"]).arg(&trace);
    strace.arg(hook_program()).arg("--settings").arg(world.path("settings.toml"));
    strace.arg("harvest").arg(&made).arg("--to").arg(&to);
    let run = world.feed(strace, "").expect(0);
    let trace = fs::read_to_string(trace).unwrap();
    let directory = format!("<{}>", to.display());
    let flushed = trace.lines().position(|line| line.contains("fsync(") && line.contains(&directory));
    let said = trace.lines().position(|line| line.contains("harvested a truncated minidump"));
    assert!(flushed.is_some() && said.is_some_and(|said| Some(said) > flushed), "{}\n{trace}", run.story());
}
