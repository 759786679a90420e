// Bundles src/ into the two files that the page is filled with; the same source gives the same bytes.
import { build } from "esbuild";

const out = process.argv[2] ?? "../src/agentmeter/render/page";

await build({
  entryPoints: { page: "src/main.ts" },
  outdir: out,
  bundle: true,
  format: "iife",
  target: ["chrome109", "firefox115", "safari16"],
  charset: "ascii",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
await build({
  entryPoints: { page: "src/page.css" },
  outdir: out,
  bundle: true,
  target: ["chrome109", "firefox115", "safari16"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
