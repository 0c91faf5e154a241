import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { builderMirror } from "../../../images/packages.ts";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";
import { USER } from "../support/cluster-file.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { MirrorProxy } from "../support/mirror-proxy.ts";
import { eventually, must } from "../support/program.ts";

/** Always the same, so that the image keeps its identity and is built only once for as long as the cache is kept. */
const MOMENT = "20260901T000000Z";

/** New images, good and bad. */
export function images(cluster: ClusterUnderTest): void {
  const { base, controller, first, lab, second, slurm } = cluster;
  const nodes = [first, second];
  const machines = [controller, ...nodes];

  describe("an image", () => {
    it("is rolled out by hyperlab image update with at most one node down at a time, and keeps who the machines are", async () => {
      const selves = await selvesOf(machines);
      const jobsBefore = await lab.ssh("sacct -X -n -P -o JobID | sort -n | tail -n 1");
      const [oldImage] = await imagesOf(lab.name);
      await lab.ssh("echo kept > kept.txt");
      const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
      await slurm.running(job);
      const script = await eventually(
        `job ${job} has started its script`,
        120,
        () => scriptOn(first),
        (seen) => /^\d+ \d+$/.test(seen),
      );
      const shape = {
        ...base,
        snapshot: MOMENT,
        imagePackages: ["tree"],
        imageFiles: [{ path: "/etc/motd", content: "Second image\n", mode: "0644" }],
      };
      const rebuilt = { [controller]: "rebuild", [first]: "rebuild", [second]: "rebuild" } as const;
      const watch = new DownWatch(nodes);
      const goesOn = async () => {
        await eventually(
          "the controller serves from its second image",
          1200,
          // By the guest agent: an ssh that began before the controller went would hang.
          async () => {
            if (!(await hypervisor.answers(controller))) return "";
            const asked = hypervisor.shell(controller, `cat /etc/motd; squeue -h -j ${job} -o %T`);
            return asked.catch(() => "");
          },
          (seen) => seen === "Second image\nRUNNING",
        );
        expect(await scriptOn(first)).toBe(script);
        await slurm.endAsTold(job);
      };
      const said = await watch.during(() =>
        withArchive((archive) => cluster.updateImage(shape, archive, rebuilt, goesOn)),
      );
      expect(said).toMatch(/^Added \(\d+\):\n(?: {2}.*\n)*? {2}tree \d/m);
      expect(said).toContain(`To be rebuilt, one after another: ${machines.join(", ")}\n`);
      for (const machine of machines) expect(said).toMatch(new RegExp(`^${machine} +rebuild `, "m"));
      expect(lab.declares(shape)).toBe(true);
      const images = await imagesOf(lab.name);
      expect(images).toHaveLength(1);
      expect(images).not.toContain(oldImage);
      expect(watch.most).toBe(1);
      expect([...watch.seenDown].sort()).toEqual(nodes);
      for (const machine of machines) {
        const shown = await hypervisor.shell(machine, "cat /etc/motd; tree --version | cut -d' ' -f1");
        expect(shown).toBe("Second image\ntree");
      }
      expect(await selvesOf(machines)).toEqual(selves);
      expect(await lab.ssh("cat kept.txt")).toBe("kept");
      expect(await lab.ssh("sacct -X -n -P -o JobID")).toContain(jobsBefore);
      await slurm.ended(await slurm.submit(`-N1 -w ${first} --wrap hostname`), "COMPLETED");
      // The scenarios go on with this image: going back would rebuild everything once more.
      cluster.base = shape;
    });

    it("that does not boot costs one node, which boots its old disk again", async () => {
      const file = join(lab.folder, "blank.qcow2");
      await must("qemu-img", ["create", "-q", "-f", "qcow2", file, "4G"]);
      lab.declare({ ...cluster.base, nodeImage: file, readyMinutes: 3 });
      const before = await cluster.machines();
      expect(await cluster.announced()).toEqual({ [first]: "rebuild", [second]: "rebuild" });
      const said = await lab.upFails();
      expect(said).toContain("It runs on its old root disk and definition again");
      const after = await cluster.machines();
      const touched = Object.keys(changes(before, after));
      expect(touched).toHaveLength(1);
      expect(nodes).toContain(touched[0]);
      expect(changes(before, after)[touched[0] ?? ""]).toBe("restart");
      await cluster.change(cluster.base, {});
      await slurm.ended(await slurm.submit(`-N1 -w ${first} --wrap hostname`), "COMPLETED");
    });
  });
}

/** Runs work with an archive that has at `MOMENT` what the mirror has that images are built from. */
async function withArchive<T>(work: (archive: string) => Promise<T>): Promise<T> {
  const archive = new MirrorProxy(await builderMirror(), MOMENT);
  try {
    return await work(`http://127.0.0.1:${await archive.listen()}/archive`);
  } finally {
    await archive.close();
  }
}

/** Images in the cluster's pool that hyperlab built. */
async function imagesOf(cluster: string): Promise<string[]> {
  const volumes = await hypervisor.volumes(`${cluster}-pool`);
  return volumes.filter((name) => /-base-[0-9a-f]{12}\.qcow2$/.test(name));
}

/** Process id and start time of the ordinary user's job on a node. Needs no controller. */
function scriptOn(node: string): Promise<string> {
  return hypervisor.shell(
    node,
    `pid=$(pgrep -u ${USER} -f slurm_script | head -n 1); echo $pid $(cut -d' ' -f22 /proc/$pid/stat)`,
  );
}

/** What the network knows of machines, as they say it themselves: it survives a rebuild. */
function selvesOf(machines: readonly string[]): Promise<string[]> {
  const command =
    "hostname; cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; ip -o -4 addr show scope global | awk '{print $4}'";
  return Promise.all(machines.map((machine) => hypervisor.shell(machine, command)));
}

/** Looks again and again which of some machines are off or do not answer. */
class DownWatch {
  readonly seenDown = new Set<string>();
  most = 0;
  readonly #machines: readonly string[];

  constructor(machines: readonly string[]) {
    this.#machines = machines;
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    let working = true;
    const watching = (async () => {
      while (working) await this.#look();
    })();
    try {
      return await work();
    } finally {
      working = false;
      await watching;
    }
  }

  async #look(): Promise<void> {
    const looked = await Promise.all(
      this.#machines.map(async (machine) => ({ machine, up: await hypervisor.answers(machine) })),
    );
    const down = looked.filter(({ up }) => !up).map(({ machine }) => machine);
    for (const machine of down) this.seenDown.add(machine);
    this.most = Math.max(this.most, down.length);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
