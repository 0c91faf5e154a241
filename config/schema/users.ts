import { z } from "zod";
import { absolutePath, key, sha256, snapshot, text, whole } from "./keys.ts";

/** An OpenSSH public key as a line of `authorized_keys`, without options. */
export const PUBLIC_KEY =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+=*( [^\n\r]*)?$/;

const accountName = (form: string) => text(/^[a-z_][a-z0-9_-]{0,30}$/, form);

/** An entry of `users`. */
export const userSchema = z.strictObject({
  name: key(
    accountName("1 to 31 lower-case letters, digits, _ and -, beginning with a letter or _, such as ada"),
    { text: "Login name.", effect: "live", example: "ada" },
  ),
  uid: key(whole(2000, 59999).optional(), {
    text: "User id, the same on every machine.",
    defaultText: "derived from the name, so that adding a user changes no other",
    effect: "live",
    example: 2001,
  }),
  groups: key(z.array(accountName("a group name such as chemistry")).default([]), {
    text: "Supplementary groups; created where they do not exist.",
    effect: "live",
    example: ["chemistry"],
  }),
  ssh_keys: key(
    z.array(text(PUBLIC_KEY, "an OpenSSH public key on one line, such as ssh-ed25519 AAAA… ada@example")),
    { text: "Public keys that may log in.", effect: "live", example: ["ssh-ed25519 AAAA… ada@example"] },
  ),
  admin: key(z.boolean().default(false), {
    text: "May become root by sudo on every machine.",
    effect: "live",
  }),
});

/** `home`. */
export const homeSchema = z.strictObject({
  kind: key(z.enum(["controller"]).optional(), {
    text: "controller: homes lie on the controller's state disk and are shared by NFSv4.",
    defaultText: "controller, where nfs is not given",
    effect: "reconfigure",
  }),
  nfs: key(
    text(
      /^[A-Za-z0-9][A-Za-z0-9.-]*:\/[^\s]*$/,
      "an NFS export such as filer.example.org:/export/home",
    ).optional(),
    {
      text: "Export of an NFS server of the site that holds the homes.",
      effect: "reconfigure",
      example: "filer.example.org:/export/home",
    },
  ),
});

const imageFileSchema = z.strictObject({
  path: key(absolutePath(), { text: "Place in the guest.", effect: "rebuild", example: "/etc/motd" }),
  content: key(z.string().max(1_000_000), { text: "Content as text.", effect: "rebuild" }),
  mode: key(text(/^0?[0-7]{3,4}$/, "an octal mode such as 0644").default("0644"), {
    text: "Access mode.",
    effect: "rebuild",
  }),
});

/** `image`. */
export const imageSchema = z.strictObject({
  packages: key(
    z.array(text(/^[a-z0-9][a-z0-9+.-]+$/, "a Debian package name such as python3-numpy")).default([]),
    { text: "Debian packages to add to the image.", effect: "rebuild", example: ["python3-numpy"] },
  ),
  files: key(z.array(imageFileSchema).default([]), {
    text: "Files to add to the image. A dollar sign is written $$.",
    effect: "rebuild",
  }),
  revision: key(whole(1, 1_000_000).default(1), {
    text: "Raise it to get a fresh image with the newest packages.",
    effect: "rebuild",
  }),
  snapshot: key(snapshot().optional(), {
    text: "Moment of Debian's archive that the image is built from. The packages come from snapshot.debian.org, or from the mirror in HYPERLAB_SNAPSHOT_MIRROR.",
    defaultText: "the mirror as it is when the image is built",
    effect: "rebuild",
    example: "20261101T000000Z",
  }),
  path: key(absolutePath().optional(), {
    text: "A cloud image of your own: a file on the machine that runs hyperlab. What it lacks is installed at first boot.",
    effect: "rebuild",
    example: "/srv/images/site.qcow2",
  }),
  url: key(text(/^https?:\/\/[^\s]+$/, "an http or https address").optional(), {
    text: "A cloud image of your own: an address, with sha256.",
    effect: "rebuild",
    example: "https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2",
  }),
  sha256: key(sha256().optional(), {
    text: "Checksum of the file of url or path.",
    defaultText: "required with url; of path computed",
    effect: "rebuild",
  }),
});
