addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  // A formula stays with the bracket before it and the comma behind it.
  const take = (node, pattern) => {
    const [found] = node?.nodeType === Node.TEXT_NODE ? node.data.match(pattern) : [""];
    if (found) node.data = node.data.replace(pattern, "");
    return found;
  };
  for (const formula of document.querySelectorAll(".bd-article span.math")) {
    const glued = document.createElement("span");
    glued.className = "glued";
    const before = take(formula.previousSibling, /[(\[“”"‘]*$/);
    const behind = take(formula.nextSibling, /^[)\],.;:?!”"’]*/);
    formula.replaceWith(glued);
    glued.append(before, formula, behind);
  }
  // An interval stays on one line; a long name in a table breaks at its joints.
  for (const cell of document.querySelectorAll(".bd-article td"))
    if (/^.{0,12}\[[^\]]*\d\]$/.test(cell.textContent.trim())) cell.classList.add("interval");
  for (const name of document.querySelectorAll(".bd-article td code .pre"))
    name.replaceChildren(...name.textContent.split(/(?<=[._(,/])/).flatMap(
      (part, n) => n ? [document.createElement("wbr"), part] : [part]));
  // The names of a table's index stand in the header's own line, not in an empty one below it.
  for (const head of document.querySelectorAll(".bd-article table.dataframe thead")) {
    const [above, last] = [...head.rows].slice(-2);
    const names = [...(last?.cells ?? [])].findIndex((cell) => !cell.textContent.trim());
    if (names < 0 || [...last.cells].slice(names).some((cell) => cell.textContent.trim())) continue;
    if (above.cells.length !== last.cells.length) continue;
    for (let n = 0; n < names; n++) above.cells[n].textContent = last.cells[n].textContent;
    last.remove();
  }
  // What scrolls must be reachable by keyboard: wide tables, code and formulas take the focus.
  for (const box of document.querySelectorAll(
    ".bd-article table, .bd-article pre, .bd-article .cell_output, .bd-article .slide, mjx-container"))
    if (box.scrollWidth > box.clientWidth + 4) box.tabIndex = 0;  // a formula's hidden text takes up to 4
  // docutils writes a role that the ARIA standard has withdrawn.
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
  for (const entry of document.querySelectorAll(".citation")) entry.removeAttribute("role");
});
// Where `make lite` has built its site beside this one, and a server shows both, a chapter can be run.
addEventListener("load", async () => {
  const chapter = location.pathname.match(/(\d\d_\w+)\.html$/)?.[1];
  if (!chapter || !location.protocol.startsWith("http")) return;
  const answer = await fetch("lite/chapters.json").catch(() => null);
  const lacks = answer?.ok && (await answer.json())[chapter];
  if (!lacks) return;
  const line = document.createElement("p");
  if (lacks.length) line.textContent = `This page does not run in a browser: it needs ${lacks.join(", ")}.`;
  else {
    line.innerHTML = "<a>Run this page</a> here in the browser: choose Run, Run All Cells.";
    line.firstChild.href = `lite/notebooks/index.html?path=${chapter}.ipynb`;
  }
  document.querySelector(".bd-article h1")?.after(line);
});
