// Tables that say data-sortable get a button in each heading; without this script they are just as readable.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  for (const heading of table.tHead.rows[0].cells) {
    if (!heading.hasAttribute("data-key")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent.trim();
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const value = (row) => row.cells[heading.cellIndex].dataset.value;
      // What was not measured has no value and stays at the end, whichever the direction.
      const order = (a, b) => (!a || !b ? !a - !b : sign * (heading.dataset.key === "text" ? a.localeCompare(b) : a - b));
      body.append(...[...body.rows].sort((a, b) => order(value(a), value(b))));
    });
  }
}
