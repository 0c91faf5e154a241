import { expect, it } from "vitest";
import { parseSimulation } from "../../../images/simulation.ts";

it("packages, versions and the suite of security updates are read from what apt says", () => {
  const lines = `I: running apt-get update...
Inst gcc-14-base (14.2.0-19 Debian:13.8/stable [amd64])
Inst libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64]) []
Inst openssl (3.5.4-1~deb13u2 Debian-Security:13/stable-security [amd64])
Inst tzdata [2026e-0] (2026f-0+deb13u1 Debian:13-updates/stable-updates, Debian-Security:13/stable-security [all]) [libc6:amd64 ]
Conf libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64])
Conf only-configured (1 Debian:13.8/stable [amd64])`;
  expect(parseSimulation(lines.split("\n"))).toEqual([
    { name: "gcc-14-base", version: "14.2.0-19", security: false },
    { name: "libc6", version: "2.41-12+deb13u5", security: false },
    { name: "openssl", version: "3.5.4-1~deb13u2", security: true },
    { name: "tzdata", version: "2026f-0+deb13u1", security: true },
  ]);
});
