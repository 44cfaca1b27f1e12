/** Files that the user drops on the page or pastes. Dropped text goes where it was dropped. */

const bringsFiles = (event) => event.dataTransfer.types.includes("Files");

export function onFiles(take) {
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files.length > 0) take(clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files);
  });
}
