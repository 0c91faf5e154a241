import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  memoryField,
  parseAssignments,
  parseDroppingChains,
  parseSections,
  parseTimeSpan,
  parseUnits,
  rulesOf,
} from "../../../tools/host/parse.ts";

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  // Pieces of what the commands print, in any order.
  fc
    .array(
      fc.constantFrom(
        "table inet filter {",
        "chain forward {",
        "type filter hook forward priority 0; policy drop;",
        "}",
        "Id=a.service",
        "",
        "@@begin x",
        "@@end x 0",
        "-P FORWARD DROP",
        "A='b",
        'A="b" # c',
        "=",
      ),
    )
    .map((lines) => lines.join("\n")),
);

describe("parsers of what a host says", () => {
  it("take any text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        parseAssignments(text);
        parseUnits(text);
        parseTimeSpan(text);
        parseDroppingChains(text);
        parseSections(text);
        rulesOf("FORWARD", text);
        memoryField(text, "MemTotal");
      }),
    );
  });
});

describe("assignments of libvirt-guests", () => {
  it("are read in every form of quoting, comments are none, the last counts", () => {
    const text = `#ON_SHUTDOWN=suspend
ON_SHUTDOWN=suspend
  SHUTDOWN_TIMEOUT="600"  # ten minutes
export PARALLEL_SHUTDOWN='4'
ON_SHUTDOWN=shutdown # changed
URIS='default qemu:///session'
EMPTY=
`;
    expect(Object.fromEntries(parseAssignments(text))).toEqual({
      ON_SHUTDOWN: "shutdown",
      SHUTDOWN_TIMEOUT: "600",
      PARALLEL_SHUTDOWN: "4",
      URIS: "default qemu:///session",
      EMPTY: "",
    });
  });

  it("come back as they were written", () => {
    const name = fc.stringMatching(/^[A-Z_]{1,12}$/);
    const value = fc.stringMatching(/^[A-Za-z0-9 :/+-]{0,20}$/);
    fc.assert(
      fc.property(fc.dictionary(name, value), (values) => {
        const text = Object.entries(values)
          .map(([key, content]) => `${key}="${content}"`)
          .join("\n");
        expect(Object.fromEntries(parseAssignments(text))).toEqual({ ...values });
      }),
    );
  });
});

describe("systemctl show", () => {
  it("gives the properties of each unit", () => {
    const units = parseUnits(
      "Id=libvirt-guests.service\nTimeoutStopUSec=infinity\nAfter=a b=c\n\nId=reboot.target\nJobTimeoutUSec=30min\n",
    );
    expect(units.get("libvirt-guests.service")?.get("After")).toBe("a b=c");
    expect(units.get("reboot.target")?.get("JobTimeoutUSec")).toBe("30min");
  });

  it.each([
    ["infinity", Number.POSITIVE_INFINITY],
    ["0", 0],
    ["30min", 1800],
    ["1min 30s", 90],
    ["2h", 7200],
    ["1d 3h", 97_200],
    ["500ms", 0.5],
    ["", undefined],
    ["soon", undefined],
    ["10parsecs", undefined],
  ])("has the time span %s", (text, seconds) => {
    expect(parseTimeSpan(text)).toBe(seconds);
  });

  it("has spans that are sums of their parts", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(23), fc.nat(59), fc.nat(59), (days, hours, minutes, seconds) => {
        const text = `${days}d ${hours}h ${minutes}min ${seconds}s`;
        expect(parseTimeSpan(text)).toBe(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
      }),
    );
  });
});

describe("firewalls", () => {
  const ruleset = `table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy accept;
		counter packets 31942 bytes 5552621 jump LIBVIRT_FWX
	}
}
table inet site {
	set allowed {
		type ipv4_addr
		elements = { 10.0.0.1 }
	}
	chain forward {
		type filter hook forward priority filter + 10; policy drop;
		ct state established,related accept
		iifname "br0" accept
	}
	chain helper {
		accept
	}
	chain output {
		type filter hook output priority filter; policy drop;
	}
}
`;

  it("show the chains that drop what they do not accept", () => {
    expect(parseDroppingChains(ruleset)).toEqual([
      {
        table: "inet site",
        chain: "forward",
        hook: "forward",
        rules: ["ct state established,related accept", 'iifname "br0" accept'],
      },
    ]);
  });

  it("show the rules of one chain of iptables", () => {
    const text =
      "-P INPUT ACCEPT\n-P FORWARD DROP\n-N DOCKER\n-A FORWARD -j DOCKER-USER\n-A FORWARDED -j DROP\n";
    expect(rulesOf("FORWARD", text)).toEqual(["-P FORWARD DROP", "-A FORWARD -j DOCKER-USER"]);
  });
});

describe("sections of the probe", () => {
  it("hold what each command printed, and leave out what was cut off", () => {
    const sections = parseSections(
      "motd of the host\n@@begin a\none\ntwo\n\n@@end a 0\n@@begin b\n\n@@end b 127\n@@begin c\nhalf",
    );
    expect([...sections]).toEqual([
      ["a", { code: 0, text: "one\ntwo\n" }],
      ["b", { code: 127, text: "" }],
    ]);
  });
});
