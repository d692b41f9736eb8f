// Sorting, filtering and searching of tables that are whole without this file. Text is only ever set as text.
"use strict";

(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  /** The text of a cell without its footnote's letter. */
  const textOf = (cell) => (cell.firstChild ? cell.firstChild.textContent : "").trim();

  /** The key of a cell: a number or null in columns of numbers, else text. */
  const keyOf = (cell, numeric) => {
    if (!numeric) return textOf(cell) || null;
    return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };

  /** Order of two keys; what is missing stands last in both directions. */
  const compare = (a, b, numeric, down) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const found = numeric ? a - b : collator.compare(a, b);
    return down ? -found : found;
  };

  const sorted = (table, head, direction) => {
    const body = table.tBodies[0];
    const place = head.cellIndex;
    const numeric = head.dataset.sort === "number";
    const down = direction === "descending";
    const rows = table.original.map((row, order) => ({ row, order, key: direction === "none" ? null : keyOf(row.cells[place], numeric) }));
    if (direction !== "none") rows.sort((a, b) => compare(a.key, b.key, numeric, down) || a.order - b.order);
    body.append(...rows.map((one) => one.row));
  };

  /** Better first, then worse first, then the order of the board. */
  const next = (head) => {
    const first = head.dataset.first || "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const now = head.getAttribute("aria-sort");
    if (now === first) return second;
    return now === second ? "none" : first;
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.sort);
    table.original = [...table.tBodies[0].rows];
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = next(head);
        for (const other of heads) other.setAttribute("aria-sort", other === head ? direction : "none");
        sorted(table, head, direction);
      });
    }
  };

  /** Shows the rows that hold all words, and returns how many there are. */
  const filter = (rows, words) => {
    let shown = 0;
    for (const row of rows) {
      row.searched ??= row.textContent.toLowerCase();
      row.hidden = !words.every((word) => row.searched.includes(word));
      if (!row.hidden) shown += 1;
    }
    return shown;
  };

  const wordsOf = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);

  const filtered = (table) => {
    const tools = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const output = document.createElement("output");
    tools.className = "tools";
    input.type = "search";
    input.id = `${table.id}-q`;
    input.autocomplete = "off";
    input.spellcheck = false;
    label.htmlFor = input.id;
    label.textContent = "Show rows with";
    output.setAttribute("aria-live", "polite");
    tools.append(label, input, output);
    table.closest(".scroll").before(tools);
    const rows = [...table.tBodies[0].rows];
    input.addEventListener("input", () => {
      const words = wordsOf(input);
      const shown = filter(rows, words);
      output.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
  };

  const searchable = (tools) => {
    const input = tools.querySelector("input");
    const output = tools.querySelector("output");
    const main = document.getElementById("main");
    const rows = [...main.querySelectorAll("[data-row], #methods tbody tr")];
    const parts = [...main.querySelectorAll(".found, #tasks tbody")].map((part) => ({
      part,
      own: rows.filter((row) => part.contains(row)),
    }));
    tools.hidden = false;
    input.addEventListener("input", () => {
      const words = wordsOf(input);
      const shown = filter(rows, words);
      for (const { part, own } of parts) part.hidden = words.length > 0 && own.every((row) => row.hidden);
      output.textContent = words.length ? `${shown} found` : "";
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
      event.preventDefault();
      input.focus();
    });
  };

  /** What does not scroll needs no stop for the keyboard. */
  const stops = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) sortable(table);
  for (const table of document.querySelectorAll("table[data-filtered]")) filtered(table);
  const search = document.getElementById("search");
  if (search) searchable(search);
  for (const details of document.querySelectorAll("details")) details.addEventListener("toggle", stops);
  addEventListener("resize", stops);
  stops();
  document.documentElement.dataset.ready = "";
})();
