//! The engines, by name: what each needs, and what is to be done after that.

use crate::calls::runtime::ANY;
use crate::engines::change::Change;
use crate::engines::tree::Tree;
use crate::engines::{containerd, crio, docker, hooks_dir, lxc, podman, runtime};
use crate::error::Result;

/// The stand-in for crun.
const CRUN: &str = "oci-minidump-crun";

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// podman.
    Podman,
    /// CRI-O.
    Crio,
    /// containerd's CRI plugin.
    Containerd,
    /// Docker.
    Docker,
    /// LXC.
    Lxc,
    /// crun alone.
    Crun,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 6] =
        [Self::Podman, Self::Crio, Self::Containerd, Self::Docker, Self::Lxc, Self::Crun];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Crio => "crio",
            Self::Containerd => "containerd",
            Self::Docker => "docker",
            Self::Lxc => "lxc",
            Self::Crun => "crun",
        }
    }

    /// The engine of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// What is to be changed in a tree so that the engine calls the hook, or with `undo` calls it no more. A change may be
    /// there already.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Config`] when that would take away what the administrator wrote.
    pub fn changes(self, tree: &Tree, undo: bool) -> Result<Vec<Change>> {
        match self {
            Self::Podman => hooks_dir::changes(tree, &podman::dir(tree)?, undo),
            Self::Crio => hooks_dir::changes(tree, &crio::dir(tree)?, undo),
            Self::Containerd => containerd::changes(tree, undo),
            Self::Docker => docker::changes(tree, undo),
            Self::Lxc => lxc::changes(tree, undo),
            Self::Crun => Ok(runtime::changes(tree, CRUN, undo)),
        }
    }

    /// What makes the engine take notice, when it does not by itself.
    #[must_use]
    pub fn then(self) -> Option<&'static str> {
        match self {
            Self::Podman | Self::Lxc | Self::Crun => None,
            Self::Crio => Some("systemctl restart crio"),
            Self::Containerd => Some("systemctl restart containerd"),
            Self::Docker => Some("systemctl reload docker"),
        }
    }

    /// How a container asks for minidumps.
    #[must_use]
    pub fn usage(self, tree: &Tree) -> String {
        let beside = |name| runtime::path(tree, name).display().to_string();
        match self {
            Self::Podman => "podman run --annotation org.rdk.minidump=/opt/minidumps ...".into(),
            Self::Crio | Self::Containerd => "annotate the pod: org.rdk.minidump: /opt/minidumps".into(),
            Self::Docker => format!(
                "docker run --runtime {} --env org.rdk.minidump=/opt/minidumps ... ({})",
                docker::NAME,
                beside(ANY)
            ),
            Self::Lxc => {
                "in the container's configuration: lxc.environment = org.rdk.minidump=/opt/minidumps".into()
            }
            Self::Crun => format!(
                "{} run ..., for bundles with the annotation org.rdk.minidump; or 'oci-minidump-hook add BUNDLE' and crun",
                beside(CRUN)
            ),
        }
    }
}
