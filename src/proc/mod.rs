//! What the kernel says in `/proc`, read in one place: the hook and the daemon must not differ in what they see.
//!
//! Everything is bytes. A path or a process name need not be UTF-8: a USB stick with a Latin-1 label is enough, or a
//! name that the kernel cut after 15 bytes. proc(5) documents the files.

pub mod boot;
pub mod cgroup;
pub mod journal;
pub mod mount_point;
pub mod mountinfo;
pub mod pidfd;
pub mod selinux;
pub mod stat;
pub mod status;
pub mod user_namespace;
