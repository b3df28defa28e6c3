// node licences.mjs OUT.txt: the licences of the packages that may be bundled into the pages (not the bundler's, not those of tests).
import {existsSync, readdirSync, readFileSync, writeFileSync} from "node:fs";
import {fileURLToPath} from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const {packages} = JSON.parse(readFileSync(`${here}/package-lock.json`, "utf8"));
const parts = [];
for (const path of Object.keys(packages).sort()) {
  const {dev, version, license} = packages[path];
  const name = path.replace(/^.*node_modules\//, "");
  if (!path || dev || /^(@esbuild\/|esbuild$|@rollup\/)/.test(name) || !existsSync(`${here}/${path}`)) continue;
  const files = readdirSync(`${here}/${path}`).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
  const text = files.map((file) => readFileSync(`${here}/${path}/${file}`, "utf8").trim()).join("\n\n");
  parts.push(`${name} ${version} (${license ?? "licence: see below"})\n\n${text || "The package holds no text of its licence."}\n`);
}
writeFileSync(process.argv[2], `What is bundled into the pages of boldmill, with its licences.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`);
