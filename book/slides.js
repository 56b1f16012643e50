const slides = [...document.querySelectorAll(".deck section")];
const here = () => Math.round(scrollY / innerHeight);
function mark() { slides.forEach((slide, n) => slide.classList.toggle("now", n === here())); }
// A slide that would be higher than the screen, or wider, is set smaller until it fits.
function fit() {
  for (const slide of slides) {
    slide.style.fontSize = "";
    for (let size = 24; size > 12 && (slide.scrollHeight > slide.clientHeight + 1
         || slide.scrollWidth > slide.clientWidth + 1); size -= 1) slide.style.fontSize = `${size}px`;
  }
}
addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => { fit(); window.fitted = true; }));
addEventListener("resize", fit);
addEventListener("scroll", mark);
addEventListener("keydown", (event) => {
  if (event.target.matches("input")) return;
  if (event.key === "n") { mark(); document.body.classList.toggle("speaking"); return; }
  const step = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1,
                ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[event.key];
  if (!step || !slides.length) return;
  event.preventDefault();
  scrollTo({top: innerHeight * (here() + step), behavior: "smooth"});
});
