// Plays sounds that the kernel sends as messages: nothing of them is kept in the notebook's file.
export default {
  render({ model, el }) {
    const label = document.createElement("div");
    label.setAttribute("role", "status");
    label.lang = "kmr"; // the sentence
    const audio = document.createElement("audio");
    audio.controls = true;
    audio.hidden = true;
    let url = "";
    const forget = () => url && URL.revokeObjectURL(url);
    const receive = (message, buffers) => {
      forget();
      url = "";
      label.textContent = message.label;
      audio.hidden = buffers.length === 0;
      if (buffers.length === 0) return;
      url = URL.createObjectURL(new Blob([buffers[0]], { type: "audio/flac" }));
      audio.src = url;
      audio.play().catch(() => {}); // a browser may want a click on the player itself first
    };
    model.on("msg:custom", receive);
    el.append(label, audio);
    return () => {
      model.off("msg:custom", receive);
      forget();
    };
  },
};
