// Entry of the pages' script: the table of runs first, the rest as it comes into view.
import {draw} from "./charts.mjs";
import {review} from "./review.mjs";
import {enhance} from "./tables.mjs";
import {view} from "./view.mjs";

const pending = new Set(document.querySelectorAll("figure[data-chart], table"));
const show = (part) => {
  if (pending.delete(part)) (part.matches("table") ? enhance : draw)(part);
};
for (const table of document.querySelectorAll("#runs table")) show(table);
review();
view();

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    show(entry.target);
  }
}, {rootMargin: "400px"});
for (const part of pending) watcher.observe(part);
addEventListener("beforeprint", () => {
  for (const part of [...pending]) if (!part.matches("table")) show(part); // tables are whole as they stand
});
document.documentElement.dataset.ready = "1";
