// Keeps the keys that are pressed in a notebook's output inside it: in Jupyter M would make the cell text, and the arrows
// would go to another cell. Ctrl+S and its like still save. Shows nothing itself.
function keep(event) {
  if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
}

export default {
  render({ el }) {
    el.style.display = "none";
    const mark = () => {
      const output = el.closest(".jp-OutputArea-output");
      if (output) output.addEventListener("keydown", keep);
      else requestAnimationFrame(mark); // it is not in the page yet
    };
    mark();
  },
};
