//! Writing a bundle: all of it, or nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::dobby::convert::Conversion;
use crate::dobby::rootfs::{make_dir, write_file};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::remove_unmounted;
use crate::host::write::sync_parent;
use crate::oci::bundle::Bundle;

impl Conversion {
    /// Writes the bundle directory `bundle`, which must not exist or be empty; its parent must exist. The bundle
    /// appears there complete, or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when something is there already; else the kernel's. Nothing is left behind then.
    pub fn write(&self, bundle: &Path) -> Result<()> {
        let bundle = std::path::absolute(bundle).tried(|| format!("cannot resolve {}", bundle.display()))?;
        let draft = Draft::beside(&bundle)?;
        self.fill(&draft.dir)?;
        draft.publish(&bundle)
    }

    fn fill(&self, dir: &Path) -> Result<()> {
        self.rootfs.write(&dir.join("rootfs"))?;
        let config = dir.join("config.json");
        let text = serde_json::to_string_pretty(&self.config).map_err(std::io::Error::from);
        let text = text.tried(|| format!("cannot write {}", config.display()))?;
        write_file(&config, &(text + "\n"))
    }
}

/// A bundle in the making. It goes when it is dropped; nothing can be mounted in it yet.
struct Draft {
    dir: PathBuf,
}

impl Draft {
    /// A new directory next to the bundle, of a name that no other draft has.
    fn beside(bundle: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = bundle.with_file_name(format!(".bundle-{}-{number}.tmp", std::process::id()));
        make_dir(&dir)?;
        Ok(Self { dir })
    }

    fn publish(self, bundle: &Path) -> Result<()> {
        use rustix::io::Errno;
        match rustix::fs::rename(&self.dir, bundle) {
            Ok(()) => sync_parent(bundle),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {
                let what = format!("{} exists already", bundle.display());
                Err(Error::new(ErrorKind::Busy, what).advise("name a new directory"))
            }
            Err(error) => Err(error).tried(|| format!("cannot make {}", bundle.display())),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is gone after a success, and after a failure the first error matters.
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

/// Removes a bundle that [`Conversion::write`] has written.
///
/// # Errors
/// [`ErrorKind::Config`] for a directory that is not a bundle, [`ErrorKind::Busy`] when something is mounted in it: nothing
/// is removed then; else the kernel's.
pub fn remove(bundle: &Path) -> Result<()> {
    let bundle = bundle.canonicalize().tried(|| format!("cannot resolve {}", bundle.display()))?;
    Bundle::load(&bundle)?;
    remove_unmounted(&bundle)
}
