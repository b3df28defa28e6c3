// node browser_check.mjs STUDY BROWSER [PICTURES]: opens the pages of a study from disk and uses them as a
// person would. Ends with an error when something does not work. Run by tests/integration/report_test.py.
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";

const [study, executablePath, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const url = (name) => pathToFileURL(resolve(study, name)).href;
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]});
const context = await browser.newContext({acceptDownloads: true, viewport: {width: 1280, height: 900}});
const complaints = [];

function watched(page) {
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a label ran: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || complaints.push(`asks for ${request.url()}`));
  return page;
}

async function open(name) {
  const page = watched(await context.newPage());
  const begin = Date.now();
  await page.goto(url(name));
  await page.waitForSelector("html[data-ready]");
  console.log(`${name}: ready after ${Date.now() - begin} ms`);
  return page;
}

async function drawEverything(page) {
  for (const figure of await page.$$("figure[data-chart]")) {
    await figure.scrollIntoViewIfNeeded();
    for (let tries = 0; !(await figure.evaluate((node) => node.querySelector(".plot :is(svg, .absent)"))); ++tries) {
      assert.ok(tries < 100, `no chart: ${await figure.getAttribute("data-chart")}`);
      await page.waitForTimeout(100);
    }
  }
}

async function accessible(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, {resultTypes: ["violations"]}));
  const bad = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  for (const one of bad) console.log(`${name}: ${one.impact} ${one.id}: ${one.help}; ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  assert.equal(bad.length, 0, `${name}: axe-core finds serious violations`);
}

const column = (page, table, n) => page.$$eval(`${table} tbody tr td:nth-child(${n})`, (cells) => cells.map((cell) => cell.textContent));

async function sortsAndFilters(page) {
  const runs = "#runs table";
  const heads = await page.$$eval(`${runs} thead th`, (all) => all.map((head) => head.textContent));
  const fd = heads.findIndex((head) => head.startsWith("mean FD")) + 1;
  const button = page.locator(`${runs} thead th:nth-child(${fd}) button`);
  await button.focus();
  await page.keyboard.press("Enter");
  const ascending = (await column(page, runs, fd)).map(Number);
  assert.deepEqual(ascending, [...ascending].sort((a, b) => a - b));
  assert.equal(await page.getAttribute(`${runs} thead th:nth-child(${fd})`, "aria-sort"), "ascending");
  await page.keyboard.press("Enter");
  assert.match((await column(page, runs, 1))[0], /sub-0017/, "the bad scan comes first when sorted by motion");
  await page.fill("#runs input[type=search]", "0017");
  assert.equal((await column(page, runs, 1)).length, 1);
  await page.fill("#runs input[type=search]", "");
  await page.selectOption("#runs label:has-text('status') select", {label: "warning"});
  assert.deepEqual([...new Set(await column(page, runs, 3))], ["warning"]);
  await page.selectOption("#runs label:has-text('status') select", {label: "all"});
}

async function rates(page) {
  const box = page.locator("fieldset[data-run]").first();
  const run = await box.getAttribute("data-run");
  await page.fill("#review input[type=text]", "ana");
  await page.locator("#review input[type=text]").blur();
  await box.locator("input[value=fail]").check();
  await page.click("#review button >> nth=0");
  assert.match(await page.textContent("#review [role=status]"), /fails without a note/);
  await box.locator("textarea").fill("spikes\tand drift");
  await box.locator("textarea").blur();
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#review button >> nth=0")]);
  const lines = readFileSync(await download.path(), "utf8").trimEnd().split("\n").map((line) => line.split("\t"));
  assert.equal(download.suggestedFilename(), "review.tsv");
  assert.deepEqual(lines[0], ["run_id", "decision", "rater", "date", "reason"]);
  assert.equal(lines.length, 2);
  assert.deepEqual([lines[1][0], lines[1][1], lines[1][2], lines[1][4]], [run, "exclude", "ana", "spikes and drift"]);
  assert.match(lines[1][3], /^\d{4}-\d\d-\d\d$/);
  await page.reload();
  assert.ok(await page.locator("fieldset[data-run] input[value=fail]").first().isChecked(), "a rating outlives a reload");
}

// Distinct colours, and the share of pixels that are not black, of what is seen of an element.
async function seenOf(page, locator) {
  const png = (await locator.screenshot()).toString("base64");
  return page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const bytes = context.getImageData(0, 0, image.width, image.height).data;
    const colours = new Set();
    let lit = 0;
    for (let i = 0; i < bytes.length; i += 4) {
      colours.add((bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2]);
      lit += bytes[i] + bytes[i + 1] + bytes[i + 2] > 24;
    }
    return {colours: colours.size, lit: lit / (bytes.length / 4)};
  }, png);
}

async function opensTheViewer(page) {
  await page.click("#viewer button");
  await page.waitForSelector(".viewer[data-open]", {timeout: 90000});
  const canvas = page.locator(".viewer canvas");
  await canvas.scrollIntoViewIfNeeded();
  await page.waitForTimeout(500);
  const both = await seenOf(page, canvas);
  assert.ok(both.lit > 0.05 && both.colours > 30, `the canvas is blank: ${JSON.stringify(both)}`);
  const place = await canvas.boundingBox();
  await canvas.click({position: {x: place.width / 4, y: place.height / 4}});
  assert.match(await page.textContent("#viewer [role=status]"), /-?\d+, -?\d+, -?\d+ mm: /, "no place is said");
  await page.selectOption("#viewer select >> nth=1", {label: "nothing"});
  await page.waitForTimeout(1000);
  const alone = await seenOf(page, canvas);
  assert.ok(alone.lit > 0.05 && alone.colours < both.colours, `taking the regions off changes nothing: ${JSON.stringify([both, alone])}`);
  console.log(`viewer: ${both.colours} colours, ${(100 * both.lit).toFixed(0)} % of the canvas lit; ${alone.colours} without regions`);
}

async function picture(page, name) {
  if (!pictures) return;
  await page.addStyleTag({content: "section.long{content-visibility:visible!important}"});
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({path: `${pictures}/${name}.png`, fullPage: true});
}

async function onAPhone(name) {
  const phone = await browser.newContext({viewport: {width: 390, height: 800}});
  const page = watched(await phone.newPage());
  await page.goto(url(name));
  await drawEverything(page);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await picture(page, `${name}-phone`);
  assert.ok(wider <= 1, `${name} is ${wider} px wider than a phone`);
  await phone.close();
}

async function withoutScripts(name) {
  const plain = await browser.newContext({javaScriptEnabled: false});
  const page = await plain.newPage();
  await page.goto(url(name));
  assert.match(await page.textContent("noscript"), /Scripts are off/);
  assert.ok(await page.locator("table").count() > 0);
  assert.ok(await page.locator("table caption").first().isVisible());
  await plain.close();
}

const index = await open("index.html");
await sortsAndFilters(index);
await drawEverything(index);
await picture(index, "index");
await accessible(index, "index.html");
const first = index.locator("#first table a").first();
assert.match(await first.textContent(), /sub-0017/, "the bad scan stands first");
await Promise.all([index.waitForURL(/sub-0017\.html#run-/), first.click()]);
const person = await open("sub-0017.html");
await drawEverything(person);
await picture(person, "person");
await accessible(person, "sub-0017.html");
await opensTheViewer(person);
if (pictures) await person.locator("#viewer").screenshot({path: `${pictures}/viewer.png`});
await rates(person);
const again = await open("index.html");
assert.match(await again.textContent("#review [role=status]"), /1 run rated/, "ratings of all pages come together");
for (const name of ["index.html", "sub-0017.html"]) {
  await onAPhone(name);
  await withoutScripts(name);
}
if (pictures) {
  await person.pdf({path: `${pictures}/person.pdf`, format: "A4"});
  await again.pdf({path: `${pictures}/index.pdf`, format: "A4"});
}
await browser.close();
assert.deepEqual(complaints, [], "no error in the console, no outside request, no label that runs");
console.log("the pages work");
