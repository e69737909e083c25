// Files go to a bucket one after the other, with their progress.
const csrf = document.querySelector("meta[name=csrf]").content;
for (const form of document.querySelectorAll("form[data-upload]")) {
  const [field, progress, says] = [form.querySelector("input[type=file]"), form.querySelector("progress"), form.querySelector("[role=status]")];
  const send = (file) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${form.dataset.upload}?${new URLSearchParams({ key: form.dataset.prefix + file.name })}`);
    request.setRequestHeader("X-Csrf-Token", csrf);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (e) => { progress.value = e.loaded / e.total; };
    request.onload = () => resolve(request.status < 400 ? "" : JSON.parse(request.responseText).Why);
    request.onerror = () => resolve("it was interrupted.");
    request.send(file);
  });
  field.addEventListener("change", async () => {
    progress.hidden = false;
    for (const file of field.files) {
      says.textContent = `Storing ${file.name}…`;
      const problem = await send(file);
      if (problem) {
        progress.hidden = true;
        says.textContent = `${file.name}: ${problem}`;
        return;
      }
    }
    location.reload();
  });
}
