// node browser_rate.mjs STUDY BROWSER OUT RATER [RUN RATING NOTE]...: rates runs on the participants' pages as a person
// would and saves the table that "Download decisions" gives. Run by tests/integration/review_test.py.
import assert from "node:assert/strict";
import {resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {chromium} from "playwright-core";

const [study, executablePath, out, rater, ...decisions] = process.argv.slice(2);
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-gpu"]});
const context = await browser.newContext({acceptDownloads: true});
const page = await context.newPage();
for (let i = 0; i < decisions.length; i += 3) {
  const [run, rating, note] = decisions.slice(i, i + 3);
  await page.goto(pathToFileURL(resolve(study, `${run.split("_")[0]}.html`)).href);
  await page.waitForSelector("html[data-ready]");
  await page.fill("#review input[type=text]", rater);
  await page.locator("#review input[type=text]").blur();
  const box = page.locator(`fieldset[data-run="${run}"]`);
  await box.locator(`input[value=${rating}]`).check();
  await box.locator("textarea").fill(note);
  await box.locator("textarea").blur();
}
assert.match(await page.textContent("#review [role=status]"), new RegExp(`^${decisions.length / 3} run`));
const [download] = await Promise.all([page.waitForEvent("download"), page.click("#review button >> nth=0")]);
await download.saveAs(out);
await browser.close();
