//! The one list of what differs from Dobby. `src/dobby/DIFFERENCES.md` is made of it, and the comparison with what
//! Dobby's generator wrote allows these differences and no others.

use serde_json::{Value, json};

/// A deliberate difference.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) topic: &'static str,
    dobby: &'static str,
    here: &'static str,
    why: &'static str,
    /// Changes a configuration that Dobby's generator wrote for a spec into ours, as far as this difference goes.
    pub(crate) change: Option<fn(spec: &Value, config: &mut Value)>,
}

const fn documented(
    topic: &'static str,
    dobby: &'static str,
    here: &'static str,
    why: &'static str,
) -> Difference {
    Difference { topic, dobby, here, why, change: None }
}

const fn seen(change: fn(&Value, &mut Value), difference: Difference) -> Difference {
    Difference { change: Some(change), ..difference }
}

fn no_init(_: &Value, config: &mut Value) {
    let args = config["process"]["args"].as_array_mut().unwrap();
    assert_eq!(args.remove(0), "/usr/libexec/DobbyInit");
}

fn lib64(_: &Value, config: &mut Value) {
    let mounts = config["mounts"].as_array_mut().unwrap();
    let lib = mounts.iter().position(|mount| mount["destination"] == "/lib").unwrap();
    let mut mount = mounts[lib].clone();
    mount["destination"] = "/lib64".into();
    mount["source"] = "/lib64".into();
    mounts.insert(lib + 1, mount);
}

fn absolute_cwd(_: &Value, config: &mut Value) {
    let cwd = config["process"]["cwd"].as_str().unwrap();
    if !cwd.starts_with('/') {
        config["process"]["cwd"] = format!("/{cwd}").into();
    }
}

fn own_network(spec: &Value, config: &mut Value) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    if spec.get("network").is_some_and(Value::is_null) {
        namespaces.insert(1, json!({"type": "network"}));
    }
}

fn escaped_names(spec: &Value, config: &mut Value) {
    if let Some(seccomp) = spec.get("seccomp") {
        config["linux"]["seccomp"]["syscalls"] = json!([seccomp["syscalls"]]);
    }
}

/// Every difference.
pub(crate) const DIFFERENCES: [Difference; 49] = [
    seen(
        no_init,
        documented(
            "`args`: init",
            "puts `/usr/libexec/DobbyInit` in front of every command; a host without it cannot start anything",
            "puts it there only if the host has that program",
            "a container needs no init of Dobby's; where there is one, it still reaps and passes signals on",
        ),
    ),
    seen(
        lib64,
        documented(
            "`/lib64`",
            "the generic template makes the directory but mounts nothing there",
            "mounts the host's `/lib64` like `/lib`, where the host has it",
            "without it no dynamic program of a 64-bit host finds its loader",
        ),
    ),
    seen(
        absolute_cwd,
        documented(
            "`cwd`",
            "writes an absent, empty or relative directory as it is",
            "an absent or empty one is `/`, a relative one is taken from there",
            "runtimes refuse an empty directory, and runc a relative one",
        ),
    ),
    seen(
        own_network,
        documented(
            "`network`: null",
            "gives the container the host's network",
            "is the same as no `network`: a network namespace of its own",
            "a container gets the host's network only if it asks for it by `open`",
        ),
    ),
    documented(
        "`network`: nat, private",
        "writes no network namespace and leaves that to an optional plugin; without the plugin the container has the \
         host's network",
        "the configuration has a network namespace from the start",
        "a plugin that is missing or fails must not open the host's network",
    ),
    seen(
        escaped_names,
        documented(
            "text in the configuration",
            "inserts `cwd`, mount types and options, names of system calls and plugins unescaped: they can add to the \
             configuration",
            "every text is a JSON string",
            "a spec says what its fields say, and nothing else",
        ),
    ),
    documented(
        "NUL characters",
        "cuts a text at its first NUL character, or hands it on",
        "refuses the text",
        "no program, path or variable can contain one",
    ),
    documented(
        "refusals",
        "stops at the first mistake and reports nothing to the caller",
        "names every mistake with field, value and rule",
        "all mistakes can be corrected in one go",
    ),
    documented(
        "`rtPriority`",
        "hangs the daemon",
        "does what is intended: real-time scheduling with that priority and limit",
        "the hang is a bug in Dobby",
    ),
    documented(
        "`cpu.cores`: not a number",
        "reads `\"a\"` as the processors 1,3,5,6,7",
        "refuses it",
        "the error number of the failed conversion is taken for a set of processors",
    ),
    documented(
        "`cpu.cores`: an empty part, or processors the host does not have",
        "reads an empty part as processor 0, and runs on all processors if none of the named ones exists",
        "does the same with a warning",
        "it is unlikely to be intended",
    ),
    documented(
        "`mounts[].options` that are not a list",
        "ignores them, so that a mount meant to be read-only is writable",
        "refuses them; null means none",
        "protection must not be lost silently",
    ),
    documented(
        "`mounts[].destination`",
        "accepts any text; `..` in it fails later, at the start",
        "refuses an empty path, one with `..`, one of more than 4095 bytes, and one below a file",
        "such a container cannot start",
    ),
    documented(
        "mount points of single files",
        "makes a file to mount on only for the types `bind` and `rbind`",
        "also for other types with the option `bind` or `rbind`",
        "a file cannot be mounted on a directory",
    ),
    documented(
        "`seccomp.syscalls.names`",
        "does not check the type of the last name",
        "every name must be a string",
        "a filter with a hole does not protect",
    ),
    documented(
        "`gpu`: environment",
        "sets the GPU's environment also for `enable: false`",
        "sets it when the GPU is enabled",
        "the environment belongs to the device",
    ),
    documented(
        "`gpu`, `vpu`: no settings",
        "crashes without a settings file",
        "warns that the host has no device nodes for it",
        "a missing file must not cause a crash",
    ),
    documented(
        "`gpu`, `vpu`: groups",
        "maps each group of the settings to itself, even if that id is mapped already",
        "maps it to a free id in that case; several device nodes of one group share the mapping",
        "the kernel refuses to map an id twice",
    ),
    documented(
        "`dbus.debug`",
        "exists in debug builds only",
        "always exists",
        "a spec means the same everywhere",
    ),
    documented(
        "`plugins`: EthanLog",
        "reads the records from a pipe and sends them to the journal; they end with its daemon",
        "hands over the descriptor of the container's output, so that they lie in its log as the library writes them",
        "a container must not depend on the daemon",
    ),
    documented(
        "`plugins`: OpenCDM",
        "changes owner and mode of whatever lies at those names in `/tmp`",
        "does so only with what belongs to root and is not a link",
        "everybody can make files in `/tmp`",
    ),
    documented(
        "`rdkPlugins`: unknown names",
        "drops them",
        "keeps them; the start is refused if they are required, and warns of them otherwise",
        "a required plugin must not vanish",
    ),
    documented(
        "`rdkPlugins`: wrong values",
        "drops optional members of a wrong type, accepts any number for `required`, and any text for `networking.type` \
         and `logging.sink`",
        "refuses them, but for texts in `networking.ipv4`, `ipv6` and `dnsmasq`, which have no effect, with a warning",
        "a setting must not be lost silently, and specifications in use have those texts",
    ),
    documented(
        "`rdkPlugins.minidump`",
        "accepts `destinationPath` only",
        "accepts `destinationPath` and also `paths`; a section with neither is refused if the plugin is required",
        "`paths` is the older form, which this project exists for",
    ),
    documented(
        "`rdkPlugins`: hooks",
        "adds hooks that call its plugin launcher when it starts the container",
        "adds none; the daemon that starts the container does the work of the plugins",
        "the launcher loads Dobby's libraries",
    ),
    documented(
        "`rdkPlugins`: a plugin that fails",
        "fails every plugin when one is missing that another depends on, or when there are no plugin libraries at all",
        "fails the start when it is required, or is `networking`; else the container starts as if it had not asked for \
         it, with a warning",
        "what is optional stays optional, and no container gets the host's network by mistake",
    ),
    documented(
        "`rdkPlugins.networking`",
        "forwards multicast groups, with ebtables and smcroute",
        "warns that it does not",
        "the kernel has one multicast router at a time, smcroute or another, and a bridge gives a group that is forwarded to \
         every container on it",
    ),
    documented(
        "`rdkPlugins.networking.interContainer`",
        "shows the server the address of the container that uses its port",
        "shows it the bridge's address",
        "containers are isolated from each other on the bridge, too, and have no way back but through it",
    ),
    documented(
        "`rdkPlugins.networking.portForwarding.containerToHost`: IPv6",
        "leads a port of the bridge to `::1`, which the kernel drops",
        "opens the port on the bridge's own IPv6 address: what serves it must listen there",
        "an address of loopback cannot be reached from another network by IPv6",
    ),
    documented(
        "`rdkPlugins.networking`: ports of the host",
        "leaves them open to containers unless the host's firewall closes them",
        "closes them to containers, except for those of `containerToHost` and `dnsmasq`",
        "an app has no business with the services of the box that it does not name",
    ),
    documented(
        "`rdkPlugins.minidump.destinationPath`",
        "hands over a memfd, so that a dump dies with the daemon; the name is in local time and cut at 44 bytes, and the \
         file has a NUL byte too many",
        "hands over a file on a tmpfs of the container's own, of at most 64 MiB, which the next daemon finds; the name \
         is in UTC, the id is cut and not the time, a number distinguishes dumps of one second",
        "no dump is lost or overwritten",
    ),
    documented(
        "`rdkPlugins.storage.loopback`",
        "replaces an image that is damaged, was copied, or belongs to another user; deletes what is in `lost+found`; \
         removes an image that is not persistent while another container uses it",
        "checks an image that was in use when the power went, and refuses one that is damaged; the last container \
         removes the image; always mounts with nosuid and nodev",
        "an app's data must not be thrown away, and a container can write anything into its image",
    ),
    documented(
        "`rdkPlugins.storage.mountOwner`",
        "follows links, and makes root the owner when it does not know the user",
        "follows none, leaves files with several names alone, and refuses users it does not know; without a user, \
         the container's is meant",
        "the container may have made what lies there",
    ),
    documented(
        "`rdkPlugins.localtime`",
        "makes a link in the container's root file system",
        "mounts the host's file, read-only",
        "a bundle is never written to, and the container need not have the file the link leads to",
    ),
    documented(
        "`rdkPlugins.rtscheduling`",
        "has the runtime set the limit, so that no container starts where that is not permitted",
        "sets it itself, and gives the cgroup of a bundle the real time without which version 1 refuses",
        "an optional plugin must not keep a container from starting",
    ),
    documented(
        "containers that run when the daemon starts",
        "kills and removes them",
        "adopts them; `serve --fresh` kills and removes those of an earlier daemon",
        "a restart or an upgrade of the daemon ends no app",
    ),
    documented(
        "`rdkPlugins.ipc`",
        "mounts a socket whether or not it exists",
        "treats a missing socket as a failure of the plugin",
        "an optional plugin must not keep a container from starting",
    ),
    documented(
        "`restartOnCrash`",
        "knows it as long as its daemon runs; a bundle written from the spec has lost it",
        "writes the annotation `org.rdk.restartOnCrash` with the value `true`, which works in every bundle",
        "a converted spec behaves like the spec",
    ),
    documented(
        "settings: `extraEnvVariables`",
        "one malformed entry discards all",
        "it discards itself, with a warning",
        "the other entries are valid",
    ),
    documented(
        "real-time groups",
        "writes null for `realtimeRuntime` and `realtimePeriod` where the host has no such groups",
        "leaves them out",
        "null is not a number, and some runtimes refuse it",
    ),
    documented(
        "`console.limit`",
        "stops writing when the file is full",
        "drops the oldest output, a moment after the file has grown beyond its limit",
        "the end says what went wrong",
    ),
    documented(
        "`console` with a path that is a link or not a regular file",
        "writes to wherever it leads",
        "starts the container without keeping its output, with a warning",
        "a user who can write to the directory must not make root write elsewhere",
    ),
    documented(
        "`network`: nat",
        "sets up bridge and rules itself",
        "lets netavark do it, with Dobby's bridge and addresses, and adds rules of its own; a start fails without netavark or \
         iptables",
        "a maintained engine beats code of our own",
    ),
    documented(
        "`network`: nat, `dnsmasq`",
        "names the bridge in `/etc/resolv.conf` and leads its port 53 to `127.0.0.1`",
        "does the same if anything answers there, or if the host has no other name servers than its own; else it mounts the \
         host's file, with a warning",
        "a host without dnsmasq has names, too",
    ),
    documented(
        "settings: `network.externalInterfaces`",
        "starts no container with a network namespace without any",
        "lets containers reach the outside through every interface then",
        "a host without the setting has a network, too",
    ),
    documented(
        "settings: `network.addressRange`",
        "reads it, and its plugin uses `100.64.11.0` all the same",
        "uses it; a new one counts once no container has an address of the old one",
        "a setting should have an effect",
    ),
    documented(
        "`network`: open",
        "leaves the container's `/etc/resolv.conf` empty",
        "mounts the host's there, read-only, unless the spec mounts something there itself",
        "a network without names is of little use",
    ),
    documented(
        "ids of more than 64 characters",
        "makes them the host name, which the kernel refuses",
        "cuts the host name after 64 characters",
        "the id is legal, and containers are not looked up by their host name",
    ),
    documented(
        "the bundle directory",
        "a failure leaves a configuration without its root file system, or the other way round",
        "a bundle appears complete or not at all, and never in place of something else",
        "half a bundle starts half a container",
    ),
];

/// The page in the documentation.
fn page() -> String {
    let mut page = String::from("# Differences from Dobby\n");
    for Difference { topic, dobby, here, why, .. } in &DIFFERENCES {
        page.push_str(&format!("\n- **{topic}**\n  - Dobby: {dobby}.\n  - Here: {here}.\n  - Why: {why}.\n"));
    }
    page
}

#[test]
fn the_documentation_lists_every_difference() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dobby/DIFFERENCES.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), page, "{file} should be:\n{page}");
}
