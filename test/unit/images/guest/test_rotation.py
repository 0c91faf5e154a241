"""How SLURM's key changes while the cluster runs."""

import json
import os
import subprocess
import tempfile
import unittest
from unittest import mock

from hyperlab import accounting, bundle, controller, files, keys, node, publication, rotation, scheduler, slurm, store
from hyperlab.process import Problem


def key_set(*names, signs=None):
    keys = [{"alg": "HS256", "kty": "oct", "kid": name, "k": f"secret-{name}"} for name in names]
    return json.dumps({"keys": rotation.marked(keys, signs or names[-1])})


def kids(text):
    """(the one that signs, all that are known)."""
    keys = rotation.keys_of(text)
    return rotation.signing(keys)["kid"], frozenset(key["kid"] for key in keys)


OLD, NEW, OTHER = key_set("1"), key_set("2"), key_set("3")
SIZE = 2


class Steps(unittest.TestCase):
    def steps(self, active, wanted):
        taken = []
        while (step := rotation.following(active, wanted)) is not None:
            taken.append((step[0], kids(step[1])))
            active = step[1]
        self.assertEqual(active, wanted)
        return taken

    def test_three_steps_from_a_key_to_the_next(self):
        both = frozenset("12")
        wanted = [("introduce", ("1", both)), ("sign", ("2", both)), ("forget", ("2", frozenset("2")))]
        self.assertEqual(self.steps(OLD, NEW), wanted)

    def test_nothing_to_do(self):
        self.assertIsNone(rotation.following(NEW, NEW))

    def test_an_interrupted_rotation_goes_on_back_or_further(self):
        interrupted = key_set("1", "2", signs="2")
        self.assertEqual([what for what, _ in self.steps(interrupted, NEW)], ["forget"])
        self.assertEqual([what for what, _ in self.steps(interrupted, OLD)], ["sign", "forget"])
        self.assertEqual([what for what, _ in self.steps(interrupted, OTHER)], ["introduce", "sign", "forget"])

    def test_another_key_of_the_same_name_replaces(self):
        stranger = OLD.replace("secret-1", "other")
        self.assertEqual(rotation.following(OLD, stranger), ("replace", stranger))
        self.assertEqual(rotation.following("", NEW), ("replace", NEW))

    def test_an_error_shows_no_key(self):
        for text in ("KEYKEY", '{"keys": [{"kid": "KEYKEY"}]}', '["KEYKEY"]'):
            with self.assertRaises(Problem) as caught:
                rotation.keys_of(text)
            self.assertNotIn("KEYKEY", str(caught.exception))


class Cluster:
    """
    Every state that a controller and its nodes can be in, one inside the other: (the controller's set; for each node
    its set, whether it is on, whether its slurmd runs; keys with which something was signed that is not over yet).
    """

    def __init__(self, wanted, gated=True):
        self.wanted, self.gated = wanted, gated

    def following(self, state):
        active, nodes, signed = state
        yield from self.next_step(active, nodes, signed)
        for index, (held, is_on, serves) in enumerate(nodes):
            def put(*value, index=index):
                return active, nodes[:index] + (value,) + nodes[index + 1 :], signed
            if not is_on:
                # At a boot slurmd waits for the set of now; without the gate it starts with what is on the disk.
                yield put(held, True, not self.gated)
                continue
            yield put(held, False, False)
            if held != active or not serves:
                yield put(active, True, True)
        # Time passes: what a key signed is over once nobody signs with it.
        yield active, nodes, frozenset(self.signers(active, nodes))

    def next_step(self, active, nodes, signed):
        step = rotation.following(active, self.wanted)
        names = [{"name": str(index), "running": True} for index in range(len(nodes))]
        applied = {str(index): held for index, (held, _, _) in enumerate(nodes)}
        off = {str(index): active for index, (_, is_on, _) in enumerate(nodes) if not is_on}
        states = {str(index): ["IDLE"] if is_on else ["DOWN"] for index, (_, is_on, _) in enumerate(nodes)}
        if step is None or rotation.awaited(names, active, applied, off, states):
            return
        if step[0] == "forget" and signed != frozenset(self.signers(active, nodes)):
            return
        yield step[1], nodes, signed | frozenset(self.signers(step[1], nodes))

    def signers(self, active, nodes):
        return {kids(active)[0]} | {kids(held)[0] for held, _, serves in nodes if serves}

    def broken(self, state):
        """Whether a machine that serves does not know a key that somebody signs with, or signed with."""
        active, nodes, signed = state
        serving = [kids(active), *(kids(held) for held, _, serves in nodes if serves)]
        used = {signs for signs, _ in serving} | signed
        return any(not used <= known for _, known in serving)

    def reachable(self, first):
        seen, todo = {first}, [first]
        while todo:
            for state in self.following(todo.pop()):
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
        return seen


class EveryOrderOfEvents(unittest.TestCase):
    def explore(self, active, wanted, gated=True):
        nodes = ((active, True, True),) * SIZE
        cluster = Cluster(wanted, gated)
        states = cluster.reachable((active, nodes, frozenset(kids(active)[0])))
        return states, [state for state in states if cluster.broken(state)]

    def test_each_two_machines_share_a_key_at_every_moment(self):
        for active, wanted in [(OLD, NEW), (key_set("1", "2", signs="2"), OTHER), (key_set("1", "2", signs="1"), OLD)]:
            states, broken = self.explore(active, wanted)
            self.assertEqual(broken, [])
            self.assertGreater(len(states), 40)
            self.assertTrue(any(state[0] == wanted and all(held == wanted for held, _, _ in state[1]) for state in states))

    def test_without_the_wait_at_boot_a_node_that_was_off_would_serve_with_a_key_that_nobody_knows(self):
        self.assertNotEqual(self.explore(OLD, NEW, gated=False)[1], [])


class Awaited(unittest.TestCase):
    def awaited(self, applied, unreached, states, running=True):
        return rotation.awaited([{"name": "a", "running": running}], "now", applied, unreached, states)

    def test_who_has_it_is_not_waited_for(self):
        self.assertEqual(self.awaited({"a": "now"}, {}, {"a": ["IDLE"]}), [])

    def test_who_serves_is_waited_for_however_hard_it_is_to_reach(self):
        self.assertEqual(self.awaited({"a": "before"}, {"a": "now"}, {"a": ["IDLE"]}), ["a"])
        self.assertEqual(self.awaited({}, {}, {"a": ["DOWN", "NOT_RESPONDING"]}), ["a"])
        self.assertEqual(self.awaited({}, {"a": "before"}, {"a": ["DOWN"]}), ["a"])

    def test_who_is_off_is_not(self):
        self.assertEqual(self.awaited({}, {"a": "now"}, {"a": ["DOWN", "NOT_RESPONDING"]}), [])
        self.assertEqual(self.awaited({}, {"a": "now"}, {}), [])
        self.assertEqual(self.awaited({}, {"a": "now"}, {"a": ["IDLE"]}, running=False), [])


class Controller(unittest.TestCase):
    """The controller's part on a directory of its own; what it runs is recorded."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.events = []
        self.fail_at = None
        self.machines = {}
        self.reachable = True
        paths = {
            store: ["CONFIG", "SECRETS", "DOCUMENT", "BUNDLE", "JWKS", "RECORD", "UNREACHED", "CLUSTER_KEY"],
            accounting: ["ACTIVE", "CONF"],
            scheduler: ["ACTIVE"],
            slurm: ["CONF", "JWKS"],
        }
        for module, names in paths.items():
            for name in names:
                place = os.path.join(folder.name, module.__name__.rpartition(".")[2], name)
                self.replace(module, name, folder.name if name == "CONFIG" else place)
        write, me = files.write, (os.getuid(), os.getgid())
        self.replace(files, "write", lambda path, text, mode=0o644, *_ids: write(path, text, mode, *me))
        for module in (accounting, controller, publication):
            self.replace(module, "run", self.run_command)
        for module in (controller, keys):
            self.replace(module, "log", lambda text: None)
        self.replace(accounting.database, "start", lambda password: self.event(f"database {password}"))
        self.replace(scheduler, "apply", self.apply_slurm)
        self.replace(accounting.services, "wait_until", lambda *_arguments: None)
        self.replace(store, "make_directories", lambda: None)
        self.replace(controller.state_disk, "mount", lambda: None)
        self.replace(controller.seed, "load", lambda: {"controller": {"name": "c", "address": "10.0.0.1"}})
        self.replace(publication, "succeeds", lambda _command: True)
        self.replace(controller.time, "sleep", lambda seconds: self.event(f"sleep {seconds}"))
        self.replace(slurm, "all_nodes", lambda: {"n": {"state": ["IDLE"]}})
        files.write_json(store.DOCUMENT, {
            "cluster": "lab", "hosts": "", "users": [], "home": {"kind": "controller"}, "network": {"subnet": "10.0.0.0/24"},
            "slurmdbdConf": "StoragePass=@databasePassword@\n",
            "nodes": [{"name": "n", "address": "10.0.0.2", "hostKey": "k", "running": True}],
        })  # fmt: skip
        files.write(slurm.CONF, "")
        self.secrets(OLD, "password-1", first=True)
        self.events.clear()

    def replace(self, owner, name, value):
        patch = mock.patch.object(owner, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def apply_slurm(self, _wanted, _text):
        self.event(f"slurmctld {self.installed()}")
        files.write_json(scheduler.ACTIVE, {"digest": scheduler.active_digest()})
        self.takes("slurmctld", files.read_text(slurm.JWKS))

    def takes(self, machine, keys):
        """A machine has another set of keys; all must know what each of them signs with."""
        self.machines[machine] = keys
        held = [kids(text) for text in self.machines.values()]
        self.assertTrue(all({signs for signs, _ in held} <= known for _, known in held), self.machines)

    def event(self, text):
        self.events.append(text)
        if len(self.events) > 500:
            self.fail(f"waits for ever: {self.events[:20]}")
        if self.fail_at is not None and text.startswith(self.fail_at):
            raise Problem("the power is gone")

    def installed(self):
        signs, known = kids(files.read_text(slurm.JWKS))
        return f"{signs} of {''.join(sorted(known))}"

    def run_command(self, command, **_options):
        self.event(" ".join(command[1:]))
        if command[1:] == ["restart", "slurmdbd.service"]:
            self.takes("slurmdbd", files.read_text(slurm.JWKS))
        if command[1] == "reload" and self.reachable:
            # The node takes the bundle at once.
            self.takes("node", files.read_json(store.BUNDLE)["bundle"]["slurmJwks"])
            files.write_json(store.RECORD, {"n": files.read_json(store.BUNDLE)["digest"]})
        return ""

    def secrets(self, jwks, password, first=False):
        text = json.dumps({"format": 1 if first else 2, "slurmJwks": jwks, "databasePassword": password, "clusterSshKey": "k"})
        if first:
            files.remove(slurm.CONF)
        keys.keep(text)
        if first:
            files.write(slurm.CONF, "")
            keys.apply(files.read_json(store.DOCUMENT), json.loads(text))

    def keys_seen(self):
        return [event.removeprefix("slurmctld ") for event in self.events if event.startswith("slurmctld ")]

    def test_the_same_secrets_again_do_nothing(self):
        self.secrets(OLD, "password-1")
        self.assertEqual(self.events, [])

    def test_a_key_changes_in_three_steps_and_the_last_waits_for_what_was_signed(self):
        self.secrets(NEW, "password-1")
        self.assertEqual(self.keys_seen(), ["1 of 12", "2 of 12", "2 of 2"])
        self.assertEqual(self.events.count("restart slurmdbd.service"), 3)
        sleep = self.events.index(f"sleep {rotation.TOKEN_SECONDS}")
        self.assertEqual([event for event in self.events[:sleep] if "of 2" in event[-5:]], [])
        self.assertEqual(files.read_json(store.BUNDLE)["bundle"]["slurmJwks"], NEW)
        self.assertEqual(self.installed(), "2 of 2")

    def test_an_interrupted_rotation_goes_on_where_it_was(self):
        moments = ("restart slurmdbd", "slurmctld 1 of 12", "reload", "slurmctld 2 of 12", "slurmctld 2 of 2")
        for moment in (*moments, f"sleep {rotation.TOKEN_SECONDS}"):
            with self.subTest(moment):
                self.secrets(OLD, "password-1")
                self.fail_at = moment
                with self.assertRaises(Problem):
                    self.secrets(NEW, "password-1")
                self.fail_at = None
                self.secrets(NEW, "password-1")
                self.assertEqual(self.installed(), "2 of 2")
                self.assertTrue(keys.is_installed(files.read_json(store.DOCUMENT), store.secrets()))

    def test_the_password_goes_to_the_database_then_to_the_file_then_to_slurmdbd(self):
        self.secrets(OLD, "password-2")
        self.assertEqual(self.events[:2], ["database password-2", "restart slurmdbd.service"])
        self.assertEqual(files.read_text(accounting.CONF), "StoragePass=password-2\n")
        self.events.clear()
        self.secrets(OLD, "password-2")
        self.assertEqual(self.events, [])

    def test_an_interrupt_around_the_database_is_mended_by_the_next_run(self):
        for moment in ("database", "restart slurmdbd"):
            with self.subTest(moment):
                self.secrets(OLD, "password-1")
                self.fail_at = moment
                with self.assertRaises(Problem):
                    self.secrets(OLD, "password-2")
                self.fail_at = None
                self.events.clear()
                self.secrets(OLD, "password-2")
                self.assertEqual(self.events[:2], ["database password-2", "restart slurmdbd.service"])

    def test_a_boot_mends_what_the_machine_went_down_in(self):
        self.replace(controller.state_disk, "is_ours", lambda: True)
        self.fail_at = "restart slurmdbd"
        with self.assertRaises(Problem):
            self.secrets(OLD, "password-2")
        self.events.clear()
        # Whatever cannot be mended yet keeps no service from its start.
        controller.boot()
        self.assertEqual(self.events[-1][:36], "start --no-block hyperlab-controller")
        self.fail_at = None
        self.events.clear()
        controller.boot()
        self.assertEqual(self.events[:2], ["database password-2", "restart slurmdbd.service"])
        self.events.clear()
        controller.boot()
        self.assertEqual(len(self.events), 1)

    def test_a_node_that_does_not_take_it_stops_the_rotation_between_two_steps(self):
        self.replace(keys, "NODES_SECONDS", -1)
        self.reachable = False
        with self.assertRaises(Problem) as caught:
            self.secrets(NEW, "password-1")
        self.assertIn("n did not take it", str(caught.exception))
        self.assertEqual(self.installed(), "1 of 12")


class AfterBoot(unittest.TestCase):
    def test_slurmd_starts_when_the_controller_says_that_the_keys_are_current(self):
        replies = [{"digest": "new"}, {"digest": "old"}]
        sock = mock.Mock()
        sock.recv.side_effect = [json.dumps(reply).encode() for reply in replies]
        started = []
        with (
            mock.patch.object(node.socket, "socket", return_value=sock),
            mock.patch.object(node.seed, "load", return_value={"controller": {"address": "10.0.0.1"}}),
            mock.patch.object(node, "applied_digest", return_value="old"),
            mock.patch.object(node.time, "sleep"),
            mock.patch.object(node, "start_slurmd", side_effect=lambda digest: started.append((digest, sock.recv.call_count))),
        ):
            node.knock()
        # Not at the first answer, which is about another bundle.
        self.assertEqual(started, [("old", 2)])

    def test_the_unit_waits_for_it_in_every_boot(self):
        unit = os.path.join(os.environ["HYPERLAB_GUEST"], "../systemd/system/slurmd.service.d/hyperlab.conf")
        self.assertIn(f"ConditionPathExists={node.CURRENT}\n", files.read_text(unit))
        self.assertTrue(node.CURRENT.startswith("/run/"))

    def test_the_way_to_a_node_needs_no_key_of_slurm(self):
        from hyperlab import distributor

        command = " ".join(distributor.push_command({"name": "n", "address": "10.0.0.2"}))
        self.assertIn(f"-i {store.CLUSTER_KEY} ", command)
        self.assertNotIn("jwks", command)


if __name__ == "__main__":
    unittest.main()
