//! Somebody changes things while the hook looks at them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use oci_minidump::hook::attach::{Item, Source, attach};
use oci_minidump::hook::container::Container;
use oci_minidump::image::create::NewImage;
use oci_minidump::image::loopback::LoopDevice;
use oci_minidump::image::mount::detached::{Detached, is_too_old};
use oci_minidump::image::mount::options::{Access, Writable};
use oci_minidump::image::mount::private_namespace::mount_in_private_namespace;
use oci_minidump::settings::{DEFAULT_IMGSIZE, Plan};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::json;

use crate::held::Held;
use crate::images::{dump_bytes, image};
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::hook_program;
use crate::support::test_runtimes::runtimes;

/// How long between two changes; a timer makes some 60 microseconds of it, a tenth of what a round takes.
const PAUSE: Duration = Duration::from_micros(5);
/// What is exchanged: a directory of the path for a link to the host. The last needs the directory to be there.
const EXCHANGES: [(&str, &str); 3] =
    [("opt", "absolute"), ("opt", "climbing"), ("opt/minidumps", "opt/leaf")];

/// A root file system in which a path changes all the time, and a file system that is mounted on that path again and
/// again.
struct Field {
    rootfs: PathBuf,
    held: Held,
    container: Container,
    device: LoopDevice,
    writable: Writable,
    /// One mount that stays, so that the others cost little.
    kept: fs::File,
    /// Goes last, when everything else is given up.
    world: HookWorld,
}

impl Field {
    fn new() -> Self {
        let world = HookWorld::new("crun");
        let rootfs = world.bundle("app", &["none"]).rootfs();
        // Where links lead to on the host: in one the directory is there, in the other one it could be made.
        for dir in ["ready/minidumps", "bare"] {
            fs::create_dir_all(world.path(dir)).unwrap();
        }
        let climbing = Path::new("../../../../../../../../../../../..");
        fs::create_dir_all(rootfs.join("opt/minidumps")).unwrap();
        symlink(world.path("ready"), rootfs.join("absolute")).unwrap();
        symlink(climbing.join(world.path("bare").strip_prefix("/").unwrap()), rootfs.join("climbing"))
            .unwrap();
        symlink(world.path("ready/minidumps"), rootfs.join("opt/leaf")).unwrap();
        let plan = Plan {
            image: world.image("app"),
            container_source: SOURCE.into(),
            host_destination: world.dumps_dir(),
            imgsize: DEFAULT_IMGSIZE,
            backing: None,
            origin: "test".to_owned(),
        };
        let image = NewImage::make(&plan, (0, 0)).unwrap();
        let device = LoopDevice::attach(image.file(), &plan.image, false).unwrap();
        let held = Held::new();
        let container = Container::open(held.pid().cast_signed(), &rootfs, (0, 0)).unwrap();
        let writable = Writable::new(true, None);
        let kept = mount_in_private_namespace(&device, Access::Container(&writable)).unwrap();
        Self { rootfs, held, container, device, writable, kept, world }
    }

    /// Exchanges parts of the path for links, and back, until `done`. Gives how often.
    fn swap(&self, done: &AtomicBool, exchanges: &[(&str, &str)]) -> u64 {
        let exchanges: Vec<(PathBuf, PathBuf)> =
            exchanges.iter().map(|(one, other)| (self.rootfs.join(one), self.rootfs.join(other))).collect();
        let mut count = 0;
        while !done.load(Ordering::Relaxed) {
            for (one, other) in &exchanges {
                for _ in 0..2 {
                    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
                    count += 1;
                    // As fast as it can, nobody gets through: the kernel and the hook try each path again and again.
                    std::thread::sleep(PAUSE);
                }
            }
        }
        count
    }

    /// Mounts `rounds` times, and looks each time where the mount is. Gives how often there was one.
    fn mount(&self, rounds: u32, missing: bool, source: impl Fn() -> Source) -> u32 {
        // This thread sees what the container sees.
        unshare(CloneFlags::CLONE_FS).unwrap();
        let namespace = fs::File::open(format!("/proc/{}/ns/mnt", self.held.pid())).unwrap();
        setns(namespace, CloneFlags::CLONE_NEWNS).unwrap();
        let mut mounted = 0;
        for round in 0..rounds {
            let source = source();
            let item = Item { source: &source, device: &self.device, target: Path::new(SOURCE) };
            let result = attach(&self.container, &[item], true);
            let points = self.points();
            let inside = |point: &PathBuf| point.starts_with(&self.rootfs);
            assert!(points.iter().all(inside), "round {round}: {points:?} is outside {result:?}");
            assert_eq!(
                points.len(),
                usize::from(result.is_ok()),
                "round {round}: {points:?} after {result:?}"
            );
            for point in points {
                // The path changes while it is used; the mount is on the directory, wherever that is called now.
                while self.points().contains(&point) || !self.points().is_empty() {
                    for point in self.points() {
                        let _moved = unmount(&point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
                    }
                }
                mounted += 1;
            }
            if missing {
                self.remove_directory();
            }
        }
        mounted
    }

    /// Removes the directory, wherever its parent is called now: under the one name that is no link.
    fn remove_directory(&self) {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name: &str| rustix::fs::open(self.rootfs.join(name), flags, Mode::empty()).ok();
        let Some(parent) = std::iter::repeat(["opt", "absolute", "climbing"]).flatten().find_map(open) else {
            return;
        };
        match rustix::fs::unlinkat(parent, "minidumps", AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => panic!("cannot remove the directory: {error}"),
        }
    }

    /// Where the device is mounted, as this thread sees it.
    fn points(&self) -> Vec<PathBuf> {
        let number = self.device.number().unwrap();
        let device = format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number));
        let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines.filter(|fields| fields[2] == device).map(|fields| PathBuf::from(fields[4])).collect()
    }

    /// Races `rounds` mounts against the swaps.
    fn race(&self, name: &str, rounds: u32, missing: bool, source: impl Fn() -> Source + Send) {
        let (done, begin) = (AtomicBool::new(false), Instant::now());
        fs::create_dir_all(self.rootfs.join("opt/minidumps")).unwrap();
        let (swaps, mounted) = std::thread::scope(|scope| {
            let swapper =
                scope.spawn(|| self.swap(&done, if missing { &EXCHANGES[..2] } else { &EXCHANGES }));
            let mounter = scope.spawn(|| self.mount(rounds, missing, source));
            let mounted = mounter.join();
            done.store(true, Ordering::Relaxed);
            (swapper.join().unwrap(), mounted.unwrap())
        });
        println!("{name}: {rounds} rounds, {mounted} mounted, {swaps} swaps, {:?}", begin.elapsed());
        assert!(
            mounted > rounds / 100 && swaps > u64::from(rounds),
            "{name}: {mounted} mounts, {swaps} swaps"
        );
        // Nothing came through to the host, no directory either.
        assert_eq!(crate::support::host::files_in(&self.world.path("bare")), [] as [PathBuf; 0], "{name}");
        assert_eq!(fs::read_dir(self.world.path("ready/minidumps")).unwrap().count(), 0, "{name}");
        let outside = self.world.leaks();
        assert!(outside.iter().all(|leak| leak.starts_with("loop device")), "{name}: {outside:?}");
    }

    fn on_device(&self) -> Source {
        Source::Device { writable: self.writable.clone(), kept: self.kept.try_clone().unwrap() }
    }

    fn detached(&self) -> Source {
        match Detached::mount(&self.device, Access::Container(&self.writable)) {
            // The suite runs once with an old kernel.
            Err(error) if is_too_old(&error) => self.on_device(),
            other => Source::Detached(other.unwrap()),
        }
    }
}

/// Takes openat2 away from this thread and those that it starts.
fn forget_openat2() {
    let rules = [(nix::libc::SYS_openat2, Vec::new())].into_iter().collect();
    let nosys = SeccompAction::Errno(nix::libc::ENOSYS.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, nosys, architecture).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

#[test]
fn a_path_that_changes_while_it_is_mounted_on_never_leads_outside() {
    let field = Field::new();
    field.race("detached mounts", 6000, false, || field.detached());
    field.race("a directory to be made", 6000, true, || field.detached());
    field.race("mount(2)", 3000, false, || field.on_device());
    // Last: pathrs remembers that there is no openat2.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            forget_openat2();
            field.race("without openat2", 3000, false, || field.detached());
            field.race("a directory to be made without openat2", 3000, true, || field.on_device());
        });
    });
}

/// The hook at work.
fn start(world: &HookWorld, arguments: &[&str], input: &str) -> Child {
    let mut command = Command::new(hook_program());
    command.arg("--settings").arg(world.path("settings.toml")).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child
}

/// Its exit code and what it said.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn created(world: &HookWorld, bundle: &Bundle, name: &str, held: &Held) -> String {
    json!({"id": world.id(name), "status": "created", "bundle": bundle.dir, "pid": held.pid()}).to_string()
}

/// Does something in several worlds at once.
fn everywhere(rounds: usize, work: impl Fn(HookWorld) + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..rounds {
            scope.spawn(|| work(HookWorld::new("crun")));
        }
    });
}

#[test]
fn of_two_starts_with_one_image_at_once_exactly_one_succeeds() {
    everywhere(12, |world| {
        let bundle = world.bundle("app", &["none"]);
        let both = [Held::new(), Held::new()];
        let starts: Vec<Child> = ["one", "two"]
            .iter()
            .zip(&both)
            .map(|(name, held)| start(&world, &["prestart"], &created(&world, &bundle, name, held)))
            .collect();
        let ends: Vec<(Option<i32>, String)> = starts.into_iter().map(end).collect();
        let mut codes: Vec<i32> = ends.iter().filter_map(|(code, _)| *code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 6], "{ends:?}");
        for (held, (code, _)) in both.iter().zip(&ends) {
            assert_eq!(held.has_directory(&bundle), *code == Some(0), "{ends:?}");
            if *code == Some(0) {
                fs::write(held.directory(&bundle).join("a.dmp"), dump_bytes(5000)).unwrap();
            }
        }
        drop(both);
        // The one that was refused is deleted first; it must not take the image of the other one.
        let names = ["one", "two"];
        let (won, lost) = if ends[0].0 == Some(0) { (names[0], names[1]) } else { (names[1], names[0]) };
        world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, won)).expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000));
        world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, lost)).expect(0);
        assert_eq!(world.dumps().len(), 1);
    });
}

#[test]
fn a_start_and_harvests_at_once_give_every_dump_once() {
    everywhere(12, |world| {
        let made =
            image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), dump_bytes(50_000)).unwrap());
        fs::rename(made, world.image("app")).unwrap();
        let bundle = world.bundle("app", &["none"]);
        let held = Held::new();
        let (image, to) = (world.image("app"), world.dumps_dir());
        let by_hand = ["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()];
        let stopped = world.stopped_state(&bundle, "c");
        let both = [
            start(&world, &by_hand, ""),
            start(&world, &["prestart"], &created(&world, &bundle, "c", &held)),
            start(&world, &["poststop"], &stopped),
            start(&world, &by_hand, ""),
        ];
        let ends: Vec<(Option<i32>, String)> = both.into_iter().map(end).collect();
        assert_eq!((ends[1].0, ends[2].0), (Some(0), Some(0)), "{ends:?}");
        assert!(held.has_directory(&bundle), "{ends:?}");
        // By hand there may be no image any more.
        assert!([&ends[0], &ends[3]].iter().all(|(code, _)| matches!(code, Some(0 | 3))), "{ends:?}");
        fs::write(held.directory(&bundle).join("b.dmp"), dump_bytes(5000)).unwrap();
        drop(held);
        world.hook_with_input(&["poststop"], &stopped).expect(0);
        for (name, size) in [("a.dmp", 50_000), ("b.dmp", 5000)] {
            assert!(fs::read(to.join(name)).unwrap_or_default() == dump_bytes(size), "{name}: {ends:?}");
        }
        assert_eq!(world.dumps().len(), 2, "{ends:?}");
    });
}

#[test]
fn two_deletes_at_once_give_every_dump_once() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "50000", "write", "b.dmp", "600000", "none"]);
        world.create(&bundle, "c").expect(0);
        world.control(&["start"], "c", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "c");
        std::thread::scope(|scope| {
            // One of them, or both, may find the container half gone; what counts is what is left.
            let deletes = [0, 1].map(|_| scope.spawn(|| world.control(&["delete", "--force"], "c", &[])));
            let codes = deletes.map(|delete| delete.join().unwrap().code());
            assert!(codes.contains(&Some(0)), "{codes:?}\n{}", world.log());
        });
        assert_eq!(world.dumps().len(), 2, "{}", world.log());
        assert!(fs::read(world.dumps_dir().join("b.dmp")).unwrap() == dump_bytes(600_000), "{}", world.log());
    }
}
