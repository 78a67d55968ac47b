// Tables in a page that holds its figures as JSON: a button below each figure opens them.

import { TableDialog } from "./table_dialog.js";

for (const node of document.querySelectorAll("[data-figure]")) {
  const figure = JSON.parse(document.getElementById(node.dataset.figure).textContent);
  const table = new TableDialog(() => figure);
  table.name(node.dataset.title);
  node.after(...table.nodes);
}
