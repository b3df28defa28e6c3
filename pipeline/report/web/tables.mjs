// Sorting, filtering and pages of rows for tables that are complete as they stand.
const kPageRows = 50;
const kCollator = new Intl.Collator("en", {numeric: true});
const kLeastToFilter = 15;

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function value(text) {
  const number = parseFloat(text);
  return text !== "" && /^[-+]?[\d.]/.test(text) && !Number.isNaN(number) ? number : text;
}

// Numbers before text, missing last, whatever the direction.
function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const numeric = typeof a === "number";
  if (numeric !== (typeof b === "number")) return numeric ? -1 : 1;
  return direction * (numeric ? a - b : kCollator.compare(a, b));
}

class View {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows].map((row, order) => {
      const text = [...row.cells].map((cell) => cell.textContent);
      return {row, order, text, values: text.map(value), all: text.join("\t").toLowerCase()};
    });
    this.first = 0;
    this.everything = false;
    this.words = "";
    this.choices = new Map();
    this.shown = this.rows;
  }

  apply() {
    const words = this.words.toLowerCase().split(/\s+/).filter(Boolean);
    this.shown = this.rows.filter((one) => words.every((word) => one.all.includes(word)) &&
      [...this.choices].every(([column, wanted]) => wanted === null || one.text[column] === wanted));
    if (this.column !== undefined) {
      this.shown.sort((a, b) => compare(a.values[this.column], b.values[this.column], this.direction) || a.order - b.order);
    }
    this.first = 0;
    this.render();
  }

  render() {
    const end = this.everything ? this.shown.length : Math.min(this.first + kPageRows, this.shown.length);
    this.body.replaceChildren(...this.shown.slice(this.everything ? 0 : this.first, end).map((one) => one.row));
    if (!this.count) return;
    const total = this.rows.length;
    const range = this.shown.length > end - this.first || this.first > 0 ? `rows ${this.first + 1} to ${end} of ` : "";
    this.count.textContent = `${range}${this.shown.length}${this.shown.length === total ? "" : ` of ${total}`} rows`;
    if (!this.back) return;
    const long = this.shown.length > kPageRows && !this.everything;
    this.back.hidden = this.next.hidden = !long;
    this.back.disabled = this.first === 0;
    this.next.disabled = end >= this.shown.length;
  }

  sortable() {
    [...this.table.tHead.rows[0].cells].forEach((head, column) => {
      const button = element("button", {type: "button", textContent: head.textContent});
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        this.direction = this.column === column ? -this.direction : 1;
        this.column = column;
        for (const other of this.table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", this.direction > 0 ? "ascending" : "descending");
        this.apply();
      });
    });
  }

  tools() {
    const tools = element("div", {className: "tools"});
    const search = element("input", {type: "search", autocomplete: "off"});
    search.addEventListener("input", () => {
      this.words = search.value;
      this.apply();
    });
    tools.append(element("label", {}, "Find in the table", search));
    [...this.table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.dataset.choice === undefined) return;
      const values = [...new Set(this.rows.map((one) => one.text[column]))].sort();
      if (values.length < 2 || values.length > 40) return;
      const list = element("select", {}, element("option", {value: "", textContent: "all"}),
        ...values.map((text, i) => element("option", {value: String(i), textContent: text || "(empty)"})));
      list.addEventListener("change", () => {
        this.choices.set(column, list.value === "" ? null : values[Number(list.value)]);
        this.apply();
      });
      tools.append(element("label", {}, head.textContent, list));
    });
    this.count = element("span", {role: "status"});
    this.pager(tools);
    tools.append(this.count);
    this.table.parentElement.before(tools);
  }

  pager(tools) {
    if (this.rows.length <= kPageRows) return;
    const turn = (step) => () => {
      this.first = Math.max(0, this.first + step);
      this.render();
    };
    this.back = element("button", {type: "button", textContent: "Earlier rows"});
    this.next = element("button", {type: "button", textContent: "More rows"});
    this.back.addEventListener("click", turn(-kPageRows));
    this.next.addEventListener("click", turn(kPageRows));
    tools.append(this.back, this.next);
    addEventListener("beforeprint", () => {
      this.everything = true;
      this.render();
    });
    addEventListener("afterprint", () => {
      this.everything = false;
      this.render();
    });
  }
}

export function enhance(table) {
  if (!table.tHead || table.tBodies[0].rows.length < 2) return;
  const view = new View(table);
  if (view.rows.length >= kLeastToFilter) view.tools();
  view.sortable();
  view.render();
}

export {element};
