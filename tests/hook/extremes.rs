//! Names, times and sizes at their extremes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use oci_minidump::settings::DEFAULT_IMGSIZE;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;

/// The first and the last second that an inode of 256 bytes can hold.
const FIRST: i64 = -(1 << 31);
const LAST: i64 = (1 << 31) - 1 + (3 << 32);

#[test]
fn dumps_of_every_time_arrive_and_keep_it() {
    let times = [FIRST, -1, 0, 1, (1 << 31) - 1, 1 << 31, 1 << 32, LAST];
    for nanoseconds in [0, 999_999_999] {
        let world = HookWorld::new("crun");
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            for (n, seconds) in times.into_iter().enumerate() {
                let path = dir.join(format!("{n}.dmp"));
                fs::write(&path, whole_dump(1000 + n)).unwrap();
                let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
                let times = Timestamps { last_access: time, last_modification: time };
                rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
            }
        });
        let run = harvest(&world, &made).expect(0);
        assert!(!made.exists(), "{}", run.story());
        for (n, seconds) in times.into_iter().enumerate() {
            let path = world.dumps_dir().join(format!("{n}.dmp"));
            assert!(fs::read(&path).unwrap() == whole_dump(1000 + n), "{seconds}: {}", run.story());
            let mut value = [0; 64];
            let length = rustix::fs::lgetxattr(&path, "user.oci-minidump.time", &mut value[..]).unwrap();
            // The kernel has no fractions at the very first and last second.
            let fraction = if [FIRST, LAST].contains(&seconds) { 0 } else { nanoseconds };
            assert_eq!(value[..length], *format!("{seconds}.{fraction:09}").as_bytes());
        }
    }
}

#[test]
fn every_byte_can_be_a_name() {
    let world = HookWorld::new("crun");
    let bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let long = [&[b'x'; 251], b".dmp".as_slice()].concat();
    let longer = [&[b'y'; 250], b"z.dmp".as_slice()].concat();
    let deep = [OsStr::from_bytes(&[0xff; 255]), OsStr::from_bytes(&[b'\n'; 255]), OsStr::new("-rf")];
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        for byte in &bytes {
            let name = [&[*byte], b".dmp".as_slice()].concat();
            fs::write(dir.join(OsStr::from_bytes(&name)), whole_dump(1000 + usize::from(*byte))).unwrap();
        }
        for (n, name) in [&long, &longer].into_iter().enumerate() {
            fs::write(dir.join(OsStr::from_bytes(name)), whole_dump(2000 + n)).unwrap();
        }
        let deep = deep.iter().fold(dir.to_owned(), |path, name| path.join(name));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(OsStr::from_bytes(&long)), whole_dump(3000)).unwrap();
    });
    let run = harvest(&world, &made).expect(0);
    let sizes: Vec<usize> = world
        .dumps()
        .iter()
        .map(|path| {
            let bytes = fs::read(path).unwrap();
            assert!(bytes == whole_dump(bytes.len()), "{}", path.display());
            bytes.len()
        })
        .collect();
    assert_eq!(sizes.len(), bytes.len() + 3, "{}", run.story());
    assert_eq!(sizes.iter().collect::<BTreeSet<_>>().len(), sizes.len());
    for path in world.dumps() {
        let name = path.file_name().unwrap().as_bytes();
        assert!(name.len() <= 143 && name.iter().all(|byte| (b' '..0x7f).contains(byte)), "{path:?}");
    }
}

#[test]
fn files_of_every_size_are_judged() {
    let world = HookWorld::new("crun");
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        let sizes = (20..44).map(|shift| 1_u64 << shift);
        // The largest that the file system allows has its turn first: it is the newest.
        for size in sizes.rev().flat_map(|size| [size, size - 1]) {
            let file = File::create(dir.join(format!("{size}.dmp"))).unwrap();
            file.write_all_at(b"MDMP", 0).unwrap();
            let _too_large = file.set_len(size);
        }
        for size in [0, 1, 3] {
            fs::write(dir.join(format!("{size}.dmp")), &b"MDMP"[..size]).unwrap();
        }
        fs::write(dir.join("4.dmp"), "MDMP").unwrap();
        fs::write(dir.join("real.dmp"), whole_dump(500_000)).unwrap();
    });
    let run = harvest(&world, &made).expect(1);
    assert!(fs::read(world.dumps_dir().join("real.dmp")).unwrap() == whole_dump(500_000), "{}", run.story());
    let (mut claimed, mut used) = (0, 0);
    for path in world.dumps() {
        let metadata = fs::metadata(path).unwrap();
        claimed += metadata.len();
        used += std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    }
    assert!(claimed <= 2 * DEFAULT_IMGSIZE && used < DEFAULT_IMGSIZE, "{claimed} {used}: {}", run.story());
    for size in [0, 1, 3] {
        let line = format!("skipped {size}.dmp: it has {size} bytes and is not a minidump");
        assert!(run.stdout().contains(&line), "{}", run.story());
    }
    assert!(world.dumps_dir().join("4.dmp").exists(), "{}", run.story());
    // The others have their turn: each harvest goes on where the one before it had enough.
    let turns = (1..10).find(|_| harvest(&world, &made).code() == Some(0));
    assert!(turns.is_some() && !made.exists());
    for size in (20..=24).map(|shift| 1_u64 << shift).flat_map(|size| [size, size - 1]) {
        assert!(world.dumps_dir().join(format!("{size}.dmp")).exists(), "{size}");
    }
}
