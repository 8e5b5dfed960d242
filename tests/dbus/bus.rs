//! A bus of a test's own, and a daemon on it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::daemon_world::DaemonWorld;
use crate::support::test_dir::test_dir;

/// Lets everybody do everything: what the daemon itself refuses is what is tested.
pub const OPEN: &str = r#"<policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
  </policy>"#;

/// Lets the bus hold more calls of one client than its default of 128: the daemon's own limits are tested.
const LIMITS: &str = r#"<limit name="max_replies_per_connection">4096</limit>"#;

/// A `dbus-daemon` in a directory of its own.
pub struct Bus {
    dir: TempDir,
    daemon: Option<Child>,
}

impl Bus {
    /// One that lets everybody do everything.
    pub fn new() -> Self {
        Self::with(OPEN)
    }

    /// One with this policy.
    pub fn with(policy: &str) -> Self {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("dbus-test-").permissions(open).tempdir_in(test_dir()).unwrap();
        let mut bus = Self { dir, daemon: None };
        bus.configure(policy);
        bus.start();
        bus
    }

    /// Writes its configuration, which it reads when it starts, or gets SIGHUP.
    pub fn configure(&self, policy: &str) {
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n  \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig>\n  <listen>unix:path={}</listen>\n  <auth>EXTERNAL</auth>\n  {LIMITS}\n  {policy}\n</busconfig>\n",
            self.socket().display()
        );
        fs::write(self.dir.path().join("bus.conf"), config).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("bus")
    }

    /// The bus's address.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        let mut command = Command::new("dbus-daemon");
        command.arg("--nofork").arg("--nopidfile");
        command.arg(format!("--config-file={}", self.dir.path().join("bus.conf").display()));
        let log = fs::File::create(self.dir.path().join("bus.log")).unwrap();
        self.daemon =
            Some(command.stdin(Stdio::null()).stderr(log).spawn().expect("dbus-daemon (package dbus)"));
        wait("the bus answers", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.daemon.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Ends it, with every connection to it.
    pub fn end(&mut self) {
        if self.daemon.is_none() {
            return;
        }
        self.signal(Signal::KILL);
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().unwrap();
        }
        let _gone = fs::remove_file(self.socket());
    }

    /// `busctl` on this bus.
    pub fn busctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("busctl");
        command.arg(format!("--address={}", self.address())).args([
            "--no-pager",
            "--json=short",
            "--timeout=120",
        ]);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Calls a method of an interface: `admin1`, `ctrl1` or `debug1`.
    pub fn call(&self, interface: &str, method: &str, args: &[&str]) -> Output {
        self.call_command(interface, method, args).output().unwrap()
    }

    /// The command that does so.
    pub fn call_command(&self, interface: &str, method: &str, args: &[&str]) -> Command {
        let interface = format!("org.rdk.dobby.{interface}");
        let words = ["call", "--", "org.rdk.dobby", "/org/rdk/dobby", &interface, method];
        self.busctl(words.iter().chain(args))
    }

    /// The members of the answer to a call that must be answered.
    pub fn answer(&self, interface: &str, method: &str, args: &[&str]) -> Value {
        let output = self.call(interface, method, args);
        assert!(output.status.success(), "{method} {args:?}: {output:?}");
        if output.stdout.trim_ascii().is_empty() {
            return Value::Array(Vec::new());
        }
        let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["data"].take()
    }

    /// The only member of the answer.
    pub fn one(&self, interface: &str, method: &str, args: &[&str]) -> Value {
        self.answer(interface, method, args)[0].take()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for something that must come true.
pub fn wait(what: &str, mut fact: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !fact() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A daemon on a bus of its own.
pub struct BusWorld {
    pub daemon: DaemonWorld,
    pub bus: Bus,
}

impl BusWorld {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A daemon with further flags.
    pub fn with(flags: &[&str]) -> Self {
        let bus = Bus::new();
        let address = bus.address();
        let daemon = DaemonWorld::with(&[&["--dbus", &address], flags].concat());
        let world = Self { daemon, bus };
        world.until_on_the_bus(1);
        world
    }

    /// Waits until the daemon has come to the bus this many times.
    pub fn until_on_the_bus(&self, times: usize) {
        self.daemon.until("the daemon is on the bus", || {
            self.daemon.log().matches("answering on D-Bus as org.rdk.dobby").count() == times
        });
    }

    /// Starts a container that sleeps, over D-Bus.
    pub fn sleeper(&self, id: &str) -> String {
        let bundle = self.daemon.bundle(&format!("bundle-{id}"), &["sleep", "100"]);
        let args = ["ssah", id, path(&bundle), "0"];
        let descriptor = self.bus.one("ctrl1", "StartFromBundle", &args);
        assert!(descriptor.as_i64().unwrap() > 0, "{descriptor}\n{}", self.daemon.log());
        descriptor.to_string()
    }
}

/// A path as text.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The signals of the daemon, as `busctl monitor` shows them.
pub struct Monitor {
    busctl: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Monitor {
    /// Shows all signals of Dobby's interfaces from now on.
    pub fn new(bus: &Bus) -> Self {
        let mut command = bus.busctl(["monitor", "--match=type='signal',path='/org/rdk/dobby'"]);
        let mut busctl = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ready = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(busctl.stderr.take().unwrap(), Arc::clone(&ready));
        collect(busctl.stdout.take().unwrap(), Arc::clone(&lines));
        wait("busctl monitors", || {
            let monitors = |lines: &Mutex<Vec<String>>| {
                lines.lock().unwrap().iter().any(|line| line.contains("Monitoring"))
            };
            monitors(&ready) || monitors(&lines)
        });
        Self { busctl, lines }
    }

    /// Name and members of each signal.
    pub fn signals(&self) -> Vec<(String, Value)> {
        let lines = self.lines.lock().unwrap();
        let messages = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        messages
            .map(|mut message| {
                let name = message["member"].as_str().unwrap().to_owned();
                (name, message["payload"]["data"].take())
            })
            .collect()
    }

    /// Waits for a signal of that name about a container.
    pub fn until(&self, name: &str, id: &str) {
        let is_it = |(found, members): &(String, Value)| found == name && members[1] == id;
        wait(&format!("signal {name} of {id}"), || self.signals().iter().any(is_it));
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _gone = self.busctl.kill();
        let _reaped = self.busctl.wait();
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

/// The same command as another user.
pub fn as_user(mut command: Command, user: u32) -> Output {
    command.uid(user).gid(user).output().unwrap()
}
