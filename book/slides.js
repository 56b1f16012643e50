addEventListener("keydown", (event) => {
  if (event.target.matches("input")) return;
  const step = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1,
                ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[event.key];
  if (!step) return;
  event.preventDefault();
  scrollTo({top: innerHeight * (Math.round(scrollY / innerHeight) + step), behavior: "smooth"});
});
