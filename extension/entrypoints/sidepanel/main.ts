import { localise } from "../../lib/localise";
import { HistoryPanel } from "../../lib/panel";

const panel = new HistoryPanel(document);

void localise(document, () => panel.localise()).then(() => panel.start());
