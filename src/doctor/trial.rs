//! A container that crashes, run through each runtime and engine that is there (`--crash`). Its dump goes into a directory of
//! its own below the usual destination, and is removed when it was shown.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::doctor::engines;
use crate::doctor::finding::Finding;
use crate::doctor::sample::{self, PROGRAM, SOURCE, VERB};
use crate::dump::show::info::info;
use crate::engines::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::oci::hooks;
use crate::settings::ANNOTATION;
use crate::settings::admin::{self, Admin};
use crate::{host, tool};

/// How long an engine's command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a dump may take after the container's end.
const DUMP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// What programs find in their environment.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")];

/// The container, and where its dumps go.
struct Trial {
    /// A directory with the root file system, for the time of the trial.
    dir: PathBuf,
    /// Where the dump is to arrive.
    destination: PathBuf,
    /// The container's id, and the name of everything that is made for it.
    name: String,
    settings: PathBuf,
}

/// Runs the container everywhere.
#[must_use]
pub fn run(settings: &Path) -> Vec<Finding> {
    let trial = match Trial::new(settings) {
        Ok(trial) => trial,
        Err(error) => return vec![Finding::of("crash", Err(error))],
    };
    let mut findings = Vec::new();
    for (name, _) in engines::runtimes() {
        let result = match name {
            "youki" => Ok("not run: its 'run' may wait for ever".to_owned()),
            name => trial.with(|| trial.runtime(name)),
        };
        findings.push(Finding::of(format!("crash in {name}"), result));
    }
    // What is not enabled was said already.
    for engine in engines::present().filter(|engine| engines::would_call(*engine, settings).is_ok()) {
        let result = match engine {
            Engine::Podman => trial.with(|| trial.podman()),
            Engine::Docker => trial.with(|| trial.docker()),
            Engine::Containerd => trial.with(|| trial.containerd()),
            Engine::Lxc => trial.with(|| trial.lxc()),
            Engine::Crio | Engine::Crun => Ok("not run: it takes containers from Kubernetes only".to_owned()),
        };
        findings.push(Finding::of(format!("crash in {}", engine.name()), result));
    }
    findings
}

impl Trial {
    fn new(settings: &Path) -> Result<Self> {
        let admin = Admin::load(settings)?;
        let name = format!("oci-minidump-doctor-{}", std::process::id());
        let dir = Path::new("/var/tmp").join(&name);
        let destination = admin.annotated_destinations().first().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "host_destinations of the settings is empty, so a trial's dump has no place of its own",
            )
            .advise("allow a directory there for the time of the trial")
        })?;
        let trial = Self { destination: destination.join(&name), dir, name, settings: settings.to_owned() };
        sample::make_rootfs(&trial.dir.join("rootfs"))?;
        Ok(trial)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn annotations(&self) -> Vec<(String, String)> {
        let destination = self.destination.display().to_string();
        vec![
            (ANNOTATION.to_owned(), SOURCE.to_owned()),
            (format!("{ANNOTATION}.hostDestination"), destination),
            (format!("{ANNOTATION}.required"), "true".to_owned()),
        ]
    }

    /// Each annotation behind `option`.
    fn annotated(&self, option: &str) -> Vec<String> {
        let pairs = self.annotations().into_iter();
        pairs.flat_map(|(name, value)| [option.to_owned(), format!("{name}={value}")]).collect()
    }

    /// Runs the container by `start`, and says what arrived.
    fn with(&self, start: impl FnOnce() -> Result<()>) -> Result<String> {
        let result = start().and_then(|()| self.arrived());
        // It holds nothing but what this trial made.
        let _none = std::fs::remove_dir_all(&self.destination);
        result
    }

    fn arrived(&self) -> Result<String> {
        let deadline = Instant::now() + DUMP_TIMEOUT;
        loop {
            let entries = std::fs::read_dir(&self.destination).into_iter().flatten().flatten();
            let mut paths = entries.map(|entry| entry.path());
            if let Some(path) =
                paths.find(|path| path.extension().is_some_and(|extension| extension == "dmp"))
            {
                let mut text = Vec::new();
                info(&[path], false, &mut text)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                let crash = text.lines().find(|line| line.starts_with("crash:")).unwrap_or("its dump");
                let crash = crash.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
                return Ok(format!("its dump arrived: {crash}"));
            }
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::System, "it ended, and no dump arrived")
                    .advise("look into syslog for what the hook says"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// A bundle with the hook, as `add` makes one.
    fn write_config(&self) -> Result<()> {
        let mut config: Value = sample::config(&self.dir.join("rootfs"), &self.annotations());
        let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
        let named = Some(self.settings.display().to_string()).filter(|path| path != admin::FILE);
        let extra: Vec<_> = named.into_iter().flat_map(|path| ["--settings".to_owned(), path]).collect();
        hooks::register(&mut config, &program, &extra)?;
        let path = self.dir.join("config.json");
        std::fs::write(&path, config.to_string()).tried(|| format!("cannot write {}", path.display()))
    }

    fn runtime(&self, name: &str) -> Result<()> {
        self.write_config()?;
        crashed(name, &["run", "--bundle", &self.path(""), &self.name])
    }

    fn containerd(&self) -> Result<()> {
        self.write_config()?;
        let config = self.path("config.json");
        let result = crashed("ctr", &["run", "--rm", "--config", &config, &self.name]);
        if result.is_err() {
            let _gone = command("ctr", &["container", "delete", &self.name]);
        }
        result
    }

    fn podman(&self) -> Result<()> {
        let rootfs = self.path("rootfs");
        let annotations = self.annotated("--annotation");
        let volumes = volumes();
        let mut words = vec!["run", "--rm", "--network", "none", "--name", &self.name];
        words.extend(annotations.iter().chain(&volumes).map(String::as_str));
        words.extend(["--rootfs", &rootfs, PROGRAM, VERB, SOURCE]);
        crashed("podman", &words)
    }

    fn docker(&self) -> Result<()> {
        let (tar, rootfs) = (self.path("rootfs.tar"), self.path("rootfs"));
        succeeded("tar", &["-C", &rootfs, "-cf", &tar, "."])?;
        succeeded("docker", &["import", &tar, &self.name])?;
        let environment = self.annotated("--env");
        let volumes = volumes();
        let mut words = vec!["run", "--rm", "--network", "none", "--runtime", crate::engines::docker::NAME];
        words.extend(environment.iter().chain(&volumes).map(String::as_str));
        words.extend([self.name.as_str(), PROGRAM, VERB, SOURCE]);
        let result = crashed("docker", &words);
        succeeded("docker", &["rmi", "--force", &self.name])?;
        result
    }

    fn lxc(&self) -> Result<()> {
        let dir = self.dir.join("lxc").join(&self.name);
        std::fs::create_dir_all(&dir).tried(|| format!("cannot make {}", dir.display()))?;
        let mut lines = vec![
            "lxc.include = /usr/share/lxc/config/common.conf".to_owned(),
            format!("lxc.rootfs.path = dir:{}", self.path("rootfs")),
            "lxc.net.0.type = none".to_owned(),
        ];
        lines.extend(
            self.annotations().iter().map(|(name, value)| format!("lxc.environment = {name}={value}")),
        );
        lines.extend(sample::libraries().iter().map(|dir| {
            let inside = dir.display().to_string();
            format!("lxc.mount.entry = {inside} {} none bind,ro 0 0", inside.trim_start_matches('/'))
        }));
        let path = dir.join("config");
        std::fs::write(&path, lines.join("\n") + "\n")
            .tried(|| format!("cannot write {}", path.display()))?;
        let command = format!("lxc.init.cmd={PROGRAM} {VERB} {SOURCE}");
        // LXC does not say how its container's process ended.
        crate::doctor::trial::command(
            "lxc-start",
            &["-P", &self.path("lxc"), "-n", &self.name, "-F", "-s", &command],
        )
        .map(drop)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Err(error) = host::remove_unmounted(&self.dir) {
            log::warn!("{}", error.report());
        }
    }
}

fn volumes() -> Vec<String> {
    let dirs = sample::libraries().into_iter().map(|dir| dir.display().to_string());
    dirs.flat_map(|dir| ["--volume".to_owned(), format!("{dir}:{dir}:ro")]).collect()
}

/// Runs a command whose container must end as the sample does.
fn crashed(program: &str, words: &[&str]) -> Result<()> {
    let outcome = command(program, words)?;
    if outcome.code == Some(sample::EXIT_CODE.into()) {
        Ok(())
    } else {
        Err(failed(program, words, &outcome))
    }
}

fn succeeded(program: &str, words: &[&str]) -> Result<()> {
    let outcome = command(program, words)?;
    if outcome.code == Some(0) { Ok(()) } else { Err(failed(program, words, &outcome)) }
}

fn failed(program: &str, words: &[&str], outcome: &tool::Outcome) -> Error {
    let verb = words.first().copied().unwrap_or_default();
    Error::new(
        ErrorKind::System,
        format!("{program} {verb} failed: {}", crate::log::escape(&outcome.output_tail)),
    )
}

fn command(program: &str, words: &[&str]) -> Result<tool::Outcome> {
    if host::find_program(program, &[]).is_none() {
        return Err(Error::new(ErrorKind::Unsupported, format!("{program} is missing")).advise("install it"));
    }
    let null = File::open("/dev/null").tried(|| "cannot open /dev/null")?;
    tool::run(program, words, &ENVIRONMENT, &null, COMMAND_TIMEOUT)
}
