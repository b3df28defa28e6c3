// node bundle.mjs OUT.cpp: one minified script and its sha256 as C++ source. Same inputs, same bytes.
import {createHash} from "node:crypto";
import {writeFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const result = await build({
  entryPoints: [fileURLToPath(new URL("main.mjs", import.meta.url))],
  bundle: true, minify: true, write: false, format: "iife", target: "es2021", charset: "ascii", legalComments: "none",
});
const script = result.outputFiles[0].text.trimEnd();
if (/<\/script|<!--/i.test(script)) throw new Error("the script cannot stand inside a page");

const delimiter = "boldmill";
if (script.includes(`)${delimiter}"`)) throw new Error("the script holds the delimiter of its C++ literal");
const pieces = script.match(/[^]{1,60000}/g).map((piece) => `R"${delimiter}(${piece})${delimiter}"`);
writeFileSync(process.argv[2], `// Made by web/bundle.mjs from the npm packages of web/package-lock.json.
#include "pipeline/report/web_bundle.hpp"

namespace boldmill::report {
std::string_view page_script() {
  static constexpr char kScript[] =
${pieces.join("\n")};
  return {kScript, sizeof kScript - 1};
}
std::string_view page_script_sha256() { return "${createHash("sha256").update(script).digest("base64")}"; }
} // namespace boldmill::report
`);
