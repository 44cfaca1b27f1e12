/** The part of the card that shows where an image looks AI-made, when it is asked for. */

import { make } from "../dom";
import { help, reason, text } from "../i18n";
import type { Explained } from "../messages";
import { button } from "./button";
import { fromDataUrl } from "./bytes";

export class Explanation {
  readonly element: HTMLElement;
  private readonly toggle = button("small", "", () => this.switch());
  private readonly place = make("div", "map");
  private readonly picture = make("div", "picture");
  private readonly colours = make("p", "");
  /** A live region: what is going on, then how far to trust the picture. */
  private readonly status = make("p", "");
  /** Words of the server about what failed. */
  private readonly detail = make("p", "english");
  private readonly again = button("small", "", () => this.retry());
  private readonly sentences = make("div", "");
  private state: "new" | "waiting" | Explained = "new";

  /**
   * @param explain asks the server
   * @param onGrown is called when the part has become larger
   */
  constructor(
    private readonly explain: () => Promise<Explained>,
    private readonly onGrown: () => void,
  ) {
    this.place.hidden = true;
    this.picture.setAttribute("role", "img");
    this.status.setAttribute("role", "status");
    this.detail.lang = this.sentences.lang = "en";
    this.place.append(
      this.picture,
      this.colours,
      this.status,
      this.detail,
      this.again,
      this.sentences,
    );
    this.element = make("section", "explanation", this.toggle, this.place);
    this.draw();
  }

  /** Show everything in the chosen language. */
  localise(): void {
    this.draw();
  }

  private switch(): void {
    this.place.hidden = !this.place.hidden;
    if (this.state === "new") void this.load();
    else this.draw();
    this.grown();
  }

  private retry(): void {
    // The button goes, so the focus must, too.
    this.toggle.focus();
    void this.load();
  }

  private async load(): Promise<void> {
    this.state = "waiting";
    this.draw();
    const answer = await this.explain();
    this.state = answer.picture ? await this.show(answer, answer.picture) : answer;
    this.draw();
    this.grown();
  }

  /**
   * Draw the picture. An image element would obey the content security policy of the page. The shadow
   * root is closed, because otherwise the page could read the pixels of images from other sites.
   */
  private async show(answer: Explained, picture: string): Promise<Explained> {
    try {
      const bitmap = await createImageBitmap(fromDataUrl(picture));
      const canvas = make("canvas", "");
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.style.cssText = "display: block; width: 100%";
      canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
      this.picture.attachShadow({ mode: "closed" }).append(canvas);
      return answer;
    } catch {
      return { sentences: answer.sentences, failure: { code: "not_assay", detail: "" } };
    }
  }

  private draw(): void {
    const { state } = this;
    const answer = typeof state === "object" ? state : undefined;
    const failure = answer?.failure;
    this.toggle.textContent = text(this.place.hidden ? "explain_show" : "explain_hide");
    this.toggle.ariaExpanded = String(!this.place.hidden);
    this.place.ariaBusy = String(state === "waiting");
    this.picture.hidden = this.colours.hidden = !answer?.picture;
    this.picture.ariaLabel = text("explain_alt");
    this.colours.textContent = text("explain_colours");
    this.status.textContent = this.saying();
    this.detail.textContent = failure?.detail ?? "";
    this.again.textContent = text("card_again");
    this.again.hidden = !failure;
    const sentences = answer?.sentences ?? [];
    this.sentences.replaceChildren(...sentences.map((each) => make("p", "english", each)));
  }

  private saying(): string {
    if (this.state === "new") return "";
    if (this.state === "waiting") return text("explain_wait");
    const { failure } = this.state;
    return failure ? text("explain_failed", reason(failure), help(failure)) : text("explain_about");
  }

  private grown(): void {
    if (!this.element.isConnected || this.place.hidden) return;
    this.onGrown();
    this.element.scrollIntoView({ block: "nearest" });
  }
}
