//! Every plugin that there is a stand-in for.

use crate::control::plugins::plugin::Plugin;
use crate::control::plugins::{
    crash, devices, ipc, legacy, localtime, logging, network, rtscheduling, storage,
};
use crate::dobby::schema::Member;

/// Every plugin, in the order of their names.
pub(crate) const ALL: &[&dyn Plugin] = &[
    &devices::devicemapper::DeviceMapper,
    &devices::gamepad::Gamepad,
    &devices::gpu::Gpu,
    &network::httpproxy::HttpProxy,
    &devices::ionmemory::IonMemory,
    &ipc::Ipc,
    &localtime::LocalTime,
    &logging::Logging,
    &crash::minidump::Minidump,
    &network::networking::Networking,
    &crash::oomcrash::OomCrash,
    &rtscheduling::RtScheduling,
    &storage::Storage,
];

/// Plugins of the oldest kind, which a specification lists in `plugins`. None of them leaves anything to be undone.
const LEGACY: &[&dyn Plugin] = &[&legacy::ethanlog::EthanLog, &legacy::opencdm::OpenCdm];

/// The name of each plugin, as in `rdkPlugins`, with the members of its data; `*` marks those that must be given.
/// A program that makes specs can list from it what this version supports.
#[must_use]
pub fn plugin_reference() -> Vec<(&'static str, Vec<String>)> {
    ALL.iter().map(|plugin| (plugin.name(), plugin.schema().iter().map(Member::shown).collect())).collect()
}

/// The plugin of this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Plugin> {
    ALL.iter().find(|plugin| plugin.name() == name).copied()
}

/// The plugin of the oldest kind of this name.
pub(crate) fn find_legacy(name: &str) -> Option<&'static dyn Plugin> {
    LEGACY.iter().find(|plugin| plugin.name() == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dobby::schema;

    #[test]
    fn names_are_sorted_and_the_data_of_every_plugin_is_checked() {
        assert!(ALL.iter().map(|plugin| plugin.name()).is_sorted());
        for plugin in ALL {
            assert!(schema::members(plugin.name()).is_some(), "{}", plugin.name());
        }
    }
}
