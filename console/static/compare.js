// <glassine-compare> draws two pictures over each other, with a divider that mouse, touch and arrow keys move.
customElements.define("glassine-compare", class extends HTMLElement {
  #canvas = document.createElement("canvas");
  #range = document.createElement("input");
  #pictures = null;

  connectedCallback() {
    this.#range.type = "range";
    this.#range.min = 0;
    this.#range.max = 100;
    this.#range.value = 50;
    this.#range.setAttribute("aria-label", "Divider between the original and what the world gets");
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", "The original left of the divider, what the world gets right of it");
    const ends = document.createElement("p");
    ends.className = "ends";
    for (const text of ["original", "world"]) {
      const span = document.createElement("span");
      span.textContent = text;
      ends.append(span);
    }
    this.replaceChildren(this.#canvas, ends, this.#range);
    this.#range.addEventListener("input", () => this.#draw());
    this.addEventListener("pointermove", (e) => {
      if (e.buttons !== 1 || e.target === this.#range) return;
      this.#range.value = ((e.clientX - this.getBoundingClientRect().left) / this.clientWidth) * 100;
      this.#draw();
    });
  }

  set pictures(both) {
    this.#pictures = both;
    this.#draw();
  }

  #draw() {
    if (!this.#pictures) return;
    const [left, right] = this.#pictures;
    const width = Math.min(left.naturalWidth, 1400), height = Math.round((width * left.naturalHeight) / left.naturalWidth) || 1;
    if (this.#canvas.width !== width || this.#canvas.height !== height) { this.#canvas.width = width; this.#canvas.height = height; }
    const context = this.#canvas.getContext("2d"), cut = (width * this.#range.value) / 100;
    context.clearRect(0, 0, width, height);
    context.drawImage(left, 0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(cut, 0, width - cut, height);
    context.clip();
    context.drawImage(right, 0, 0, width, height);
    context.restore();
    context.fillStyle = "#fff";
    context.fillRect(cut - 1.5, 0, 3, height);
  }
});
