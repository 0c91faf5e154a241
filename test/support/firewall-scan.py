#!/usr/bin/python3
"""
Machines of a cluster, one of a peer and a stranger as network namespaces on one bridge; the machine "target" has the guest's
real firewall. Everything listens to everything, so that what is answered is what the firewall lets through. Runs in namespaces of its own,
which take all of it with them.

Standard input: {"conf": text of nftables.conf, "folder": ..., "ports": {"tcp": [...], "udp": [...]}, "away": [...],
"scanners": [names], "steps": [{"role": ..., "wanted": {...}} | null]}, and for a target with a login interface "login":
{"interface", "mark", "table", "sysctl": text of the guest's file}. Standard output: for each step, what each scanner reaches on
the target, what the target reaches on each of them and on the gateway, and what is reached through the login interface: on
the target by the address that a packet claims to come from, and by the target.
"""

import errno
import ipaddress
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time

PEERS = {
    "target": "10.50.0.2",
    "machine": "10.50.0.11",
    "gateway": "10.50.0.1",
    "peer": "198.51.100.9",
    "stranger": "192.0.2.9",
}
NETWORKS = {"10.50.0.0/24", "198.51.100.0/24", "192.0.2.0/24"}
#: The users' network: the target's address there, the router, and whoever is behind it or claims to be a machine.
LOGIN = "203.0.113.5"
ROUTER = "203.0.113.1"
USERS = {"near": ROUTER, "far": "172.31.9.9", "forged": PEERS["machine"]}
#: Nothing is lost on a bridge in memory: what did not answer by then was dropped.
SILENCE_SECONDS = 2.0
#: Ports of one process.
SHARE = 9000


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}{done.stdout}")
    return done.stdout


def build():
    run("mount", "-t", "tmpfs", "none", "/run")
    run("ip", "link", "add", "wire", "type", "bridge")
    run("ip", "link", "set", "wire", "up")
    for name, address in PEERS.items():
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"to-{name}", "master", "wire", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        for other in NETWORKS - {str(ipaddress.ip_interface(f"{address}/24").network)}:
            run("ip", "-n", name, "route", "add", other, "dev", "eth0")


def build_login(login):
    """A second interface as networkd sets it up from the controller's document, with everybody else behind one router."""
    interface, table = login["interface"], str(login["table"])
    run("ip", "netns", "add", "users")
    run("ip", "-n", "users", "link", "add", "eth0", "type", "veth", "peer", "name", interface, "netns", "target")
    run("ip", "-n", "users", "link", "set", "lo", "up")
    run("ip", "-n", "users", "link", "set", "eth0", "up")
    run("ip", "-n", "users", "address", "add", f"{ROUTER}/24", "dev", "eth0")
    for address in (USERS["far"], USERS["forged"]):
        run("ip", "-n", "users", "address", "add", f"{address}/32", "dev", "lo")
    target = ("ip", "-n", "target")
    run(*target, "link", "set", interface, "up")
    run(*target, "address", "add", f"{LOGIN}/24", "dev", interface, "noprefixroute")
    run(*target, "route", "add", "203.0.113.0/24", "dev", interface, "table", table)
    run(*target, "route", "add", "default", "via", ROUTER, "dev", interface, "table", table)
    run(*target, "rule", "add", "fwmark", str(login["mark"]), "priority", table, "table", table)
    settings = [line.replace(" ", "") for line in login["sysctl"].splitlines() if line and line[0] != "#"]
    settings += [f"net.ipv4.conf.{name}.rp_filter=0" for name in ("all", interface)]
    run("ip", "netns", "exec", "target", "sysctl", "-q", "-w", *settings)


def within(name, verb, ports):
    """This program inside of a namespace, with an address and ports."""
    command = ["ip", "netns", "exec", name, sys.executable, __file__, verb]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps(ports) + "\n")
    process.stdin.flush()
    return process


def serve(ports):
    """Accept every connection and answer every datagram, until the end of the process."""
    poll = select.epoll()
    sockets = {}
    for kind, protocol in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        for port in ports[protocol]:
            sock = socket.socket(socket.AF_INET, kind)
            sock.setblocking(False)
            sock.bind(("0.0.0.0", port))
            if protocol == "tcp":
                sock.listen(16)
            sockets[sock.fileno()] = (sock, protocol)
            poll.register(sock, select.EPOLLIN)
    print("listens", flush=True)
    while True:
        for number, _ in poll.poll():
            sock, protocol = sockets[number]
            if protocol == "tcp":
                sock.accept()[0].close()
            else:
                sock.sendto(b"here", sock.recvfrom(64)[1])


def scan(wanted):
    """Ports of an address that answer."""
    print(json.dumps({kind: probe(wanted, kind, wanted[kind]) for kind in ("tcp", "udp")}), flush=True)


def probe(ends, protocol, ports):
    poll = select.epoll()
    open_ports, sockets = [], {}
    for port in ports:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
        sock.setblocking(False)
        if "source" in ends:
            sock.bind((ends["source"], 0))
        if "device" in ends:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ends["device"].encode())
        code = sock.connect_ex((ends["address"], port))
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            continue
        if protocol == "udp":
            try:
                sock.send(b"there?")
            except OSError:
                # The machine's own firewall refused it.
                sock.close()
                continue
        sockets[sock.fileno()] = (sock, port)
        poll.register(sock, select.EPOLLOUT if protocol == "tcp" else select.EPOLLIN)
    last = time.monotonic()
    while sockets and time.monotonic() < last + SILENCE_SECONDS:
        for number, _ in poll.poll(0.1):
            sock, port = sockets.pop(number)
            poll.unregister(sock)
            last = time.monotonic()
            if answered(sock, protocol):
                open_ports.append(port)
            sock.close()
    return sorted(open_ports)


def answered(sock, protocol):
    if protocol == "tcp":
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    try:
        return sock.recv(64) == b"here"
    except OSError:
        return False


def shares(ports):
    """As many ports as a process may have open files."""
    for protocol in ("tcp", "udp"):
        for start in range(0, len(ports[protocol]), SHARE):
            yield {"tcp": [], "udp": [], protocol: ports[protocol][start : start + SHARE]}


def reaches(source, goal, ports):
    return scanned(source, {"address": PEERS[goal]}, ports)


def scanned(source, ends, ports):
    processes = [within(source, "scan", {**ends, **share}) for share in shares(ports)]
    found = [json.loads(process.communicate()[0]) for process in processes]
    return {protocol: sorted(port for each in found for port in each[protocol]) for protocol in ("tcp", "udp")}


def main(wanted):
    build()
    if "login" in wanted:
        build_login(wanted["login"])
    folder = wanted["folder"]
    conf = os.path.join(folder, "nftables.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(wanted["conf"].replace("/etc/hyperlab/nftables.d", folder))
    run("ip", "netns", "exec", "target", "nft", "-f", conf)
    away = {"tcp": wanted["away"], "udp": wanted["away"]}
    servers = [
        within(name, "serve", share)
        for name in (*PEERS, *(["users"] if "login" in wanted else []))
        for share in shares(wanted["ports"] if name == "target" else away)
    ]
    for server in servers:
        if server.stdout.readline() != "listens\n":
            sys.exit("a listener did not start")
    result = []
    for step in wanted["steps"]:
        if step is not None:
            process = within("target", "apply", {"folder": folder, **step})
            if process.communicate()[0] != "applied\n":
                sys.exit("the rules were not applied")
        before = run("ip", "netns", "exec", "target", "nft", "list", "ruleset")
        # Where no peer is declared it is a stranger, and each that is asked costs seconds of silence.
        others = [name for name in PEERS if name in (*wanted["scanners"], "gateway")]
        found = {
            "from": {name: reaches(name, "target", wanted["ports"]) for name in wanted["scanners"]},
            "to": {name: reaches("target", name, away) for name in others},
        }
        if "login" in wanted:
            ends = {name: {"address": LOGIN, "source": source} for name, source in USERS.items()}
            found["login"] = {name: scanned("users", each, wanted["ports"]) for name, each in ends.items()}
            out = {"address": ROUTER, "device": wanted["login"]["interface"]}
            found["login"]["out"] = scanned("target", out, away)
        # A boot.
        run("ip", "netns", "exec", "target", "nft", "-f", conf)
        found["sameAfterBoot"] = run("ip", "netns", "exec", "target", "nft", "list", "ruleset") == before
        result.append(found)
    for server in servers:
        server.kill()
    print(json.dumps(result))


def apply(step):
    from hyperlab import firewall

    firewall.RULES = os.path.join(step["folder"], "policy.nft")
    firewall.DRAFT = os.path.join(step["folder"], "policy.draft")
    firewall.apply(step["wanted"], step["role"])
    print("applied", flush=True)


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    verbs = {"serve": serve, "scan": scan, "apply": apply}
    if len(sys.argv) > 1:
        verbs[sys.argv[1]](json.loads(sys.stdin.readline()))
    else:
        main(json.load(sys.stdin))
