import { text } from "../../lib/i18n";
import { localise } from "../../lib/localise";
import { OptionsForm } from "../../lib/options";

localise(document);
document.title = text("options_title");

void new OptionsForm(document).start();
