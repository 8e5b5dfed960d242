//! The hook's commands and options: the one list by which its command line is parsed, and from which its help, its
//! manual page and its shell completions are made.

/// An option of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// Its name, without the dashes.
    pub long: &'static str,
    /// Its other name of one letter.
    pub short: Option<char>,
    /// What its value is called; a flag has none.
    pub value: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

/// A command for people.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// What it is given without a name: `BUNDLE`, `FILE...`, or nothing.
    pub operand: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The same at length, in lines for a terminal.
    pub details: &'static str,
    /// The options that must be given.
    pub needed: &'static [Opt],
    /// The options that may be given.
    pub optional: &'static [Opt],
}

/// What the program does, in a line.
pub const ABOUT: &str = "Gets minidumps (Breakpad, Crashpad) out of OCI containers.";

/// How a runtime calls the program.
pub const HOOK_USAGE: &str = "[prestart | createRuntime | poststop] [--config FILE] [--added JSON]";

const fn option(long: &'static str, value: &'static str, about: &'static str) -> Opt {
    Opt { long, short: None, value: Some(value), about }
}

const fn flag(long: &'static str, short: Option<char>, about: &'static str) -> Opt {
    Opt { long, short, value: None, about }
}

/// The directory in the container.
pub(super) const CONTAINER_SOURCE: Opt =
    option("container-source", "PATH", "the directory in the container into which the crash handler writes");
/// The directory on the host.
pub(super) const HOST_DESTINATION: Opt =
    option("host-destination", "DIR", "the directory on the host into which the dumps go");
/// The image.
pub(super) const IMAGE: Opt = option(
    "image",
    "FILE",
    "the image that backs the directory (default: one in /var/lib/oci-minidump/images)",
);
/// The size of the image.
pub(super) const IMGSIZE: Opt =
    option("imgsize", "SIZE", "its size in bytes, or with K, M or G (default 8M, at least 128K)");
/// Whether the container needs it.
pub(super) const REQUIRED: Opt =
    option("required", "true|false", "whether the container may only start with it (default true)");
/// Where dumps go.
pub(super) const TO: Opt = option("to", "DIR", "the directory into which the dumps go");
/// Containers that run.
pub(super) const RUNNING: Opt = flag("running", None, "harvest containers that run");
/// For as long as it runs.
pub(super) const WATCH: Opt = flag("watch", None, "stay, and harvest containers while they run");
/// Without a pause.
pub(super) const NOW: Opt = flag("now", None, "also dumps that wait for another attempt");
/// When the hook has ended.
pub(super) const AFTER: Opt =
    option("after", "PID", "first wait for the end of a process, 10 s at most (as a hook)");
/// Dumps of one container.
pub(super) const CONTAINER: Opt = option("container", "ID", "only dumps of this container");
/// Dumps of one program.
pub(super) const PROGRAM: Opt = option("program", "NAME", "only dumps of programs with this file name");
/// The oldest.
pub(super) const SINCE: Opt = option(
    "since",
    "TIME",
    "no older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)",
);
/// The newest.
pub(super) const UNTIL: Opt = option("until", "TIME", "no newer dumps");
/// How many.
pub(super) const LAST: Opt = option("last", "N", "at most this many dumps, the newest");
/// Nothing is changed.
pub(super) const DRY_RUN: Opt = flag("dry-run", None, "only say what would be written");
/// The other direction.
pub(super) const UNDO: Opt = flag("undo", None, "take away what was written");
/// A trial.
pub(super) const CRASH: Opt =
    flag("crash", None, "run a container that crashes in each engine, and show that its dump arrives");
/// Another root directory.
pub(super) const ROOT: Opt = option(
    "root",
    "DIR",
    "the root directory of the host or image to change, in which the hook is installed",
);
/// Results for programs.
pub(super) const JSON: Opt = flag("json", None, "print the result as JSON");
/// The kernel's settings.
pub(super) const PATTERN: Opt =
    flag("pattern", None, "print the settings (sysctl.d) with which the kernel calls it, and change nothing");
/// Plans from a file.
pub(super) const CONFIG: Opt = option(
    "config",
    "FILE",
    "plans as a JSON object {\"paths\": [...]}, instead of annotations and config.json (as a hook)",
);
/// What `add` wrote.
pub(super) const ADDED: Opt = option(
    "added",
    "JSON",
    "what 'add' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)",
);
/// The administrator's settings.
pub(super) const SETTINGS: Opt =
    option("settings", "FILE", "the administrator's settings (default /etc/oci-minidump.toml)");
/// Help.
pub(super) const HELP: Opt = flag("help", Some('h'), "print help, also for each command");
/// The version.
pub(super) const VERSION: Opt = flag("version", Some('V'), "print the version");

/// The options that every command takes, and the hook.
pub const GLOBAL: &[Opt] = &[CONFIG, ADDED, SETTINGS, HELP, VERSION];

/// Every command for people.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "add",
        operand: "BUNDLE",
        about: "register the hook in a bundle, and add a minidump directory",
        details: "\
Registers this program as prestart and poststop hook in BUNDLE/config.json and adds a minidump directory to
rdkPlugins.minidump. Everything else in the file is kept. Running it twice changes nothing. A copy of that section goes
into the hook's arguments, for engines that drop it (containerd). Prints what 'check' says of the result.",
        needed: &[CONTAINER_SOURCE, HOST_DESTINATION],
        optional: &[IMAGE, IMGSIZE, REQUIRED],
    },
    Verb {
        name: "remove",
        operand: "BUNDLE",
        about: "take the hook and its section out of a bundle",
        details: "Removes the hook and rdkPlugins.minidump from BUNDLE/config.json, and nothing else.",
        needed: &[],
        optional: &[],
    },
    Verb {
        name: "check",
        operand: "BUNDLE",
        about: "say what the hook would do for a bundle, or what is wrong and where",
        details: "\
Reads BUNDLE as the hook would and says what would happen, or what is wrong and where. Changes nothing.
Exits with 4 when something is wrong.",
        needed: &[],
        optional: &[JSON],
    },
    Verb {
        name: "doctor",
        operand: "",
        about: "say whether dumps will arrive on this host, or what to do",
        details: "\
Looks at the kernel, the tools, the settings, and each runtime and engine that is there: is it set up to call this hook?
Changes nothing but for --crash, which leaves nothing. Exits with 4 when something is wrong.",
        needed: &[],
        optional: &[CRASH, JSON],
    },
    Verb {
        name: "enable",
        operand: "ENGINE",
        about: "set up an engine so that it calls the hook, or the kernel",
        details: "\
Writes what ENGINE (podman, crio, containerd, docker, lxc or crun) needs to call the hook, and says each file. Nothing of
the administrator's is changed but by added lines; --undo takes away exactly what was written. With --settings, the hook
that is registered reads those settings.
'enable core' has the kernel call 'core' at every crash, now and after every boot, and the handler that is there now for
all that are not ours; --undo sets what was there before.",
        needed: &[],
        optional: &[DRY_RUN, UNDO, ROOT],
    },
    Verb {
        name: "harvest",
        operand: "[IMAGE | ID...]",
        about: "take the dumps out of an image, or out of running containers",
        details: "\
Takes the minidumps out of IMAGE into DIR, and removes the image when everything in it is safe.
An image that another program made is read, too, and kept.
With --running, brings the complete dumps of the containers ID, or of all that run, to their destinations, and removes
each from its image when it is safe. What a program is still writing is left.",
        needed: &[],
        optional: &[TO, RUNNING, JSON],
    },
    Verb {
        name: "sweep",
        operand: "",
        about: "harvest what poststop missed",
        details: "\
Harvests what poststop missed: images of containers that are gone, and images that a power cut left. Run it at boot.
Exits with 1 when something could not be harvested; it is kept for the next time.
With --watch, stays, and brings each dump of a container that runs to the host as soon as it is complete, as
'harvest --running' does. With --json, that is a line for each image with dumps.",
        needed: &[],
        optional: &[WATCH, JSON],
    },
    Verb {
        name: "notify",
        operand: "",
        about: "hand over the dumps that wait for it",
        details: "\
Hands over the published dumps that wait for it, as [notify] in the settings says: to a program, to a socket. The hook
starts it by itself; sweep and harvest end with it. Run it when a program that failed can work again.
Exits with 1 when a dump is left for another attempt, and with 6 when another process hands over dumps.",
        needed: &[],
        optional: &[NOW, AFTER],
    },
    Verb {
        name: "list",
        operand: "[DIR...]",
        about: "list the dumps that were brought to this host, newest first",
        details: "\
Lists the dumps in each DIR, newest first: time, container, program, signal, module and offset, size, whether the
file is whole, path; from its crash record, what people call the container; how many crashes before it were not kept.
Without DIR, those in every directory to which dumps were brought or will be.",
        needed: &[],
        optional: &[CONTAINER, PROGRAM, SINCE, UNTIL, LAST, JSON],
    },
    Verb {
        name: "core",
        operand: "PID TID SIGNAL [PIDFD] [-- PREVIOUS...]",
        about: "write a minidump of a crash (called by the kernel)",
        details: "\
Called by the kernel at every crash, with a core file on stdin (kernel.core_pattern, core(5)). Writes a minidump when
the program is in a container that asked for it (\"core\": true, annotation org.rdk.minidump.core=true). Every other
crash is for the program PREVIOUS, which gets the core file untouched.",
        needed: &[],
        optional: &[PATTERN],
    },
    Verb {
        name: "info",
        operand: "[FILE...]",
        about: "summarise crashes from their minidumps",
        details: "\
Summarises a crash from the minidump: signal, address, module and offset, thread, build id, time,
and whether the file is whole; then what its crash record says, if there is one. Without FILE, the newest dump
of those that 'list' shows. The stacks in it are printed by 'oci-minidump-stack info', if that is installed.",
        needed: &[],
        optional: &[JSON],
    },
];

impl Opt {
    /// The option with its value, as in `--to DIR`.
    #[must_use]
    pub fn shown(&self) -> String {
        self.value.map_or(format!("--{}", self.long), |value| format!("--{} {value}", self.long))
    }
}

impl Verb {
    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VERBS.iter().find(|verb| verb.name == name)
    }

    /// The command line without the program, such as `harvest IMAGE --to DIR [--json]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        let operand = Some(self.operand.to_owned()).filter(|operand| !operand.is_empty());
        let needed = self.needed.iter().map(Opt::shown);
        let optional = self.optional.iter().map(|option| format!("[{}]", option.shown()));
        let (first, last) = if self.operand.contains("[-- ") { (None, operand) } else { (operand, None) };
        for part in first.into_iter().chain(needed).chain(optional).chain(last) {
            usage.push(' ');
            usage.push_str(&part);
        }
        usage
    }
}

/// Every option that there is.
pub(super) fn options() -> impl Iterator<Item = &'static Opt> {
    GLOBAL.iter().chain(VERBS.iter().flat_map(|verb| verb.needed.iter().chain(verb.optional)))
}
