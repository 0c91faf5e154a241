import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LibvirtUriError } from "../../../providers/libvirt/client/errors.ts";
import { sshArguments } from "../../../providers/libvirt/client/ssh-transport.ts";
import { sessionSocket } from "../../../providers/libvirt/client/transport.ts";
import { parseLibvirtUri, systemSocket } from "../../../providers/libvirt/client/uri.ts";

describe("URIs that are served", () => {
  it.each([
    ["qemu:///system", "qemu:///system", { kind: "unix", socket: systemSocket }],
    ["qemu:///session", "qemu:///session", { kind: "unix", socket: undefined }],
    ["qemu+unix:///system", "qemu:///system", { kind: "unix", socket: systemSocket }],
    ["qemu+unix:///system?socket=/a/b%20c", "qemu:///system", { kind: "unix", socket: "/a/b c" }],
    ["qemu+unix:///session?socket=/a", "qemu:///session", { kind: "unix", socket: "/a" }],
    ["test:///default", "test:///default", { kind: "unix", socket: systemSocket }],
    ["test+unix:///default?socket=/a", "test:///default", { kind: "unix", socket: "/a" }],
    [
      "qemu+ssh://host.example/system",
      "qemu:///system",
      { kind: "ssh", host: "host.example", user: undefined, port: undefined, socket: systemSocket },
    ],
    [
      "qemu+ssh://[fe80::1%25eth0]/system",
      "qemu:///system",
      { kind: "ssh", host: "fe80::1%eth0", user: undefined, port: undefined, socket: systemSocket },
    ],
    [
      "qemu+ssh://ada@[fe80::1]:2222/system?socket=/s",
      "qemu:///system",
      { kind: "ssh", host: "fe80::1", user: "ada", port: 2222, socket: "/s" },
    ],
    [
      "qemu+ssh://ada%40corp@10.0.0.1/system",
      "qemu:///system",
      { kind: "ssh", host: "10.0.0.1", user: "ada@corp", port: undefined, socket: systemSocket },
    ],
  ])("%s", (uri, open, transport) => {
    expect(parseLibvirtUri(uri)).toMatchObject({ uri, open, transport });
  });
});

describe("URIs that are refused", () => {
  it.each([
    ["", "it is not a URI of libvirt"],
    ["/run/libvirt/libvirt-sock", "it is not a URI of libvirt"],
    ["xen:///system", 'the driver "xen" is not served'],
    ["qemu+tls://host/system", 'the transport "tls" is not served'],
    ["qemu+tcp://host/system", 'the transport "tcp" is not served'],
    ["qemu://host/system", "a host needs the transport ssh"],
    ["qemu:///default", 'the path must be /system or /session, not "/default"'],
    ["test:///other.xml", "the test hypervisor is test:///default"],
    ["qemu:///system?socket=/x", "a socket needs the transport unix"],
    ["qemu+unix:///system?socket=x", "the socket must be an absolute path"],
    ["qemu+unix:///system?socket=/%00", "a control character"],
    ["qemu+unix:///system?socket=/%zz", "a malformed % sequence"],
    [`qemu+unix:///system?socket=/${"x".repeat(107)}`, "longer than 107 bytes"],
    ["qemu+unix:///system?socket=/a&socket=/b", "socket is given twice"],
    ["qemu+ssh://host/system?keyfile=/k", "ssh options belong into ssh's own configuration"],
    ["qemu+ssh:///system", "the host is missing"],
    ["qemu+ssh://-oProxyCommand=x/system", "is not a host name"],
    ["qemu+ssh://-l@host/system", "is not a user name"],
    ["qemu+ssh://ada:x@host/system", "a password is not served"],
    ["qemu+ssh://host:0/system", "0 is not a port"],
    ["qemu+ssh://host:65536/system", "65536 is not a port"],
    ["qemu+ssh://[host]/system", "is not an IPv6 address"],
    ["qemu+ssh://host/session", "over ssh only qemu+ssh://HOST/system is served"],
    ["qemu+ssh://host/system?socket=/a:b", "must not contain a colon"],
    ["qemu:///system#x", "it is not a URI of libvirt"],
  ])("%s", (uri, reason) => {
    expect(() => parseLibvirtUri(uri)).toThrow(LibvirtUriError);
    expect(() => parseLibvirtUri(uri)).toThrow(reason);
  });

  it("and a password in them is not repeated", () => {
    expect(() => parseLibvirtUri("qemu+ssh://ada:hunter2@host/system")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
    );
  });

  it("whatever the text", () => {
    const near = fc
      .tuple(
        fc.constantFrom("qemu", "test", "qemu+ssh", "qemu+unix", "QEMU", ""),
        fc.string(),
        fc.constantFrom("/system", "/default", "/session", "/"),
        fc.string(),
      )
      .map(([scheme, authority, path, query]) => `${scheme}://${authority}${path}?socket=${query}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (uri) => {
        try {
          const { transport } = parseLibvirtUri(uri);
          if (transport.kind === "ssh") {
            expect(transport.host).not.toMatch(/^-|\s/);
            expect(transport.user ?? "").not.toMatch(/^-|\s/);
          } else expect(transport.socket ?? "/").toMatch(/^\//);
        } catch (error) {
          expect(error).toBeInstanceOf(LibvirtUriError);
        }
      }),
    );
  });
});

describe("what a URI means", () => {
  it("for ssh: never asks, never shares a master, takes the host only as a host", () => {
    const { transport } = parseLibvirtUri("qemu+ssh://ada@gpu1:2222/system");
    if (transport.kind !== "ssh") throw new Error("ssh was asked for");
    const args = sshArguments(transport, "/tmp/x/sock", 1_500);
    expect(args.slice(0, 4)).toEqual(["-N", "-T", "-L", "/tmp/x/sock:/run/libvirt/libvirt-sock"]);
    expect(args).toEqual(
      expect.arrayContaining(["BatchMode=yes", "ControlMaster=no", "ConnectTimeout=2", "-l", "ada", "2222"]),
    );
    expect(args.slice(-2)).toEqual(["--", "gpu1"]);
  });

  it("for the session: the user's own daemon", () => {
    expect(sessionSocket({ XDG_RUNTIME_DIR: "/run/user/7" }, 8)).toBe("/run/user/7/libvirt/libvirt-sock");
    expect(sessionSocket({}, 8)).toBe("/run/user/8/libvirt/libvirt-sock");
  });
});
