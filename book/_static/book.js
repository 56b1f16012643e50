// What scrolls must be reachable by keyboard: wide tables, code and formulas take the focus.
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const box of document.querySelectorAll(".bd-article table, .bd-article pre, mjx-container"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
});
