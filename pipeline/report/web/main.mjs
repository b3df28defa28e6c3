// Entry of the pages' script: tables first, charts as they come into view, review where a page has it.
import {draw} from "./charts.mjs";
import {review} from "./review.mjs";
import {enhance} from "./tables.mjs";

for (const table of document.querySelectorAll("table")) enhance(table);
review();

const pending = new Set(document.querySelectorAll("figure[data-chart]"));
const show = (figure) => {
  if (pending.delete(figure)) draw(figure);
};
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    show(entry.target);
  }
}, {rootMargin: "400px"});
for (const figure of pending) watcher.observe(figure);
addEventListener("beforeprint", () => {
  for (const figure of [...pending]) show(figure);
});
document.documentElement.dataset.ready = "1";
