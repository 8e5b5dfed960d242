//! Files with very many names: a container can make hundreds of thousands of hard links in a small image. Work is
//! counted, since a time says little on a machine that does other things too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oci_minidump::deadline::Deadline;
use oci_minidump::error::{ErrorKind, Result};
use oci_minidump::harvest::take::published::Published;
use oci_minidump::harvest::take::{Bounds, Taken, take};
use oci_minidump::harvest::{IfAttached, Job, Owner};
use oci_minidump::image::read::files::{ImageFiles, Listing, Place, pump};
use oci_minidump::image::read::kernel::Mounted;
use oci_minidump::image::read::user_space::UserSpace;
use oci_minidump::settings::DEFAULT_IMGSIZE;
use oci_minidump::settings::admin::Admin;

use crate::images::{image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::hook_program;

/// The size of the real dumps, and how many there are.
const SIZE: usize = 10_000;
const DUMPS: usize = 40;
/// ext4 has at most 65,000 names for a file.
const LINKED: usize = 4;
const LINKS: usize = 50_000;

/// Puts dumps into `dir`, among 200,000 names of four of them.
fn fill(dir: &Path) {
    let dump = |n: usize| {
        let mut bytes = whole_dump(SIZE);
        bytes[SIZE - 1] = u8::try_from(n).unwrap();
        fs::write(dir.join(format!("real{n}.dmp")), bytes).unwrap();
    };
    (0..DUMPS / 2).for_each(dump);
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |n: usize| char::from(digits[n % digits.len()]);
    for n in 0..LINKED * LINKS {
        let name: String = [n, n / 36, n / 1296, n / 46_656].map(digit).iter().collect();
        fs::hard_link(dir.join(format!("real{}.dmp", n % LINKED)), dir.join(name + ".dmp")).unwrap();
    }
    (DUMPS / 2..DUMPS).for_each(dump);
}

/// A reader that counts what it is asked for.
struct Counted<F> {
    files: F,
    heads: usize,
    copies: usize,
}

impl<F: ImageFiles> Counted<F> {
    fn new(files: F) -> Self {
        Self { files, heads: 0, copies: 0 }
    }
}

impl<F: ImageFiles> ImageFiles for Counted<F> {
    fn list(&mut self, deadline: Deadline) -> Result<Listing> {
        self.files.list(deadline)
    }

    fn head(&mut self, place: &Place) -> Result<Vec<u8>> {
        self.heads += 1;
        self.files.head(place)
    }

    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        self.copies += 1;
        self.files.copy(place, limit, target, deadline)
    }
}

fn harvest(world: &HookWorld, files: &mut impl ImageFiles, to: &Path, deadline: Deadline) -> Result<Taken> {
    let admin = Admin::load(&world.path("settings.toml"))?;
    let (owner, if_attached, detach_timeout) = (Owner::default(), IfAttached::Refuse, Duration::ZERO);
    let (destination, mount, admin) = (to, None, &admin);
    let job = Job { destination, mount, owner, admin, if_attached, detach_timeout, deadline };
    take(
        files,
        job,
        Bounds { budget: 2 * DEFAULT_IMGSIZE, deadline, is_mounted: false },
        &Published::default(),
    )
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn every_file_is_judged_once_however_many_names_it_has() {
    let world = HookWorld::new("crun");
    let path = image(&world, DEFAULT_IMGSIZE, fill);
    let file = open(&path);
    let (user, kernel) = (world.path("user"), world.path("kernel"));
    let mut files = Counted::new(UserSpace::open(&file).unwrap());
    check(&world, &mut files, &user);
    let mut files = Counted::new(Mounted::open(&file, &path, false).unwrap());
    check(&world, &mut files, &kernel);
    drop(files);
    // What counts on the whole: the system calls, of which there used to be several for each name.
    let counts = world.path("counts");
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&counts).arg(hook_program()).arg("--settings");
    command.arg(world.path("settings.toml")).arg("harvest").arg(&path).arg("--to").arg(world.dumps_dir());
    let run = world.feed(command, "").expect(0);
    assert_eq!(world.dumps().len(), DUMPS, "{}", run.story());
    let table = fs::read_to_string(counts).unwrap();
    let total = table.lines().last().unwrap().split_whitespace().nth(2).unwrap();
    let total: usize = total.parse().unwrap_or_else(|_| panic!("{table}"));
    assert!(total < 50_000, "{table}");
}

fn check(world: &HookWorld, files: &mut Counted<impl ImageFiles>, to: &Path) {
    let taken = harvest(world, files, to, Deadline::NONE).unwrap();
    assert_eq!((taken.dumps.len(), taken.skipped.len()), (DUMPS, 0));
    assert_eq!((files.heads, files.copies), (DUMPS, DUMPS));
    let mut last: Vec<u8> = crate::support::host::files_in(to)
        .iter()
        .map(|path| {
            let bytes = fs::read(path).unwrap();
            assert!(bytes[..SIZE - 1] == whole_dump(SIZE)[..SIZE - 1], "{}", path.display());
            bytes[SIZE - 1]
        })
        .collect();
    last.sort_unstable();
    assert_eq!(last, (0..u8::try_from(DUMPS).unwrap()).collect::<Vec<_>>());
}

#[test]
fn a_deadline_that_has_passed_ends_the_looking() {
    let world = HookWorld::new("crun");
    let path = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("a.dmp"), whole_dump(SIZE)).unwrap();
        for n in 0..1000 {
            fs::hard_link(dir.join("a.dmp"), dir.join(format!("{n}.dmp"))).unwrap();
        }
    });
    let file = open(&path);
    let to = world.dumps_dir();
    let past = Deadline::after(Duration::ZERO);
    let user = harvest(&world, &mut UserSpace::open(&file).unwrap(), &to, past).unwrap_err();
    let kernel = harvest(&world, &mut Mounted::open(&file, &path, false).unwrap(), &to, past).unwrap_err();
    assert_eq!([user.kind(), kernel.kind()], [ErrorKind::Timeout; 2]);
    assert!(!to.exists());
    fs::remove_file(path).unwrap();
}

/// A reader whose first copy is as it should be, and whose second one never ends.
struct Endless<F> {
    files: F,
    copies: usize,
    place: PathBuf,
}

impl<F: ImageFiles> ImageFiles for Endless<F> {
    fn list(&mut self, _deadline: Deadline) -> Result<Listing> {
        self.files.list(Deadline::NONE)
    }

    fn head(&mut self, place: &Place) -> Result<Vec<u8>> {
        self.files.head(place)
    }

    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        self.copies += 1;
        if self.copies == 1 {
            return self.files.copy(place, limit, target, Deadline::NONE);
        }
        assert_eq!(crate::support::host::files_in(&self.place).len(), 1, "the first is not published yet");
        pump(target, u64::MAX, deadline, |chunk| Ok(chunk.len()))
    }
}

#[test]
fn a_copy_ends_at_its_deadline_and_leaves_nothing_half_made() {
    let world = HookWorld::new("crun");
    let path = image(&world, DEFAULT_IMGSIZE, |dir| {
        for name in ["a.dmp", "b.dmp"] {
            fs::write(dir.join(name), whole_dump(SIZE)).unwrap();
        }
    });
    let to = world.dumps_dir();
    let files = UserSpace::open(&open(&path)).unwrap();
    let mut files = Endless { files, copies: 0, place: to.clone() };
    let error = harvest(&world, &mut files, &to, Deadline::after(Duration::from_secs(2))).unwrap_err();
    assert_eq!((error.kind(), files.copies), (ErrorKind::Timeout, 2), "{}", error.report());
    assert!(fs::read(world.dump()).unwrap() == whole_dump(SIZE));
    fs::remove_file(path).unwrap();
}
