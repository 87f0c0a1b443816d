// Writes the licences of the packages that are in a bundle, as esbuild's metafile lists them.
const fs = require("fs");
const path = require("path");

const inputs = Object.keys(JSON.parse(fs.readFileSync(process.argv[2], "utf8")).inputs);
const packages = new Set();
for (const input of inputs) {
  const found = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
console.log("vega.js holds these packages, under their licences.");
for (const dir of [...packages].sort()) {
  const {name, version, license} = JSON.parse(fs.readFileSync(path.join(dir, "package.json"), "utf8"));
  const file = fs.readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
  if (!file && !license) throw new Error(`${name} says nothing of its licence`);
  console.log(`\n${"-".repeat(80)}\n${name} ${version} (${license})\n`);
  if (file) console.log(fs.readFileSync(path.join(dir, file), "utf8").replace(/\r\n/g, "\n").trim());
}
