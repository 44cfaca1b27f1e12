import { localise } from "../../lib/localise";
import { Popup } from "../../lib/popup/popup";

const popup = new Popup(document);

void localise(document, () => popup.localise()).then(() => popup.start());
