//! The bundles of a world: a static program, our hooks, and one minidump path.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{HookWorld, SOURCE};
use crate::support::host::hook_program;
use crate::support::programs::crasher;

/// A bundle of a world.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) dir: PathBuf,
}

impl HookWorld {
    /// A bundle whose program is `crasher /opt/minidumps ACTION...`, with our hooks and one minidump path.
    pub(crate) fn bundle(&self, name: &str, actions: &[&str]) -> Bundle {
        let bundle = Bundle { dir: self.path(name) };
        fs::create_dir_all(bundle.rootfs().join("proc")).unwrap();
        fs::create_dir_all(bundle.rootfs().join("dev")).unwrap();
        fs::hard_link(crasher(), bundle.rootfs().join("crasher"))
            .or_else(|_| fs::copy(crasher(), bundle.rootfs().join("crasher")).map(drop))
            .unwrap();
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
        let arguments = [&["/crasher", SOURCE], actions].concat();
        bundle.write(&json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": arguments,
                // youki wants a PATH.
                "env": ["SECRET=of-the-container", "PATH=/"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "hooks": {
                "prestart": [self.hook_entry("prestart")],
                "poststop": [self.hook_entry("poststop")],
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            ],
            "linux": {"namespaces": namespaces},
            "rdkPlugins": {"minidump": {"required": true, "data": {"paths": [self.entry(name)]}}},
        }));
        bundle
    }

    /// An item of `paths`: the image is named after the bundle.
    pub(crate) fn entry(&self, name: &str) -> Value {
        json!({
            "image": self.image(name),
            "containerSource": SOURCE,
            "hostDestination": self.dumps_dir(),
        })
    }

    /// The image of the bundle `name`.
    pub(crate) fn image(&self, name: &str) -> PathBuf {
        self.path("images").join(format!("{name}.img"))
    }

    /// The same, in memory.
    pub(crate) fn memory_image(&self, name: &str) -> PathBuf {
        self.memory_dir().join(self.image(name).strip_prefix("/").unwrap())
    }

    /// An entry of `hooks`. crun throws a hook's stderr away, so a shell keeps it in the world's log.
    pub(crate) fn hook_entry(&self, stage: &str) -> Value {
        let command = format!(
            "exec {}\"$0\" --settings '{}' {stage} 2>>'{}'",
            self.launcher,
            self.path("settings.toml").display(),
            self.log_path().display()
        );
        json!({"path": "/bin/sh", "args": ["sh", "-c", command, hook_program()], "timeout": 60})
    }
}

impl Bundle {
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    pub(crate) fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join("config.json")).unwrap()).unwrap()
    }

    pub(crate) fn write(&self, config: &Value) {
        fs::write(self.dir.join("config.json"), config.to_string()).unwrap();
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.config();
        change(&mut config);
        self.write(&config);
    }

    /// Sets what stands in `rdkPlugins.minidump.data.paths`.
    pub(crate) fn set_paths(&self, paths: &Value) {
        self.edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"] = paths.clone());
    }

    pub(crate) fn set_required(&self, required: bool) {
        self.edit(|config| config["rdkPlugins"]["minidump"]["required"] = json!(required));
    }
}
