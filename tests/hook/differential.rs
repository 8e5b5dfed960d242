//! Two readers, one image: what the user-space reader gives is what the kernel gives, whatever `mke2fs` was told and
//! whatever happened in the image.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use oci_minidump::deadline::Deadline;
use oci_minidump::error::{ErrorKind, Result};
use oci_minidump::image::read::files::{Candidate, ImageFiles, Kind};
use oci_minidump::image::read::kernel::Mounted;
use oci_minidump::image::read::user_space::UserSpace;
use rustix::fs::{FallocateFlags, fallocate};

use crate::images::{dump_bytes, image};
use crate::support::hook_world::HookWorld;
use crate::support::host::command;

/// Options of `mke2fs`, and whether the user-space reader knows what they make.
const OPTIONS: [(&str, bool); 19] = [
    ("", true),
    ("-b 1024", true),
    ("-b 2048", true),
    ("-b 4096", true),
    ("-O ^has_journal", true),
    ("-O ^metadata_csum", true),
    ("-O ^metadata_csum,uninit_bg", true),
    ("-O metadata_csum_seed", true),
    ("-O ^64bit,^flex_bg", true),
    ("-O ^dir_index", true),
    ("-O ^resize_inode,sparse_super2", true),
    ("-O bigalloc", true),
    ("-O ^extent,^64bit", false),
    ("-t ext2", false),
    ("-t ext3", false),
    ("-I 128", false),
    ("-O inline_data", false),
    ("-O ea_inode", false),
    ("-O meta_bg,^resize_inode", false),
];
/// How many different histories each kind of image gets.
const SEEDS: u64 = 3;
/// How many things happen in one.
const EVENTS: u32 = 250;

/// Numbers that are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }

    /// A path: in a directory that is harvested or in another, with a name that is a dump's or not.
    fn path(&mut self, dir: &Path) -> PathBuf {
        let parent = ["", "", "", "new", "pending", "completed", "other"][self.below(7)];
        let odd: [&[u8]; 5] = [b"\xff\xfe.dmp", b"-\n.dmp", b".dmp", b"x.dmp.part", b"notes.txt"];
        let number = self.below(30);
        let plain = format!("{number}.dmp");
        let name = odd.get(number).map_or(plain.as_bytes(), |name| *name);
        dir.join(parent).join(OsStr::from_bytes(name))
    }
}

/// Something happens. That it may fail (no space, no such file) is part of it.
fn event(dice: &mut Dice, dir: &Path, setting_aside: bool) {
    let path = dice.path(dir);
    let size = [0, 3, 4, 100, 1023, 4096, 70_000, 300_000][dice.below(8)];
    let at = u64::try_from(dice.below(2_000_000)).unwrap();
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let _failed: std::io::Result<()> = match dice.below(12) {
        0..3 => fs::write(&path, dump_bytes(size)),
        3 => open().and_then(|file| file.write_all_at(&dump_bytes(size), at)),
        4 => open().and_then(|file| file.set_len(at)),
        5 => open().and_then(|file| file.set_len(u64::try_from(size).unwrap())),
        // Space that was never written to reads as zeros.
        6 if setting_aside => {
            open().and_then(|file| Ok(fallocate(file, FallocateFlags::empty(), at, 50_000)?))
        }
        7 => open().and_then(|file| {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            Ok(fallocate(file, hole, at / 4, 20_000)?)
        }),
        6 | 8 => fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)),
        9 => fs::rename(&path, dice.path(dir)),
        10 => fs::hard_link(&path, dice.path(dir)),
        _ if at.is_multiple_of(2) => symlink("/etc/hostname", &path),
        _ => fs::create_dir(&path),
    };
}

/// Makes an image by `mke2fs` with `options`, and a history of it.
fn make(world: &HookWorld, options: &str, seed: u64) -> PathBuf {
    let path = world.image("made");
    File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let words = ["-q", "-F"].into_iter().chain(options.split_whitespace());
    let kind = ["-t", "ext4"].into_iter().filter(|_| !options.contains("-t "));
    let words: Vec<&OsStr> = words.chain(kind).map(OsStr::new).chain([path.as_ref()]).collect();
    command("mke2fs", &words);
    world.with_mounted(&path, |dir| live(seed, dir));
    path
}

/// Whether space is set aside in a history: then the user-space reader must refuse the image.
fn sets_aside(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

fn live(seed: u64, dir: &Path) {
    for part in ["new", "pending", "completed", "other"] {
        fs::create_dir(dir.join(part)).unwrap();
    }
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..EVENTS {
        event(&mut dice, dir, sets_aside(seed));
    }
}

/// A candidate, and its first bytes and all of them when it is a file.
type Found = (Candidate, Vec<u8>, Vec<u8>);

/// All that a reader sees.
fn read(world: &HookWorld, files: &mut impl ImageFiles) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for candidate in files.list(Deadline::NONE)?.candidates {
        let mut bytes = (Vec::new(), Vec::new());
        if let Kind::Regular { size, .. } = candidate.kind {
            let target = world.path("copy");
            let file =
                File::options().create(true).truncate(true).read(true).write(true).open(&target).unwrap();
            let head = files.head(&candidate.place)?;
            assert_eq!(files.copy(&candidate.place, size, &file, Deadline::NONE)?, size, "{candidate:?}");
            bytes = (head, fs::read(target).unwrap());
        }
        found.push((candidate, bytes.0, bytes.1));
    }
    found.sort_by(|a, b| a.0.place.cmp(&b.0.place));
    Ok(found)
}

/// Reads an image in both ways and compares. Gives how many dumps there were.
fn compare(world: &HookWorld, path: &Path, known: bool, story: &str) -> usize {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let user = UserSpace::open(&file).and_then(|mut files| read(world, &mut files));
    let kernel = Mounted::open(&file, path, false).and_then(|mut files| read(world, &mut files));
    let kernel = kernel.unwrap_or_else(|error| panic!("{story}: {}", error.report()));
    match user {
        Err(error) => {
            let refused = error.kind() == ErrorKind::Corrupt && !known;
            assert!(refused, "{story}: {}", error.report());
        }
        Ok(user) => {
            let seen =
                |found: &[Found]| found.iter().map(|(candidate, ..)| candidate.clone()).collect::<Vec<_>>();
            assert_eq!(seen(&user), seen(&kernel), "{story}");
            for ((candidate, user_head, user), (_, head, kernel)) in user.iter().zip(&kernel) {
                let at = || user.iter().zip(kernel).position(|(one, other)| one != other);
                assert!(user_head == head && user == kernel, "{story}: {candidate:?} differs at {:?}", at());
            }
        }
    }
    kernel.iter().filter(|(_, head, _)| head == b"MDMP").count()
}

#[test]
fn both_readers_see_the_same_in_images_of_every_kind() {
    let mut dumps = 0;
    for (options, known) in OPTIONS {
        let world = HookWorld::new("crun");
        for seed in 1..=SEEDS {
            let path = make(&world, options, seed);
            dumps +=
                compare(&world, &path, known && !sets_aside(seed), &format!("mke2fs {options}, seed {seed}"));
            fs::remove_file(path).unwrap();
        }
    }
    assert!(dumps > 200, "only {dumps} dumps were compared");
}

#[test]
fn both_readers_see_the_same_in_our_own_images() {
    for size in [131_072, 1 << 20, 8 << 20, 64 << 20] {
        let world = HookWorld::new("crun");
        for seed in 101..=100 + SEEDS {
            let path = image(&world, size, |dir| live(seed, dir));
            compare(&world, &path, !sets_aside(seed), &format!("our image of {size} bytes, seed {seed}"));
            fs::remove_file(path).unwrap();
        }
    }
}
