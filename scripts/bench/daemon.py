"""A daemon, its containers and its clients, for the benchmarks of `ocicontainer`."""

import contextlib
import json
import os
import platform
import select
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# A tmpfs on every box, as /run is on most.
STATES = "/dev/shm"
TRAP = "trap 'exit 0' TERM; echo x >/sync/ready; while :; do sleep 1000 & wait $!; done"


def built():
    """The static program that is shipped."""
    static = REPOSITORY / f"target/{platform.machine()}-unknown-linux-musl/release/ocicontainer"
    return static if static.exists() else REPOSITORY / "target/release/ocicontainer"


def own_cgroup():
    """The file that this process writes its number into to enter the cgroup it is in."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        procs = Path("/sys/fs/cgroup", controllers, path.lstrip("/"), "cgroup.procs")
        if os.access(procs, os.W_OK):
            return procs
    raise RuntimeError("no cgroup of this process can be written to")


class World:
    """A rootfs, bundles, a FIFO on which every container says that it runs, a daemon."""

    def __init__(self, program):
        self.dir = Path(tempfile.mkdtemp(prefix="ocicontainer-bench-"))
        # As on a box: states on a tmpfs, the rest on disk.
        self.state = Path(tempfile.mkdtemp(prefix="ocicontainer-bench-", dir=STATES))
        self.sync = self.dir / "sync"
        self.sync.mkdir()
        os.mkfifo(self.sync / "ready")
        # Open for both, so that neither side ever blocks or sees an end.
        self.ready = os.open(self.sync / "ready", os.O_RDWR)
        self.make_rootfs()
        self.bundle = self.make_bundle("trap", ["sh", "-c", TRAP])
        self.program = program
        self.serve()

    def serve(self):
        """Starts a daemon and waits until it listens."""
        (self.dir / "socket").unlink(missing_ok=True)
        self.daemon = subprocess.Popen(
            [self.program, "serve", "--log-level", "warn", "--listen", "127.0.0.1:0", "--socket", self.dir / "socket"]
            + ["--state-dir", self.state / "state", "--log-dir", self.dir / "log"]
            + ["--runtime-root", self.state / "ours"]
        )
        while not (self.dir / "socket").exists():
            time.sleep(0.01)

    def make_rootfs(self):
        for name in ["bin", "proc", "sync", "dev"]:
            (self.dir / "rootfs" / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", self.dir / "rootfs/bin/busybox")
        for name in ["sh", "sleep"]:
            (self.dir / "rootfs/bin" / name).symlink_to("busybox")

    def make_bundle(self, name, args):
        bundle = self.dir / name
        bundle.mkdir()
        config = {
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/"},
            "root": {"path": str(self.dir / "rootfs"), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/sync", "type": "bind", "source": str(self.sync), "options": ["bind", "rw"]},
            ],
            "linux": {"namespaces": [{"type": kind} for kind in ["pid", "ipc", "uts", "mount"]]},
        }
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    def crun(self, *args, wait=True):
        """The bare runtime, in a root of its own."""
        command = ["/usr/bin/crun", "--root", str(self.state / "bare"), *args]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=False)
        if wait and child.wait() != 0:
            raise RuntimeError(f"failed: {command}")
        return child

    def wait_ready(self, count=1):
        """Waits until `count` containers have reached their first instruction."""
        while count > 0:
            if not select.select([self.ready], [], [], 30)[0]:
                raise RuntimeError(f"{count} containers did not come up in 30 s")
            count -= os.read(self.ready, 4096).count(b"x")

    def end(self):
        self.daemon.terminate()
        self.daemon.wait()
        for root in ["ours", "bare"]:
            base = ["/usr/bin/crun", "--root", str(self.state / root)]
            for name in subprocess.run(base + ["list", "-q"], capture_output=True, text=True).stdout.split():
                subprocess.run(base + ["delete", "--force", name], check=False)
        os.close(self.ready)
        shutil.rmtree(self.dir)
        shutil.rmtree(self.state)


class Client:
    """One kept WebSocket to the daemon's Unix socket, without any library's overhead."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.buffer = b""
        self.socket.sendall(
            b"GET /jsonrpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        self.buffer = self.buffer.split(b"\r\n\r\n", 1)[1]

    def send(self, method, params=None):
        request = {"jsonrpc": "2.0", "id": 1, "method": f"OCIContainer.1.{method}", "params": params or {}}
        payload = json.dumps(request).encode()
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.socket.sendall(b"\x81" + length + bytes(4) + payload)

    def take(self, count):
        while len(self.buffer) < count:
            self.buffer += self.socket.recv(65536)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def receive(self):
        size = self.take(2)[1]
        if size >= 126:
            size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
        return json.loads(self.take(size))

    def until(self, wanted):
        while True:
            message = self.receive()
            if "error" in message:
                raise RuntimeError(message["error"])
            if wanted(message):
                return message

    def call(self, method, params=None):
        self.send(method, params)
        return self.until(lambda message: "id" in message)["result"]


class Http:
    """One kept HTTP connection over TCP."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": f"OCIContainer.1.{method}", "params": params})
        head = f"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall((head + body).encode())
        answer = self.socket.recv(65536)
        head, body = answer.split(b"\r\n\r\n", 1)
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < size:
            body += self.socket.recv(65536)
        return body


def milliseconds(work):
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def spread(times):
    """The quartiles."""
    low, _, high = statistics.quantiles(times, n=4)
    return f" ({low:.2f} to {high:.2f})"


def report(what, ours, bare=None, unit="ms"):
    middle = statistics.median(ours)
    line = f"{what:52}{middle:9.2f} {unit}{spread(ours)}"
    if bare:
        other = statistics.median(bare)
        line += f"   bare runtime {other:9.2f} {unit}{spread(bare)}   ratio {middle / other:5.2f}"
    print(line, flush=True)


def resident(pid):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return [int(fields[name].split()[0]) / 1024 for name in ["VmRSS", "RssAnon"]]


def idle_calls(pid, seconds):
    """How many system calls the idle daemon makes."""
    log = tempfile.NamedTemporaryFile("r")
    tracer = subprocess.Popen(["strace", "-f", "-q", "-o", log.name, "-p", str(pid)], stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    tracer.terminate()
    tracer.wait()
    # What strace finds under way when it attaches, and what it breaks off, is not the daemon's doing.
    noise = ["resumed", "<detached", "---", "restart_syscall", "strace:"]
    return sum(1 for line in log if not any(word in line for word in noise))


def port_of(world):
    """The daemon's TCP port, from the list of listening sockets."""
    inodes = set()
    for entry in os.listdir(f"/proc/{world.daemon.pid}/fd"):
        # Descriptors of other connections go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            link = os.readlink(f"/proc/{world.daemon.pid}/fd/{entry}")
            inodes.add(link.removeprefix("socket:[").removesuffix("]"))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].split(":")[1], 16)
    raise RuntimeError("the daemon does not listen")
