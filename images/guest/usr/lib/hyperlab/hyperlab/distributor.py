"""
Gives every node the cluster's hosts, users, mounts and SLURM key, over SSH with pinned host keys.

It pushes when the bundle changed and when a node knocks (a UDP datagram with the digest of what it has). A node that
has the current bundle costs nothing.
"""

import concurrent.futures
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

from hyperlab import files, host_keys, store

PORT = 6816
KNOWN_HOSTS = "/run/hyperlab/known_hosts"
PARALLEL = 8
FIRST_RETRY, LAST_RETRY = 2, 60


class Schedule:
    """When to push to which node. Pure: time comes in, names come out."""

    def __init__(self, applied=None):
        self.digest = None
        self.nodes = {}
        self.applied = dict(applied or {})
        self.due = {}
        self.delay = {}
        self.running = set()
        self.unreached = {}

    def publish(self, digest, nodes, now):
        """A bundle and the nodes it is for; nodes that have it already are left alone."""
        self.digest, self.nodes = digest, nodes
        self.applied = {name: value for name, value in self.applied.items() if name in nodes}
        self.due = {name: now for name in nodes if self.applied.get(name) != digest}
        self.delay = {}
        self.unreached = {}

    def knock(self, name, address, digest, now):
        """A node says what it has; return whether it is a node of ours. A stale one is due at once."""
        if name not in self.nodes or self.nodes[name]["address"] != address:
            return False
        if digest == self.digest:
            self.applied[name] = digest
            self.due.pop(name, None)
            self.unreached.pop(name, None)
        else:
            self.applied.pop(name, None)
            self.delay.pop(name, None)
            self.due[name] = now
        return True

    def take(self, now, most):
        """Names to push to now; each is running until `done`."""
        ready = sorted(name for name, due in self.due.items() if due <= now and name not in self.running)
        chosen = ready[: max(0, most - len(self.running))]
        for name in chosen:
            self.running.add(name)
            del self.due[name]
        return chosen

    def done(self, name, digest, succeeded, now):
        """The end of a push of a bundle. A failure is tried again, later each time; a knock makes it at once."""
        self.running.discard(name)
        if name not in self.nodes:
            return
        if succeeded:
            self.applied[name] = digest
            self.delay.pop(name, None)
            self.unreached.pop(name, None)
            if digest == self.digest:
                self.due.pop(name, None)
            else:
                self.due[name] = now
            return
        self.unreached[name] = digest
        if name not in self.due:
            self.delay[name] = min(LAST_RETRY, self.delay.get(name, FIRST_RETRY / 2) * 2)
            self.due[name] = now + self.delay[name]

    def wait(self, now):
        """Seconds until something is due, or None."""
        times = [due for name, due in self.due.items() if name not in self.running]
        return max(0.0, min(times) - now) if times and len(self.running) < PARALLEL else None


def known_hosts(nodes):
    """Lines that pin each node's host keys under its name."""
    return "".join(host_keys.lines(node["name"], host_keys.of(node)) for node in nodes)


def push_command(node):
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": KNOWN_HOSTS,
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": node["name"],
        "CheckHostIP": "no",
        "ConnectTimeout": "5",
        "ServerAliveInterval": "10",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-T", "-i", store.CLUSTER_KEY, *words, f"root@{node['address']}", "apply"]


def push(node, text):
    try:
        done = subprocess.run(push_command(node), input=text, capture_output=True, text=True, timeout=300)
        return done.returncode == 0, done.stderr.strip()[-500:]
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)[:200]


class Service:
    """The distributor as a process: one thread decides, a few push."""

    def __init__(self):
        self.schedule = Schedule(files.read_json(store.RECORD, {}))
        self.pool = concurrent.futures.ThreadPoolExecutor(PARALLEL)
        self.text = ""
        self.failing = {}
        self.wake_read, self.wake_write = socket.socketpair()
        self.finished = []
        self.reload = True

    def wake(self):
        self.wake_write.send(b".")

    def load(self):
        stored = files.read_json(store.BUNDLE)
        self.reload = False
        if not stored:
            return
        files.write(KNOWN_HOSTS, known_hosts(stored["nodes"]))
        self.text = json.dumps(stored["bundle"])
        nodes = {node["name"]: node for node in stored["nodes"]}
        self.schedule.publish(stored["digest"], nodes, time.monotonic())

    def start_pushes(self):
        for name in self.schedule.take(time.monotonic(), PARALLEL):
            digest = self.schedule.digest
            job = self.pool.submit(push, self.schedule.nodes[name], self.text)
            job.add_done_callback(lambda job, name=name, digest=digest: self.push_ended(name, digest, job.result()))

    def push_ended(self, name, digest, result):
        self.finished.append((name, digest, result))
        self.wake()

    def settle(self):
        while self.finished:
            name, digest, (succeeded, said) = self.finished.pop(0)
            self.schedule.done(name, digest, succeeded, time.monotonic())
            if succeeded:
                print(f"{name}: applied", flush=True)
                self.failing.pop(name, None)
            elif self.failing.get(name) != said:
                self.failing[name] = said
                print(f"{name}: not reached, tried again: {said}", file=sys.stderr, flush=True)
            self.record()

    def record(self):
        files.write_json(store.RECORD, self.schedule.applied)
        files.write_json(store.UNREACHED, self.schedule.unreached)

    def answer(self, sock):
        data, (address, port) = sock.recvfrom(2048)
        try:
            message = json.loads(data)
            name, digest = str(message["name"]), str(message["digest"])
        except (ValueError, KeyError, TypeError):
            return
        if self.schedule.knock(name, address, digest, time.monotonic()):
            self.record()
            sock.sendto(json.dumps({"digest": self.schedule.digest}).encode(), (address, port))

    def run(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", PORT))
        selector = selectors.DefaultSelector()
        selector.register(sock, selectors.EVENT_READ)
        selector.register(self.wake_read, selectors.EVENT_READ)
        while True:
            if self.reload:
                self.load()
            self.settle()
            self.start_pushes()
            for key, _ in selector.select(self.schedule.wait(time.monotonic())):
                if key.fileobj is sock:
                    self.answer(sock)
                else:
                    self.wake_read.recv(4096)


def serve():
    """Serve for as long as the controller runs; SIGHUP reads the bundle anew."""
    os.makedirs("/run/hyperlab", exist_ok=True)
    service = Service()

    def hang_up(_signal, _frame):
        service.reload = True
        service.wake()

    signal.signal(signal.SIGHUP, hang_up)
    service.run()
