// node bundle.mjs OUT.cpp: the minified scripts of the pages and of their viewer as C++ source. Same inputs, same bytes.
import {createHash} from "node:crypto";
import {writeFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

async function bundle(entry) {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true, minify: true, write: false, format: "iife", target: "es2021", charset: "ascii", legalComments: "none",
  });
  return result.outputFiles[0].text.trimEnd();
}

function literal(script) {
  const delimiter = "boldmill";
  if (script.includes(`)${delimiter}"`)) throw new Error("the script holds the delimiter of its C++ literal");
  return script.match(/[^]{1,60000}/g).map((piece) => `R"${delimiter}(${piece})${delimiter}"`).join("\n");
}

const script = await bundle("main.mjs");
if (/<\/script|<!--/i.test(script)) throw new Error("the script cannot stand inside a page");
writeFileSync(process.argv[2], `// Made by web/bundle.mjs from the npm packages of web/package-lock.json.
#include "pipeline/report/web_bundle.hpp"

namespace boldmill::report {
std::string_view page_script() {
  static constexpr char kScript[] =
${literal(script)};
  return {kScript, sizeof kScript - 1};
}
std::string_view page_script_sha256() { return "${createHash("sha256").update(script).digest("base64")}"; }
std::string_view viewer_script() {
  static constexpr char kScript[] =
${literal(await bundle("viewer.mjs"))};
  return {kScript, sizeof kScript - 1};
}
} // namespace boldmill::report
`);
