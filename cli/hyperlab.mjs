#!/usr/bin/env node
/** The command `hyperlab`: the entry of the scripts, which makes the checkout ready, with this command's program. */
process.argv.splice(2, 0, "hyperlab");
await import("../tools/bootstrap.mjs");
