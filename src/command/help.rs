//! The texts of `--help`.

/// The answer to `--version`.
pub const VERSION: &str = concat!("oci-minidump-hook ", env!("CARGO_PKG_VERSION"), "\n");

/// The help text of a command, or of the program.
#[must_use]
pub fn of(verb: &str) -> &'static str {
    match verb {
        "add" => ADD,
        "remove" => REMOVE,
        "check" => CHECK,
        "harvest" => HARVEST,
        "sweep" => SWEEP,
        "info" => INFO,
        _ => PROGRAM,
    }
}

const PROGRAM: &str = "\
Gets minidumps (Breakpad, Crashpad) out of OCI containers.

Run by an OCI runtime as prestart and poststop hook, with the OCI state on stdin:
  oci-minidump-hook [prestart | createRuntime | poststop] [--config FILE]

Run by people:
  oci-minidump-hook add BUNDLE --container-source PATH --host-destination DIR
  oci-minidump-hook remove BUNDLE
  oci-minidump-hook check BUNDLE
  oci-minidump-hook harvest IMAGE --to DIR
  oci-minidump-hook sweep
  oci-minidump-hook info FILE...
  oci-minidump-hook help [COMMAND]

Options:
  --config FILE    plans as a JSON object {\"paths\": [...]}, instead of annotations and config.json
  --settings FILE  the administrator's settings (default /etc/oci-minidump.toml)
  --json           results as JSON (check, harvest, sweep, info)
  -h, --help       help, also for each command
  -V, --version    the version

Without a stage, the status in the OCI state tells: 'stopped' is poststop, anything else prestart.

Exit codes:
  0 done                        5 attack: a link or a file that is not what it should be
  1 an operation failed         6 busy: something is in use
  2 wrong command line          7 no space, or a read-only file system
  3 malformed input             8 something is damaged
  4 wrong configuration         9 the kernel or the host lacks something
";

const ADD: &str = "\
Registers this program as prestart and poststop hook in BUNDLE/config.json and adds a minidump directory to
rdkPlugins.minidump. Everything else in the file is kept. Running it twice changes nothing.

  oci-minidump-hook add BUNDLE --container-source PATH --host-destination DIR [OPTIONS]

  --container-source PATH  the directory in the container into which the crash handler writes
  --host-destination DIR   the directory on the host into which the dumps go
  --image FILE             the image that backs the directory (default: one in /var/lib/oci-minidump/images)
  --imgsize BYTES          its size (default 8388608, at least 131072)
  --required true|false    whether the container may only start with it (default true)
";

const REMOVE: &str = "\
Removes the hook and rdkPlugins.minidump from BUNDLE/config.json, and nothing else.

  oci-minidump-hook remove BUNDLE
";

const CHECK: &str = "\
Reads BUNDLE as the hook would and says what would happen, or what is wrong and where. Changes nothing.
Exits with 4 when something is wrong.

  oci-minidump-hook check BUNDLE [--json]
";

const HARVEST: &str = "\
Takes the minidumps out of IMAGE into DIR, and removes the image when everything in it is safe.
An image that another program made is read, too, and kept.

  oci-minidump-hook harvest IMAGE --to DIR [--json]
";

const SWEEP: &str = "\
Harvests what poststop missed: images of containers that are gone, and images that a power cut left. Run it at boot.
Exits with 1 when something could not be harvested; it is kept for the next time.

  oci-minidump-hook sweep [--json]
";

const INFO: &str = "\
Says what crashed, from the minidump alone: signal, address, module and offset, thread, build id, time,
and whether the file is whole.

  oci-minidump-hook info FILE... [--json]
";
