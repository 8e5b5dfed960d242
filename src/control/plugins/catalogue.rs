//! Every plugin that there is a stand-in for.

use crate::control::plugins::plugin::Plugin;
use crate::control::plugins::{crash, devices, ipc, localtime, logging, network, rtscheduling, storage};

/// Every plugin by its name in `rdkPlugins`.
pub(crate) const ALL: &[(&str, &dyn Plugin)] = &[
    ("devicemapper", &devices::devicemapper::DeviceMapper),
    ("gamepad", &devices::gamepad::Gamepad),
    ("gpu", &devices::gpu::Gpu),
    ("httpproxy", &network::httpproxy::HttpProxy),
    ("ionmemory", &devices::ionmemory::IonMemory),
    ("ipc", &ipc::Ipc),
    ("localtime", &localtime::LocalTime),
    ("logging", &logging::Logging),
    ("minidump", &crash::minidump::Minidump),
    ("networking", &network::networking::Networking),
    ("oomcrash", &crash::oomcrash::OomCrash),
    ("rtscheduling", &rtscheduling::RtScheduling),
    ("storage", &storage::Storage),
];
