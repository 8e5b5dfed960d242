//! Where it happens: directories, bundles, and a script through which every hook runs, so that one can be harmed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::operations::{Action, BUNDLES, CONTAINERS, DESTINATIONS, IMAGES, Wish};
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::{command, hook_program, wait_until};
use crate::support::programs::fault_injector;
use crate::support::run::Run;

/// The names of containers, bundles, images and destinations. The last image lies where only the list of known
/// directories leads.
const CONTAINER: [&str; CONTAINERS] = ["app-1", "app-2", "app-3"];
const BUNDLE: [&str; BUNDLES] = ["one", "two"];
const IMAGE: [&str; IMAGES] = ["images/one.img", "images/two.img", "elsewhere/three.img"];
const DESTINATION: [&str; DESTINATIONS] = ["dumps", "small"];
/// The sizes of the bundles' images: one is a copy of the template, the other one `mke2fs` makes.
const IMGSIZE: [u64; BUNDLES] = [8 << 20, 1 << 20];
/// A program's name of which the kernel keeps 15 bytes, the last of them half a character.
const ODD_NAME: &str = "/a-long-name--é";
/// The options of the file system that is a destination.
const SMALL: &str = "mode=700,size=16m";

/// Harm that is done to the next hook of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// As `examples/fault_injector.rs` understands it: the calls that count, and what happens at which of them.
    pub(crate) what: String,
    /// Where the calls are listed.
    pub(crate) report: PathBuf,
}

/// Everything on the host that takes part.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) bundles: Vec<Bundle>,
    pub(crate) world: HookWorld,
}

impl Place {
    pub(crate) fn new(runtime: &'static str) -> Self {
        let world = HookWorld::new(runtime);
        for dir in ["elsewhere", "dumps", "small"] {
            fs::create_dir(world.path(dir)).unwrap();
        }
        let small = world.path("small");
        let words = ["-t", "tmpfs", "-o", SMALL, "tmpfs"].map(OsStr::new);
        command("mount", &[&words[..], &[small.as_os_str()]].concat());
        let bundles = BUNDLE.map(|name| world.bundle(name, &["sleep", "1000000"])).into();
        let place = Self { bundles, world };
        fs::write(place.script(), place.script_text()).unwrap();
        for bundle in &place.bundles {
            fs::hard_link(bundle.rootfs().join("crasher"), bundle.rootfs().join(&ODD_NAME[1..])).unwrap();
            bundle.edit(|config| {
                for stage in ["prestart", "poststop"] {
                    let arguments = json!(["sh", place.script(), stage]);
                    config["hooks"][stage] = json!([{"path": "/bin/sh", "args": arguments, "timeout": 60}]);
                }
            });
        }
        place
    }

    fn script(&self) -> PathBuf {
        self.world.path("hook.sh")
    }

    /// The script is called with a stage. The first hook that finds a fault laid for its stage takes it.
    fn script_text(&self) -> String {
        let (dir, hook, faulty) = (self.world.dir.display(), hook_program(), fault_injector());
        let run = format!("'{}' --settings '{dir}/settings.toml' \"$1\" 2>>'{dir}/hook.log'", hook.display());
        format!(
            "fault='{dir}'/fault-$1\n\
             if [ -e \"$fault\" ] && mv \"$fault\" \"$fault.$$\" 2>/dev/null; then\n\
             read -r kinds what report <\"$fault.$$\"\n\
             rm \"$fault.$$\"\n\
             exec '{}' \"$report\" \"$kinds\" \"$what\" {run}\n\
             fi\n\
             exec {run}\n",
            faulty.display()
        )
    }

    fn fault_file(&self, action: Action) -> PathBuf {
        self.world.path(match action {
            Action::Start { .. } => "fault-prestart",
            Action::Delete { .. } | Action::Poststop { .. } => "fault-poststop",
            Action::Sweep { .. } => "fault-sweep",
        })
    }

    /// Lays a fault for the hook that `action` will run.
    pub(crate) fn lay(&self, action: Action, fault: &Fault) {
        fs::write(self.fault_file(action), format!("{} {}\n", fault.what, fault.report.display())).unwrap();
    }

    /// Takes a fault away that no hook took.
    pub(crate) fn lift(&self, action: Action) {
        let _taken = fs::remove_file(self.fault_file(action));
    }

    /// What the container is called.
    pub(crate) fn id(&self, container: usize) -> String {
        self.world.id(CONTAINER[container])
    }

    /// Whether the runtime knows the container.
    pub(crate) fn exists(&self, container: usize) -> bool {
        self.world.path("runtime").join(self.id(container)).exists()
    }

    /// Where the number of a container's first process is written.
    pub(crate) fn pid_file(&self, container: usize) -> PathBuf {
        self.world.path(format!("{}.pid", CONTAINER[container]))
    }

    /// Does what makes the hook run.
    pub(crate) fn perform(&self, action: Action) -> Run {
        match action {
            Action::Start { container, bundle } => {
                let (pid_file, id) = (self.pid_file(container), self.id(container));
                let words = ["run", "--detach", "--bundle"].map(OsStr::new);
                let words = words.into_iter().chain([self.bundles[bundle].dir.as_os_str()]);
                let more = [OsStr::new("--pid-file"), pid_file.as_os_str(), OsStr::new(&id)];
                self.world.feed(self.world.runtime(&words.chain(more).collect::<Vec<_>>()), "")
            }
            Action::Delete { container } => {
                self.world.control(&["delete", "--force"], CONTAINER[container], &[])
            }
            Action::Poststop { container, bundle } => {
                let state = self.world.stopped_state(&self.bundles[bundle], CONTAINER[container]);
                self.hook(&["sh"], "poststop", &state)
            }
            Action::Sweep { elsewhere: false } => self.hook(&["sh"], "sweep", ""),
            Action::Sweep { elsewhere: true } => {
                self.hook(&["unshare", "--pid", "--fork", "--mount-proc", "sh"], "sweep", "")
            }
        }
    }

    /// Runs the hook by hand.
    fn hook(&self, shell: &[&str], stage: &str, input: &str) -> Run {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(self.script()).arg(stage).current_dir("/");
        self.world.feed(command, input)
    }

    /// The image that a bundle names when it has this wish.
    pub(crate) fn image(&self, wish: Wish) -> PathBuf {
        self.world.path(IMAGE[wish.image])
    }

    /// The directories in which images are.
    pub(crate) fn image_dirs(&self) -> [PathBuf; 2] {
        ["images", "elsewhere"].map(|dir| self.world.path(dir))
    }

    /// A destination, wherever its directory is just now.
    pub(crate) fn destination(&self, number: usize) -> PathBuf {
        let away = self.away(number);
        if away.exists() { away } else { self.world.path(DESTINATION[number]) }
    }

    fn away(&self, number: usize) -> PathBuf {
        self.world.path(format!("{}.away", DESTINATION[number]))
    }

    /// Writes a bundle's configuration.
    pub(crate) fn configure(&self, bundle: usize, wish: Wish) {
        self.bundles[bundle].edit(|config| {
            config["process"]["args"][0] = json!(if wish.odd_name { ODD_NAME } else { "/crasher" });
            config["rdkPlugins"]["minidump"] = json!({"required": wish.required, "data": {"paths": [{
                "image": self.image(wish), "containerSource": SOURCE, "imgsize": IMGSIZE[bundle],
                "hostDestination": self.world.path(DESTINATION[wish.destination]),
            }]}});
        });
    }

    /// Makes a destination useless: a file stands in its place, or nearly all of its room is taken.
    pub(crate) fn obstruct(&self, number: usize) {
        let dir = self.world.path(DESTINATION[number]);
        if number == 0 {
            fs::rename(&dir, self.away(number)).unwrap();
            fs::write(dir, "in the way").unwrap();
        } else {
            let room = rustix::fs::statvfs(&dir).unwrap();
            let file = fs::File::create(dir.join(".filler")).unwrap();
            let size = room.f_frsize * room.f_bavail.saturating_sub(2);
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).unwrap();
        }
    }

    /// Makes it useful again.
    pub(crate) fn clear(&self, number: usize) {
        let dir = self.world.path(DESTINATION[number]);
        if number == 0 {
            fs::remove_file(&dir).unwrap();
            fs::rename(self.away(number), dir).unwrap();
        } else {
            fs::remove_file(dir.join(".filler")).unwrap();
        }
    }

    /// Gives up the file system that is a destination.
    pub(crate) fn unmount(&self) {
        let umount = |dir: &Path| Command::new("umount").arg(dir).output().unwrap().status.success();
        // A program that another world is just starting has a copy of our open files for a moment.
        wait_until(|| umount(&self.world.path("small")));
    }
}
