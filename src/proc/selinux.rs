//! Whether SELinux is at work: `/proc/filesystems` (proc(5)) and `/proc/self/attr/current` (proc_pid_attr(5)).

use crate::error::{Result, Tried};

const FILESYSTEMS: &str = "/proc/filesystems";
const CONTEXT: &str = "/proc/self/attr/current";

/// Whether this kernel has SELinux and a policy for it. Only then does it know the mount option `context`.
///
/// A kernel that was booted with SELinux has its file system, mounted or not. Whether a policy was loaded is in the context
/// of a process: until then it is one word, `kernel`. `/sys/fs/selinux` would tell as well, but is not mounted everywhere.
///
/// # Errors
/// The kernel's.
pub fn is_enabled() -> Result<bool> {
    let filesystems = crate::proc::read(FILESYSTEMS).tried(|| format!("cannot read {FILESYSTEMS}"))?;
    if !has_selinuxfs(&filesystems) {
        return Ok(false);
    }
    let context = crate::proc::read(CONTEXT).tried(|| format!("cannot read {CONTEXT}"))?;
    Ok(is_context(&context))
}

/// Whether the list of file systems names SELinux's.
fn has_selinuxfs(filesystems: &[u8]) -> bool {
    let names =
        filesystems.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b'\t').nth(1));
    names.into_iter().any(|name| name == b"selinuxfs")
}

/// Whether the text is a context: user, role and type, and perhaps a range.
fn is_context(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let fields: Vec<&[u8]> = text.splitn(4, |byte| *byte == b':').collect();
    fields.len() >= 3 && fields.iter().all(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_names_it() {
        assert!(has_selinuxfs(b"nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"));
        for list in [&b""[..], b"nodev\tsysfs\n\text4\n", b"nodev\tselinuxfs2\n", b"selinuxfs\n"] {
            assert!(!has_selinuxfs(list), "{}", String::from_utf8_lossy(list));
        }
    }

    #[test]
    fn only_a_loaded_policy_gives_contexts() {
        let good = [
            &b"system_u:system_r:container_runtime_t:s0\0"[..],
            b"unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0\n",
            b"user_u:user_r:user_t",
        ];
        for text in good {
            assert!(is_context(text), "{}", String::from_utf8_lossy(text));
        }
        for text in [&b""[..], b"kernel\0", b"kernel", b"unconfined\n", b"a:b", b"a::c", b"::"] {
            assert!(!is_context(text), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_answer_fits_this_kernel() {
        let listed = std::fs::read_to_string(FILESYSTEMS).unwrap().contains("selinuxfs");
        assert!(listed || !is_enabled().unwrap());
    }
}
