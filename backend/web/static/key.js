/** The API key, where the server needs one: kept for this tab only. */

const NAME = "assay-key";
const form = document.querySelector("#key");

/** The key to send, if there is one. */
export const apiKey = () => (form ? sessionStorage.getItem(NAME) : null);

/** Say that the server refused the key, and ask for another one. */
export function refuseKey(reason) {
  sessionStorage.removeItem(NAME);
  show(reason);
}

function show(state) {
  if (!form) return;
  const isSet = apiKey() !== null;
  form.querySelector("#key-state").textContent = isSet ? "A key is in use." : state;
  form.querySelector("#key-forget").hidden = !isSet;
  form.hidden = false;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(NAME, form.querySelector("input").value.trim());
  location.reload(); // the page then begins again, with the key
});
form?.querySelector("#key-forget").addEventListener("click", () => {
  sessionStorage.removeItem(NAME);
  location.reload();
});
show("");
