//! Whether a security module decides by a program's file what it may do: `/sys/kernel/security/lsm`, or where that is not
//! mounted `/proc/self/attr/current` (proc_pid_attr(5)).

const MODULES: &str = "/sys/kernel/security/lsm";
const CONTEXT: &str = "/proc/self/attr/current";
/// Those that do not.
const OTHERS: [&[u8]; 6] = [b"capability", b"yama", b"landlock", b"lockdown", b"safesetid", b"loadpin"];

/// Whether one may: true also for a module that is not known here.
#[must_use]
pub fn may_go_by_files() -> bool {
    match crate::proc::read(MODULES) {
        Ok(list) => names_another(&list),
        // Without a module that labels processes, the kernel has nothing to read here.
        Err(_) => crate::proc::read(CONTEXT).is_ok_and(|context| !context.is_empty()),
    }
}

fn names_another(list: &[u8]) -> bool {
    list.trim_ascii().split(|byte| *byte == b',').any(|name| !OTHERS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_not_known_may() {
        for list in
            [&b"capability"[..], b"capability,landlock,yama\n", b"lockdown,capability,loadpin,safesetid"]
        {
            assert!(!names_another(list), "{}", String::from_utf8_lossy(list));
        }
        for list in
            [&b""[..], b"capability,apparmor", b"capability,selinux\n", b"capability,yama,bpf", b"new"]
        {
            assert!(names_another(list), "{}", String::from_utf8_lossy(list));
        }
    }
}
