// What a page can do better with JavaScript; everything works without.

async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https a browser copies only what is selected.
    if (field instanceof HTMLInputElement) {
      field.select();
      return document.execCommand("copy");
    }
    return false;
  }
}

for (const button of document.querySelectorAll("button.copy")) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copyFrom ?? "");
    const field = button.parentElement.querySelector("input");
    const done = await copy(button.dataset.copy ?? source.textContent, field);
    button.textContent = done ? "Copied" : "Select and copy";
    setTimeout(() => (button.textContent = words), 2000);
  });
}

// The rule of the chosen model stands below the select.
for (const note of document.querySelectorAll("[data-note-of]")) {
  const select = document.getElementById(note.dataset.noteOf);
  select?.addEventListener("change", () => (note.textContent = select.selectedOptions[0]?.dataset.note ?? ""));
}

// An address that people pass on names only what is set.
document.getElementById("report-form")?.addEventListener("formdata", ({ formData }) => {
  for (const name of new Set(formData.keys())) {
    const values = formData.getAll(name).filter((value) => value !== "");
    const model = name.includes(".") && name.split(".")[0];
    formData.delete(name);
    if (model && !formData.getAll("model").includes(model)) continue;
    for (const value of values) formData.append(name, value);
  }
});
