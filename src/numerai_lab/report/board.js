"use strict";
(() => {
  const number = (cell) => {
    const found = cell.textContent.match(/-?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) : null;
  };
  for (const head of document.querySelectorAll(".data thead th")) {
    const sort = () => {
      const table = head.closest("table"), body = table.tBodies[0], at = head.cellIndex;
      const down = head.getAttribute("aria-sort") !== "descending";
      const text = at === 0 || head.textContent === "began" || head.textContent === "notes";
      const key = (row) => (text ? row.cells[at].textContent : number(row.cells[at]));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      });
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  }
})();
