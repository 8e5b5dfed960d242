//! A world of its own for each test: a daemon on a free port, its directories, its runtime root, bundles.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::host::{PATIENCE, daemon_program, ended, unmount_below};
use crate::support::test_dir::test_dir;
use crate::support::wire::{Answer, Http, Ws};

/// The plugin's name in methods.
pub(crate) const PLUGIN: &str = "org.rdk.OCIContainer.1";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Gives this thread, and what it starts, mounts of its own.
pub(crate) fn leave_the_hosts_mounts() {
    // That is done once for all tests, and not in the mounts of one.
    crate::support::cgroup_hugetlb::mount_what_crun_wants();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).unwrap();
}

/// A daemon with everything around it. Dropping it ends the daemon and deletes its containers.
pub(crate) struct DaemonWorld {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    number: u32,
    daemon: Option<Child>,
    flags: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    user: u32,
}

impl DaemonWorld {
    /// A daemon with the settings of the tests.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A daemon with further flags.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::build(flags, &[], 0)
    }

    /// A daemon with further variables in its environment.
    pub(crate) fn with_environment(environment: &[(&'static str, OsString)]) -> Self {
        Self::build(&[], environment, 0)
    }

    /// A daemon that another user than root runs, whose world it is.
    pub(crate) fn of_user(user: u32) -> Self {
        Self::build(&[], &[], user)
    }

    fn build(flags: &[&str], environment: &[(&'static str, OsString)], user: u32) -> Self {
        crate::support::cgroup_hugetlb::mount_what_crun_wants();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        // The root of a user namespace must get through to its root file system.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("ocicontainer-test-").permissions(open).tempdir_in(test_dir()).unwrap();
        let mut world =
            Self { dir, port: 0, number, daemon: None, flags, environment: environment.to_vec(), user };
        world.make_rootfs();
        crate::support::hook_wrapper::make(world.dir.path(), "");
        std::os::unix::fs::chown(world.dir.path(), Some(user), None).unwrap();
        world.start();
        world
    }

    /// A path in the world's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A container id that no other test has: cgroups are named after it.
    pub(crate) fn id(&self, name: &str) -> String {
        format!("t{}-{}-{name}", std::process::id(), self.number)
    }

    /// The program, where the user of this world can run it: the project may lie where only root may pass.
    pub(crate) fn program(&self) -> PathBuf {
        let path = self.path("ocicontainer");
        if self.user == 0 && !path.exists() {
            return daemon_program();
        }
        if !path.exists() {
            fs::hard_link(daemon_program(), &path)
                .or_else(|_| fs::copy(daemon_program(), &path).map(drop))
                .unwrap();
        }
        path
    }

    /// The command that starts a daemon in this world.
    pub(crate) fn serve_command(&self) -> Command {
        let mut command = Command::new("/bin/busybox");
        // systemd names the process that its watchdog watches.
        let script = r#"[ "$WATCHDOG_PID" != self ] || WATCHDOG_PID=$$; exec "$0" "$@""#;
        command.args(["sh", "-c", script]).arg(self.program()).arg("serve");
        let has = |name: &str| self.flags.iter().any(|flag| flag == name);
        if !has("--listen") && !has("--no-tcp") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        crate::support::hook_wrapper::live_in(&mut command, &self.path(""));
        command.args(["--stop-timeout", "2"]).args(&self.flags);
        command.uid(self.user).gid(self.user).current_dir("/");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("daemon.log")).unwrap();
        let before = self.log().len();
        let daemon = self.serve_command().stdin(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        let socket = format!("answering on {}", self.path("socket").display());
        self.until("the daemon answers", || self.log()[before..].contains(&socket));
        let log = self.log();
        if let Some((_, rest)) = log[before..].split_once("http://") {
            let address = rest.split('/').next().unwrap();
            self.port = address.rsplit(':').next().unwrap().parse().unwrap();
        }
    }

    /// Ends the daemon by a signal and gives its exit status.
    pub(crate) fn end(&mut self, signal: rustix::process::Signal) -> Option<i32> {
        let daemon = self.daemon.take()?;
        let pid = rustix::process::Pid::from_child(&daemon);
        rustix::process::kill_process(pid, signal).unwrap();
        ended(daemon).expect("the daemon did not end").code()
    }

    /// Starts the daemon anew, with another value of a flag that it was given.
    pub(crate) fn restart_with(&mut self, flag: &str, value: &str) {
        self.end(rustix::process::Signal::TERM);
        let at = self.flags.iter().position(|given| given == flag).unwrap();
        value.clone_into(&mut self.flags[at + 1]);
        self.start();
    }

    /// Puts another copy of the program into the place of the one there is, as an upgrade does, for the next start.
    pub(crate) fn upgrade(&self) {
        let new = self.path("ocicontainer.new");
        fs::copy(daemon_program(), &new).unwrap();
        fs::rename(new, self.path("ocicontainer")).unwrap();
    }

    /// Waits for the end of a daemon that was asked to end, and gives its exit status.
    pub(crate) fn join(&mut self) -> Option<i32> {
        ended(self.daemon.take()?).expect("the daemon did not end").code()
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// What the daemon logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Waits for something that must come true.
    pub(crate) fn until(&self, what: &str, mut fact: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !fact() {
            assert!(begin.elapsed() < PATIENCE, "never: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A new TCP connection.
    pub(crate) fn tcp(&self) -> Http {
        Http::over(std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap())
    }

    /// A new connection to the Unix socket.
    pub(crate) fn unix(&self) -> Http {
        Http::over(std::os::unix::net::UnixStream::connect(self.path("socket")).unwrap())
    }

    /// A new WebSocket.
    pub(crate) fn ws(&self) -> Ws {
        Ws::connect(self.port, "/jsonrpc", &[("Sec-WebSocket-Protocol", "notification")]).unwrap()
    }

    /// POSTs a body to `/jsonrpc`.
    pub(crate) fn post(&self, body: &str) -> Answer {
        self.tcp().request("POST", "/jsonrpc", &[], body)
    }

    /// Calls a method of the plugin by HTTP: its result, or its error.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": format!("{PLUGIN}.{method}"), "params": params});
        let mut answer = self.post(&request.to_string()).json();
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// As [`Self::call`], for calls that must succeed.
    pub(crate) fn done(&self, method: &str, params: &Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method} {params}: {error}\n{}", self.log()))
    }

    /// Runs a verb of the command line against this daemon.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        let (verb, rest) = args.split_first().unwrap();
        let mut command = Command::new(daemon_program());
        command.arg(verb).arg("--socket").arg(self.path("socket")).args(rest);
        command.output().unwrap()
    }

    fn make_rootfs(&self) {
        let bin = self.path("rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        for dir in ["proc", "dev", "sys", "tmp"] {
            fs::create_dir_all(self.path("rootfs").join(dir)).unwrap();
        }
        fs::copy("/bin/busybox", bin.join("busybox")).expect("a static /bin/busybox (busybox-static)");
        for name in ["sh", "sleep", "echo", "cat", "env", "kill", "true", "false", "ls", "head", "yes"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
    }

    /// A bundle whose container runs `args`.
    pub(crate) fn bundle(&self, name: &str, args: &[&str]) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir_all(&dir).unwrap();
        let mount = |target: &str, kind: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
        let namespaces: Vec<_> = ["pid", "ipc", "uts", "mount"].map(|kind| json!({"type": kind})).into();
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": args,
                "env": ["PATH=/bin"],
                "cwd": "/",
            },
            "root": {"path": self.path("rootfs"), "readonly": true},
            "hostname": "test",
            "mounts": [
                mount("/proc", "proc", &[]),
                mount("/dev", "tmpfs", &["nosuid", "mode=755"]),
                mount("/tmp", "tmpfs", &["nosuid"]),
            ],
            "linux": {"namespaces": namespaces},
        });
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
        dir
    }

    /// Starts a container that runs `args` and gives its descriptor.
    pub(crate) fn run(&self, id: &str, args: &[&str]) -> i64 {
        let bundle = self.bundle(&format!("bundle-{id}"), args);
        let result = self.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        result["descriptor"].as_i64().unwrap()
    }

    fn runtime(&self) -> Command {
        let mut flags = self.flags.iter().skip_while(|flag| *flag != "--runtime").skip(1);
        let mut command = Command::new(flags.next().map_or("crun", String::as_str));
        command.arg("--root").arg(self.path("runtime"));
        command
    }

    /// The ids that the runtime knows.
    pub(crate) fn runtime_list(&self) -> Vec<String> {
        let output = self.runtime().args(["list", "-q"]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The runtime's own removal, for what a failed test left.
    fn sweep(&self) {
        for id in self.runtime_list() {
            let _best_effort = self.runtime().args(["delete", "--force", &id]).output();
        }
    }
}

impl Drop for DaemonWorld {
    /// Also after a failure: no daemon, no container and no mount stays.
    fn drop(&mut self) {
        let is_failed = std::thread::panicking();
        if is_failed {
            eprintln!("--- log of the daemon ---\n{}", self.log());
        }
        let mut has_ended = true;
        if let Some(daemon) = self.daemon.take() {
            let pid = rustix::process::Pid::from_child(&daemon);
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            has_ended = ended(daemon).is_some();
        }
        self.sweep();
        if !unmount_below(self.dir.path()) {
            eprintln!("{} is kept: something is mounted in it", self.dir.path().display());
            self.dir.disable_cleanup(true);
        }
        assert!(has_ended || is_failed, "the daemon did not end");
    }
}
