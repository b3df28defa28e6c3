// node browser_speed.mjs STUDY BROWSER: how soon the cohort page can be used, and how fast it sorts and filters.
import {cpus, loadavg} from "node:os";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";

const [study, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-gpu"]});
const page = await browser.newPage({viewport: {width: 1280, height: 900}});
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)].toFixed(0);

// CPU of the page's main thread: what is left of the wall time on a machine without other work.
const session = await page.context().newCDPSession(page);
await session.send("Performance.setTimeDomain", {timeDomain: "threadTicks"}).catch(() => {});
await session.send("Performance.enable", {timeDomain: "threadTicks"});
const cpu = async () => (await session.send("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration").value * 1000;

const ready = [];
const used = [];
for (let time = 0; time < 5; ++time) {
  const begin = performance.now();
  const before = await cpu();
  await page.goto(pathToFileURL(resolve(study, "index.html")).href);
  await page.waitForSelector("html[data-ready]");
  ready.push(performance.now() - begin);
  const after = await cpu();
  used.push(after >= before ? after - before : after);
}
// From the event to the next frame that is drawn.
const cpuBefore = await cpu();
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
const acts = spent.sort.length + spent.filter.length;
const each = (await cpu() - cpuBefore) / acts;
console.log(`load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`);
console.log(`cohort page: interactive after ${median(ready)} ms (CPU ${median(used)}), sorted after ${median(spent.sort)} ms (worst ${Math.max(...spent.sort).toFixed(0)}), ` +
  `filtered after ${median(spent.filter)} ms (worst ${Math.max(...spent.filter).toFixed(0)}), CPU ${each.toFixed(0)} ms each`);
await browser.close();
