// node browser_speed.mjs STUDY BROWSER: how soon the cohort page can be used, and how fast it sorts and filters.
import {cpus, loadavg} from "node:os";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";

const [study, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-gpu"]});
const page = await browser.newPage({viewport: {width: 1280, height: 900}});
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)].toFixed(0);

const ready = [];
for (let time = 0; time < 5; ++time) {
  const begin = performance.now();
  await page.goto(pathToFileURL(resolve(study, "index.html")).href);
  await page.waitForSelector("html[data-ready]");
  ready.push(performance.now() - begin);
}
// From the event to the next frame that is drawn.
const spent = await page.evaluate(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const timed = async (act) => {
    await frame();
    const begin = performance.now();
    act();
    document.body.offsetHeight;
    await frame();
    return performance.now() - begin;
  };
  const heads = [...document.querySelectorAll("#runs thead button")];
  const search = document.querySelector("#runs input[type=search]");
  const out = {sort: [], filter: []};
  for (const head of heads) out.sort.push(await timed(() => head.click()));
  for (const words of ["s", "sub-00", "warning", "0017", ""]) {
    out.filter.push(await timed(() => {
      search.value = words;
      search.dispatchEvent(new Event("input"));
    }));
  }
  return out;
});
console.log(`load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`);
console.log(`cohort page: interactive after ${median(ready)} ms, sorted after ${median(spent.sort)} ms (worst ${Math.max(...spent.sort).toFixed(0)}), ` +
  `filtered after ${median(spent.filter)} ms (worst ${Math.max(...spent.filter).toFixed(0)})`);
await browser.close();
