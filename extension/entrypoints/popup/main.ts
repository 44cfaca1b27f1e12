import { localise } from "../../lib/localise";
import { Popup } from "../../lib/popup/popup";

localise(document);

void new Popup(document).start();
