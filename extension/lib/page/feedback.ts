/** The form in the card that tells the server that a verdict is wrong. */

import { make } from "../dom";
import { help, reason, text } from "../i18n";
import { contest, type Contest } from "../messages";
import { button } from "./button";
import { isWebUrl } from "./url";

/** Longest note, in characters, that the server accepts. */
const LONGEST_NOTE = 1000;

type Says = Contest["says"];

export class FeedbackForm {
  readonly element: HTMLElement;
  private readonly note = make("textarea", "");
  private readonly send: HTMLButtonElement;
  private readonly status = make("p", "status");
  private says: Says | undefined;

  /**
   * @param image the contested image
   * @param onClose is called when the user cancels or is done
   */
  constructor(
    private readonly image: Pick<Contest, "url" | "sha256">,
    onClose: () => void,
  ) {
    this.note.id = "note";
    this.note.rows = 2;
    this.note.maxLength = LONGEST_NOTE;
    this.status.setAttribute("role", "status");
    this.send = button("do", text("feedback_send"), () => void this.submit());
    this.send.disabled = true;
    const label = make("label", "", text("feedback_note"));
    label.htmlFor = this.note.id;
    const sends = isWebUrl(image.url) ? "feedback_sends_url" : "feedback_sends_hash";
    this.element = make(
      "section",
      "feedback",
      make(
        "fieldset",
        "",
        make("legend", "", text("feedback_question")),
        this.choice("ai"),
        this.choice("real"),
      ),
      label,
      this.note,
      make("p", "note", text(sends)),
      make("div", "tools", this.send, button("small", text("feedback_cancel"), onClose)),
      this.status,
    );
  }

  /** Show all of the form, and move the focus to it. */
  focus(): void {
    this.element.scrollIntoView({ block: "nearest" });
    this.element.querySelector("input")?.focus();
  }

  private choice(says: Says): HTMLLabelElement {
    const radio = make("input", "");
    radio.type = "radio";
    radio.name = "says";
    radio.value = says;
    radio.addEventListener("change", () => {
      this.says = says;
      this.send.disabled = false;
    });
    return make("label", "choice", radio, text(`feedback_${says}`));
  }

  private async submit(): Promise<void> {
    if (!this.says) return;
    this.send.disabled = true;
    this.status.textContent = text("feedback_sending");
    const comment = this.note.value.trim();
    const failure = await contest({ kind: "contest", ...this.image, says: this.says, comment });
    if (failure) {
      this.send.disabled = false;
      this.status.textContent = text("feedback_failed", reason(failure), help(failure));
      return;
    }
    this.status.textContent = text("feedback_thanks");
    // The focus was on a button that is gone now.
    this.status.tabIndex = -1;
    this.element.replaceChildren(this.status);
    this.status.focus();
  }
}
