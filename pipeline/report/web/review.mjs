// What a person thinks of runs, kept by the browser, given out as the table `--path review=FILE` reads.
import {element} from "./tables.mjs";

const kDecision = {pass: "include", warn: "include", fail: "exclude"};
const kHead = ["run_id", "decision", "rater", "date", "reason"];

// Memory, and the browser's store where it lets pages from disk have one.
class Ratings {
  constructor(cohort) {
    this.key = `boldmill-review-${cohort}`;
    this.all = {rater: "", runs: {}};
    this.load();
  }
  load() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key));
      if (kept && typeof kept.runs === "object" && kept.runs) this.all = {rater: String(kept.rater ?? ""), runs: kept.runs};
    } catch {
      this.unkept = true;
    }
  }
  save() {
    try {
      localStorage.setItem(this.key, JSON.stringify(this.all));
    } catch {
      this.unkept = true;
    }
  }
}

function today() {
  const now = new Date();
  return [now.getFullYear(), String(now.getMonth() + 1).padStart(2, "0"), String(now.getDate()).padStart(2, "0")].join("-");
}

const plain = (text) => String(text ?? "").replace(/[\u0000-\u001f\u007f]+/g, " ").trim();

function rows(ratings) {
  return Object.entries(ratings.all.runs).filter(([, one]) => kDecision[one.rating]).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([run, one]) => {
      const note = plain(one.note);
      const reason = one.rating === "warn" ? `warn: ${note || "no note"}` : note;
      return [plain(run), kDecision[one.rating], plain(one.rater || ratings.all.rater), one.date, reason || "n/a"];
    });
}

// Why the table would be refused, in words; "" when it would not.
function problem(ratings) {
  const table = rows(ratings);
  if (table.length === 0) return "No run is rated yet.";
  const rater = table.find((row) => row[2] === "" || /[,()]/.test(row[2]));
  if (rater) return "Give the rater's name, without commas and brackets.";
  const silent = table.find((row) => row[1] === "exclude" && row[4] === "n/a");
  return silent ? `${silent[0]} fails without a note: say why.` : "";
}

function download(ratings) {
  const text = [kHead, ...rows(ratings)].map((row) => row.join("\t")).join("\n") + "\n";
  const link = element("a", {href: URL.createObjectURL(new Blob([text], {type: "text/tab-separated-values"})), download: "review.tsv"});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function bindRun(box, ratings, changed) {
  const run = box.dataset.run;
  const note = box.querySelector("textarea");
  const write = () => {
    const chosen = box.querySelector("input:checked");
    ratings.load();
    if (chosen) ratings.all.runs[run] = {rating: chosen.value, note: note.value, rater: ratings.all.rater, date: today()};
    ratings.save();
    changed();
  };
  const kept = ratings.all.runs[run];
  if (kept) {
    for (const input of box.querySelectorAll("input")) input.checked = input.value === kept.rating;
    note.value = String(kept.note ?? "");
  }
  for (const input of box.querySelectorAll("input")) input.addEventListener("change", write);
  note.addEventListener("change", write);
}

export function review() {
  const panel = document.querySelector(".review[data-cohort]");
  if (!panel) return;
  const ratings = new Ratings(panel.dataset.cohort);
  const name = element("input", {type: "text", value: ratings.all.rater, autocomplete: "name"});
  const save = element("button", {type: "button", className: "button", textContent: "Download decisions"});
  const forget = element("button", {type: "button", className: "button", textContent: "Forget all ratings"});
  const said = element("p", {role: "status"});
  const changed = () => {
    const n = rows(ratings).length;
    said.textContent = `${n} ${n === 1 ? "run" : "runs"} rated in this browser.` +
      (ratings.unkept ? " The browser keeps nothing for pages from disk: download before you leave this page." : "");
    for (const cell of document.querySelectorAll("[data-rating-of]")) {
      cell.textContent = ratings.all.runs[cell.dataset.ratingOf]?.rating ?? "";
    }
  };
  name.addEventListener("change", () => {
    ratings.load();
    ratings.all.rater = plain(name.value);
    for (const one of Object.values(ratings.all.runs)) one.rater ||= ratings.all.rater;
    ratings.save();
    changed();
  });
  save.addEventListener("click", () => {
    const why = problem(ratings);
    if (why) said.textContent = why;
    else download(ratings);
  });
  forget.addEventListener("click", () => {
    if (!confirm("Forget every rating kept in this browser for this cohort?")) return;
    ratings.all.runs = {};
    ratings.save();
    location.reload();
  });
  panel.append(element("div", {className: "tools"}, element("label", {}, "Rater", name), save, forget), said);
  for (const box of document.querySelectorAll("fieldset[data-run]")) {
    box.hidden = false;
    bindRun(box, ratings, changed);
  }
  changed();
}
