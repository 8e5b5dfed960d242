//! The facts of a host that decide how a spec is converted.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::dobby::settings::{DobbySettings, Hardware};
use crate::error::Result;

/// The program that Dobby puts in front of every command.
const INIT: &str = "/usr/libexec/DobbyInit";
/// The most device nodes of one piece of hardware.
const MAX_NODES: usize = 256;

/// What the environment may say about the platform, as the variable the container gets: who sets it, its name in the
/// container, and the known values.
const PLATFORM: [(&str, &str, &[&str]); 2] = [
    ("AI_PLATFORM_TYPE", "ETHAN_STB_TYPE", &["MR", "GW", "HIP"]),
    (
        "AI_PLATFORM_MODEL",
        "ETHAN_STB_MODEL",
        &["ES140", "ES130", "EM150", "ES240", "ES340", "ESi240", "vSTB", "ES160"],
    ),
];

/// The facts. The default is a host of cgroup version 2 without anything special.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Host {
    /// The administrator's settings.
    pub settings: DobbySettings,
    /// Dobby's init program, when it is installed.
    pub init: Option<PathBuf>,
    /// Whether there is a `/lib64`.
    pub lib64: bool,
    /// Whether the memory controller is of cgroup version 1.
    pub cgroup_v1: bool,
    /// Whether the cpu controller hands out real time (cgroup version 1, `cpu.rt_runtime_us`).
    pub rt_groups: bool,
    /// How many processors are on.
    pub cpus: u32,
    /// Character device drivers and their numbers.
    pub drivers: BTreeMap<String, u32>,
    /// What the environment says about the platform.
    pub platform_env: Vec<String>,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Its path.
    pub path: String,
    /// The driver's number.
    pub major: u32,
    /// The device's number.
    pub minor: u32,
    /// Its permission bits.
    pub mode: u32,
}

impl Host {
    /// The facts of this host, with the settings of the file `settings`; and warnings about that file.
    ///
    /// # Errors
    /// That the settings are wrong.
    pub fn detect(settings: &Path) -> Result<(Self, Vec<String>)> {
        let (settings, warnings) = DobbySettings::load(settings)?;
        let exists = |path: &str| Path::new(path).exists();
        // A driver may call itself anything; the others' lines are still good.
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        let host = Self {
            settings,
            init: Some(PathBuf::from(INIT)).filter(|init| is_program(init)),
            lib64: exists("/lib64"),
            cgroup_v1: !exists("/sys/fs/cgroup/cgroup.controllers"),
            rt_groups: has_rt_groups(),
            cpus: count_cpus(&read("/proc/stat")),
            drivers: drivers(&read("/proc/devices")),
            platform_env: PLATFORM.iter().filter_map(platform_variable).collect(),
        };
        Ok((host, warnings))
    }

    /// The variables that every container gets, sorted by name. The settings win over the environment.
    pub(crate) fn extra_env(&self) -> Vec<String> {
        let variables = self.platform_env.iter().chain(&self.settings.extra_env);
        let named: BTreeMap<_, _> =
            variables.filter_map(|variable| Some((variable.split_once('=')?.0, variable))).collect();
        named.into_values().cloned().collect()
    }
}

impl Hardware {
    /// The character devices that the patterns name, each once.
    #[must_use]
    pub fn nodes(&self) -> Vec<DeviceNode> {
        let found = self.dev_nodes.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten();
        let mut nodes: Vec<_> = found.filter_map(|path| device_node(&path)).take(MAX_NODES).collect();
        nodes.sort_by(|a, b| a.path.cmp(&b.path));
        nodes.dedup();
        nodes
    }
}

fn device_node(path: &Path) -> Option<DeviceNode> {
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.file_type().is_char_device())?;
    Some(DeviceNode {
        path: path.to_str()?.to_owned(),
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
        mode: metadata.mode() & 0o777,
    })
}

/// Whether a cgroup must be given real time (cgroup version 1, `cpu.rt_runtime_us`).
#[must_use]
pub fn has_rt_groups() -> bool {
    let dirs = ["cpu", "cpu,cpuacct"];
    dirs.iter().any(|dir| Path::new("/sys/fs/cgroup").join(dir).join("cpu.rt_runtime_us").exists())
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The processors in /proc/stat (proc(5)): one line each, besides the line of all together.
fn count_cpus(stat: &str) -> u32 {
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    u32::try_from(stat.lines().filter(numbered).count()).unwrap_or(u32::MAX)
}

/// The character devices in /proc/devices (proc(5)).
fn drivers(devices: &str) -> BTreeMap<String, u32> {
    let lines = devices.lines().skip_while(|line| *line != "Character devices:").skip(1);
    let driver = |line: &str| {
        let (number, name) = line.trim().split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    lines.take_while(|line| !line.is_empty()).filter_map(driver).collect()
}

fn platform_variable((from, to, known): &(&str, &str, &[&str])) -> Option<String> {
    let value = std::env::var(from).ok()?;
    known.contains(&value.as_str()).then(|| format!("{to}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(count_cpus("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\ncpufreq 1\n"), 2);
        let devices = "Character devices:\n  1 mem\n 13 input\n245 hidraw\n\nBlock devices:\n  7 loop\n";
        let expected = [("hidraw", 245), ("input", 13), ("mem", 1)];
        assert_eq!(drivers(devices), expected.map(|(name, major)| (name.to_owned(), major)).into());
    }

    #[test]
    fn device_nodes_are_found_by_patterns() {
        let patterns = ["/dev/nul?", "/dev/null", "/dev/zero", "/etc", "/dev/nothing*", "/dev/[broken"];
        let hardware = Hardware { dev_nodes: patterns.map(str::to_owned).to_vec(), ..Hardware::default() };
        let nodes = hardware.nodes();
        assert_eq!(nodes.len(), 2, "{nodes:?}");
        let node = |path: &str, minor| DeviceNode { path: path.to_owned(), major: 1, minor, mode: 0o666 };
        assert_eq!(nodes, [node("/dev/null", 3), node("/dev/zero", 5)]);
    }

    #[test]
    fn settings_win_over_the_environment() {
        let mut host = Host { platform_env: vec!["B=env".to_owned(), "C=env".to_owned()], ..Host::default() };
        host.settings.extra_env = vec!["B=file".to_owned(), "A=file".to_owned()];
        assert_eq!(host.extra_env(), ["A=file", "B=file", "C=env"]);
    }
}
