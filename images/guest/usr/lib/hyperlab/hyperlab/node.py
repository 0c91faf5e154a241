"""The compute node's part: what the controller gives, SLURM's daemon, drains around shutdowns."""

import json
import os
import socket
import subprocess
import sys
import time

from hyperlab import accounts, bundle, drain, files, firewall, jobs, machine, overdue, seed, slurm
from hyperlab.process import NotYet, Problem, WorkRemains, run, succeeds

SLURMD_OPTIONS = "/etc/default/slurmd"
DRAINED = "/var/lib/hyperlab/drained.json"
#: There as soon as what this machine has was current in this boot; slurmd.service has it as a condition.
CURRENT = "/run/hyperlab/current"
KNOCK_SECONDS = 3
KNOCK_PORT = 6816
HOMELESS = "/home is not mounted yet, and slurmd waits for it (on this machine: systemctl status home.mount)"
#: A job that was started when the drain came gets its control group within this time.
LAUNCH_SECONDS = 30


def apply(text):
    """`apply`: make this machine a node of its cluster. Repeating a bundle changes nothing."""
    wanted = bundle.parse(text)
    machine.write_hosts(wanted["hosts"])
    firewall.apply(wanted.get("network") or {"subnet": wanted["subnet"]}, "compute")
    accounts.apply(wanted["users"], wanted["groups"])
    machine.authorize(wanted["users"])
    machine.follow_clock(wanted["controller"]["address"])
    # slurmd mounts the homes before it takes jobs (slurmd.service.d/hyperlab.conf), so that it starts anew for other ones.
    changed = [machine.mount_home(wanted["homeExport"])]
    changed.append(files.write(slurm.JWKS, wanted["slurmJwks"], 0o600, slurm.SLURM_ID, slurm.SLURM_ID))
    options = f"SLURMD_OPTIONS=--conf-server={wanted['controller']['address']}:6817\n"
    changed.append(files.write(SLURMD_OPTIONS, options))
    files.write_json(seed.APPLIED, {"digest": bundle.digest(wanted), "cluster": wanted["cluster"]})
    files.write(CURRENT, bundle.digest(wanted) + "\n")
    # Jobs live in a scope of their own and survive a restart of the daemon.
    run(["systemctl", "restart" if any(changed) else "start", "--no-block", "slurmd.service"])


def applied_digest():
    return (files.read_json(seed.APPLIED) or {}).get("digest", "")


def status():
    """`status`: what this machine has, as one JSON line."""
    boot_id = files.read_text("/proc/sys/kernel/random/boot_id").strip()
    jobs = slurm.local_jobs()
    print(json.dumps({"digest": applied_digest(), "bootId": boot_id, "jobs": jobs}), flush=True)


def knock():
    """Tell the controller that this machine is up, until it has what the controller would give."""
    address = seed.load()["controller"]["address"]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(KNOCK_SECONDS)
    while True:
        digest = applied_digest()
        started = time.monotonic()
        try:
            sock.sendto(json.dumps({"name": slurm.this_node(), "digest": digest}).encode(), (address, KNOCK_PORT))
            reply = json.loads(sock.recv(2048))
            if digest and reply.get("digest") == digest:
                start_slurmd(digest)
                return
        except (OSError, ValueError):
            # No controller yet, or it does not serve this machine yet.
            pass
        time.sleep(max(0.0, KNOCK_SECONDS - (time.monotonic() - started)))


def start_slurmd(digest):
    """slurmd starts at each boot once the controller says that this machine has the keys of now."""
    files.write(CURRENT, digest + "\n")
    run(["systemctl", "start", "--no-block", "slurmd.service"])


def quiesce(reason, slice_seconds, order=None):
    """
    One slice of emptying this machine; NotYet says what it waits for. With an order the time for it is over: what
    becomes of jobs that still run. WorkRemains says which of them the order does not end.
    """
    if not os.path.exists(slurm.JWKS):
        return
    deadline = time.monotonic() + slice_seconds
    while True:
        node = slurm.node(slurm.this_node())
        step, text = drain.quiesce(node, slurm.local_jobs())
        if step == "empty":
            return
        if step == "drain":
            drain_self(drain.quiesce_reason(reason))
            continue
        if order is not None:
            end_jobs(jobs.order_of(order), node)
        if time.monotonic() > deadline:
            raise NotYet(text)
        time.sleep(2)


def end_jobs(order, node):
    """Carry out the order at the end of a drain's time; WorkRemains where jobs are left that it does not end."""
    local = slurm.local_jobs()
    try:
        remaining = overdue.act(order, [slurm.this_node()])
    except (Problem, ValueError) as problem:
        if order != "fail":
            raise NotYet(f"jobs {', '.join(local)} run here; SLURM does not say more: {problem}") from None
        raise WorkRemains(f"jobs {', '.join(local)}; SLURM does not say whose and how long: {problem}") from None
    if remaining:
        raise WorkRemains(overdue.report([slurm.this_node()], [node] if node else [], remaining, order))
    if order == "fail":
        raise WorkRemains(f"nothing but the end of jobs that are ending: {', '.join(local) or 'SLURM cleans up'}")


def drain_self(reason):
    files.write_json(DRAINED, {"reason": reason})
    slurm.update(slurm.this_node(), "drain", reason)


def is_held_by_us(node):
    return drain.may_resume(node) and node["reason"] != drain.LEAVING


def resume_self():
    """Resume this node when its drain is ours."""
    node = slurm.node(slurm.this_node())
    if node is not None and is_held_by_us(node):
        try:
            slurm.update(node["name"], "resume")
        except Problem:
            # The service after a boot and the ready hook may both be here; what counts is that the drain is gone.
            now = slurm.node(node["name"])
            if now is None or is_held_by_us(now):
                raise
    if node is not None:
        files.remove(DRAINED)


def boot_time():
    return time.time() - float(files.read_text("/proc/uptime", "0").split()[0])


def registered_since_boot(node):
    """SLURM keeps the boot time that the node told at its last registration; clocks may differ a little."""
    return node["boot_time"] >= boot_time() - 20


def is_active(unit):
    return succeeds(["systemctl", "is-active", "--quiet", unit])


def readiness():
    """The node's own state when it serves; NotYet says what is missing."""
    if not applied_digest():
        raise NotYet("waits for the controller to hand over users, mounts and the SLURM key")
    if not os.path.exists(CURRENT):
        raise NotYet("waits for the controller to say whether the SLURM key of this machine is current")
    if not is_active("slurmd.service"):
        raise NotYet("slurmd is not up yet" if is_active("home.mount") else HOMELESS)
    node = slurm.node(slurm.this_node())
    if node is None:
        raise NotYet("the controller does not answer, or does not know this node yet")
    if not registered_since_boot(node):
        raise NotYet("slurmd has not registered with the controller yet")
    broken = drain.broken_states(node)
    if broken:
        raise NotYet(f"SLURM shows this node as {drain.state_text(node)} {node['reason']}".rstrip())
    return node


def ready(slice_seconds):
    """One slice of waiting for this node to serve; then resume a drain of ours."""
    deadline = time.monotonic() + slice_seconds
    while True:
        try:
            readiness()
            resume_self()
            return
        except NotYet:
            if time.monotonic() > deadline:
                raise
        time.sleep(2)


def resume_after_boot():
    """After a boot that nobody watches: resume what this machine drained itself, once it is registered."""
    while os.path.exists(DRAINED):
        try:
            readiness()
            resume_self()
        except (NotYet, Problem):
            time.sleep(5)


def is_shutting_down():
    done = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True)
    return done.stdout.strip() == "stopping"


def self_drain():
    """
    At a shutdown that nobody announced: take no more jobs, let those that run here end. What counts is the jobs'
    processes on this machine, so that a controller that is gone holds nothing up.
    """
    if not os.path.exists(slurm.JWKS) or not is_shutting_down():
        return
    node = slurm.node(slurm.this_node(), timeout=10)
    if node is not None and not drain.is_closed(node):
        try:
            drain_self(drain.SHUTDOWN)
        except Problem as problem:
            print(problem, file=sys.stderr, flush=True)
    launched = time.monotonic() + LAUNCH_SECONDS
    said = None
    while True:
        jobs = slurm.local_jobs()
        if not jobs and (node is None or not drain.is_busy(node) or time.monotonic() > launched):
            return
        if jobs != said:
            said = jobs
            print(f"the shutdown waits for jobs: {', '.join(jobs) or 'one that is starting'}", flush=True)
        time.sleep(1)
        if not jobs:
            node = slurm.node(slurm.this_node(), timeout=10)


def main(arguments):
    """Entry point. Over SSH the forced command gives the verb in SSH_ORIGINAL_COMMAND; only two verbs are allowed so."""
    remote = os.environ.get("SSH_ORIGINAL_COMMAND")
    verb = remote if remote is not None and not arguments else " ".join(arguments)
    allowed = {"apply": lambda: apply(sys.stdin.read()), "status": status}
    if remote is None:
        allowed |= {"knock": knock, "resume": resume_after_boot, "self-drain": self_drain}
    if verb not in allowed:
        raise Problem(f"Usage: node {'|'.join(allowed)}")
    allowed[verb]()
