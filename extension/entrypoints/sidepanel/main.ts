import { text } from "../../lib/i18n";
import { localise } from "../../lib/localise";
import { HistoryPanel } from "../../lib/panel";

localise(document);
document.title = text("history_title");
const search = document.querySelector<HTMLInputElement>("#search")!;
search.placeholder = text("history_search");

new HistoryPanel(document).start();
