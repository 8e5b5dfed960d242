//! The methods of the plugin: one file each, and one line in the table of them all. From the bottom up:
//!
//! - [`method`]: what a method is; [`common`]: what several of them have in common.
//! - `query`: methods that only look.
//! - `life`: methods that start, stop and delete containers.
//! - `inside`: methods that change a container which runs.
//! - `command`: methods that run commands in containers, and those with streams.

pub(crate) mod command;
pub mod common;
mod inside;
mod life;
pub mod method;
mod query;

use crate::rpc::methods::method::Method;

/// Every method of the plugin.
pub static METHODS: &[Method] = &[
    query::list_containers::METHOD,
    query::get_container_state::METHOD,
    query::get_container_info::METHOD,
    query::get_container_config::METHOD,
    life::start_container::METHOD,
    life::start_container_from_dobby_spec::METHOD,
    life::stop_container::METHOD,
    life::restart_container::METHOD,
    life::signal_container::METHOD,
    life::pause_container::METHOD,
    life::resume_container::METHOD,
    command::execute_command::METHOD,
    life::delete_container::METHOD,
    query::wait_container::METHOD,
    query::get_container_logs::METHOD,
    query::list_minidumps::METHOD,
    query::list_summaries::METHOD,
    query::list_ended::METHOD,
    query::get_daemon_info::METHOD,
    query::list_events::METHOD,
    command::run_command::METHOD,
    command::exec_stream::METHOD,
    command::attach_container::METHOD,
    command::run_container::METHOD,
    inside::hibernate_container::METHOD,
    inside::wakeup_container::METHOD,
    inside::annotate::METHOD,
    inside::remove_annotation::METHOD,
    inside::mount::METHOD,
    inside::unmount::METHOD,
];

/// The method of that name or alias; letter case counts.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name || method.aliases.contains(&name))
}

/// Whether the plugin answers to `name`, built-ins included.
#[must_use]
pub fn is_known(name: &str) -> bool {
    matches!(name, "register" | "unregister" | "exists" | "versions") || find(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_contract_is_there() {
        for name in ["executeCommand", "execCommand", "execCommamd"] {
            assert_eq!(find(name).unwrap().name, "executeCommand");
        }
        assert!(find("deleteContainer").is_some());
        assert!(find("listcontainers").is_none());
        assert!(is_known("register") && !is_known(""));
    }
}
