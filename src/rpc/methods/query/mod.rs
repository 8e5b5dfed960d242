//! Methods that only look.

pub(crate) mod get_container_config;
pub(crate) mod get_container_info;
pub(crate) mod get_container_logs;
pub(crate) mod get_container_state;
pub(crate) mod get_daemon_info;
pub(crate) mod list_containers;
pub(crate) mod list_ended;
pub(crate) mod list_events;
pub(crate) mod list_minidumps;
pub(crate) mod list_summaries;
pub(crate) mod wait_container;
