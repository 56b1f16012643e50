addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  // What scrolls must be reachable by keyboard: wide tables, code and formulas take the focus.
  for (const box of document.querySelectorAll(".bd-article table, .bd-article pre, mjx-container"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  // docutils writes a role that the ARIA standard has withdrawn.
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
  for (const entry of document.querySelectorAll(".citation")) entry.removeAttribute("role");
});
