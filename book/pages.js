async () => {
  // What a page shows once its formulas are drawn and what is folded lies open.
  if (window.MathJax?.startup) await MathJax.startup.promise;
  const all = (what) => [...document.querySelectorAll(what)];
  all("details").forEach((fold) => { fold.open = true; });
  return {
    formulas: all("mjx-container").length,
    written: all("span.math, div.math").length,
    errors: all("merror, [data-mjx-error], .system-message").length,
    unnamed: all("img").filter((i) => !i.alt).length,
    unloaded: all("img").filter((i) => !i.naturalWidth).length,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
  };
}
