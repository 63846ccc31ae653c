// SPDX-License-Identifier: Apache-2.0
// Builds ../bundle from the files of this folder: `npm ci && npm run build`.

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const OUT = "../bundle";
const license = readFileSync("node_modules/uplot/LICENSE", "utf8");
const { version } = JSON.parse(readFileSync("node_modules/uplot/package.json", "utf8"));

await build({
  entryPoints: ["main.js"], bundle: true, minify: true, format: "iife", target: "es2022",
  outfile: `${OUT}/label.js`, legalComments: "none",
});
const styles = ["node_modules/uplot/dist/uPlot.min.css", "label.css"];
writeFileSync(`${OUT}/label.css`, styles.map((path) => readFileSync(path, "utf8")).join("\n"));
copyFileSync("index.html", `${OUT}/index.html`);
writeFileSync(`${OUT}/LICENSES.txt`, `label.js and label.css contain uPlot ${version}:\n\n${license}`);

// What the bundle was made of, compared by a test.
const sources = readdirSync(".").filter((name) => /\.(js|mjs|css|html|json)$/.test(name)).sort();
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(name)).update("\0");
writeFileSync(`${OUT}/sources.sha256`, `${digest.digest("hex")}\n`);
