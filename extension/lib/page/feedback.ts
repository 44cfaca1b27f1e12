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
  private readonly send = button("do", "", () => void this.submit());
  private readonly status = make("p", "status");
  /** The elements whose texts never change, and the names of their messages. */
  private readonly texts = new Map<HTMLElement, string>([[this.send, "feedback_send"]]);
  /** The words of the status. */
  private saying = () => "";
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
    this.send.disabled = true;
    const label = this.words(make("label", ""), "feedback_note");
    label.htmlFor = this.note.id;
    const sends = isWebUrl(image.url) ? "feedback_sends_url" : "feedback_sends_hash";
    const cancel = this.words(button("small", "", onClose), "feedback_cancel");
    this.element = make(
      "section",
      "feedback",
      make(
        "fieldset",
        "",
        this.words(make("legend", ""), "feedback_question"),
        this.choice("ai"),
        this.choice("real"),
      ),
      label,
      this.note,
      this.words(make("p", "note"), sends),
      make("div", "tools", this.send, cancel),
      this.status,
    );
    this.localise();
  }

  /** Show the texts in the chosen language. What was entered stays. */
  localise(): void {
    for (const [element, name] of this.texts) element.textContent = text(name);
    this.status.textContent = this.saying();
  }

  /** Show all of the form, and move the focus to it. */
  focus(): void {
    this.element.scrollIntoView({ block: "nearest" });
    this.element.querySelector("input")?.focus();
  }

  /** Have an element show a text in the chosen language. */
  private words<Labelled extends HTMLElement>(element: Labelled, name: string): Labelled {
    this.texts.set(element, name);
    return element;
  }

  private say(saying: () => string): void {
    this.saying = saying;
    this.status.textContent = saying();
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
    return make("label", "choice", radio, this.words(make("span", ""), `feedback_${says}`));
  }

  private async submit(): Promise<void> {
    if (!this.says) return;
    this.send.disabled = true;
    this.say(() => text("feedback_sending"));
    const comment = this.note.value.trim();
    const failure = await contest({ kind: "contest", ...this.image, says: this.says, comment });
    if (failure) {
      this.send.disabled = false;
      this.say(() => text("feedback_failed", reason(failure), help(failure)));
      return;
    }
    this.say(() => text("feedback_thanks"));
    // The focus was on a button that is gone now.
    this.status.tabIndex = -1;
    this.element.replaceChildren(this.status);
    this.status.focus();
  }
}
