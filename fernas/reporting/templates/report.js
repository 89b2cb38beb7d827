"use strict";
(function () {
  function keyOf(row, index) {
    const cell = row.cells[index];
    if (!cell) return "";
    return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
  }
  function compare(a, b) {
    const x = Number(a), y = Number(b);
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.localeCompare(b, undefined, { numeric: true });
  }
  function sortBy(table, header, index) {
    const descending = header.getAttribute("aria-sort") === "ascending" ||
      (header.getAttribute("aria-sort") !== "descending" && header.classList.contains("num"));
    for (const other of header.parentElement.cells) {
      if (other.querySelector("button")) other.setAttribute("aria-sort", "none");
    }
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    rows.sort(function (one, two) {
      const a = keyOf(one, index), b = keyOf(two, index);
      if (a === "" || b === "") return (a === "") - (b === "");  // what is missing stays last
      return descending ? compare(b, a) : compare(a, b);
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }
  function filter(table, words, count) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      const keep = wanted.every(function (word) { return text.includes(word); });
      row.hidden = !keep;
      shown += keep ? 1 : 0;
    }
    const all = table.tBodies[0].rows.length;
    const rows = all === 1 ? " row" : " rows";
    count.textContent = shown === all ? all + rows : shown + " of " + all + rows;
  }
  document.querySelectorAll("table[data-sortable]").forEach(function (table) {
    Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells).forEach(function (header, index) {
      const button = header.querySelector("button");
      if (button) button.addEventListener("click", function () { sortBy(table, header, index); });
    });
  });
  document.querySelectorAll("input[data-filters]").forEach(function (input) {
    const table = document.getElementById(input.dataset.filters);
    const count = document.getElementById(input.dataset.count);
    input.addEventListener("input", function () { filter(table, input.value, count); });
    filter(table, input.value, count);
  });
})();
