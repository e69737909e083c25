// Following a log: lines come as server-sent events. The browser connects again by itself, and says where it was.
const button = document.getElementById("tail");
if (button) {
  const says = document.getElementById("tail-says"), box = document.getElementById("lines"), lines = box.firstElementChild;
  let source = null;
  const most = 5000;
  button.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
      says.textContent = "";
    } else {
      source = new EventSource(button.dataset.tail);
      says.textContent = "Connecting…";
      source.onopen = () => { says.textContent = "Following"; };
      source.onerror = () => { says.textContent = source.readyState === EventSource.CLOSED ? "Ended: load the page again" : "Connecting again…"; };
      source.onmessage = (e) => {
        const { time, text } = JSON.parse(e.data), below = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
        lines.append(`${time}  ${text}\n`);
        while (lines.childNodes.length > most) lines.firstChild.remove();
        if (below) box.scrollTop = box.scrollHeight;
      };
    }
    button.textContent = source ? "Stop" : "Follow";
    button.setAttribute("aria-pressed", String(Boolean(source)));
  });
  box.scrollTop = box.scrollHeight;
}
