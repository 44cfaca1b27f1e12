/** What the card offers to do about an image. */

import { text } from "../i18n";
import { isLookedUp, isUnknown, type Outcome } from "../verdict";
import type { Action } from "./card";
import { canReadLocally, checkFile, checkImage, checkWithPermission, type Subject } from "./checks";
import { isWebUrl } from "./url";

/** What actions do. */
export interface Deeds {
  /** Check the image, and show the answer. */
  check: (run: () => Promise<Outcome>) => void;
  contest: () => void;
  copyLink: () => void;
  openOptions: () => void;
}

/** Failures that other settings may end. */
const SETTINGS_HELP = new Set([
  "key_missing",
  "key_wrong",
  "not_assay",
  "server_refused",
  "server_unreachable",
]);

/** The actions for an outcome. At most one of them is the main one. */
export function actionsFor(subject: Subject, outcome: Outcome, deeds: Deeds): Action[] {
  if (outcome.state === "classified") {
    return isLookedUp(outcome.verdict)
      ? [checkNow(subject, deeds), ...aboutVerdict(subject, deeds)]
      : [...aboutVerdict(subject, deeds), ...checkAgain(subject, deeds)];
  }
  if (isUnknown(outcome)) return [checkNow(subject, deeds)];
  if (!subject.url) return [];
  const again: Action = {
    name: text("card_again"),
    run: () => deeds.check(() => checkImage(subject, true)),
  };
  const help = helpFor(subject, outcome, deeds);
  return help ? [help, again] : [{ ...again, isMain: true }];
}

function checkNow(subject: Subject, { check }: Deeds): Action {
  const run = () => check(() => checkImage(subject, false));
  return { name: text("menu_check_image"), isMain: true, run };
}

/** The same file has the same verdict. So only what is fetched again is worth a check. */
function checkAgain(subject: Subject, { check }: Deeds): Action[] {
  if (!isWebUrl(subject.url)) return [];
  return [{ name: text("card_check_again"), run: () => check(() => checkImage(subject, true)) }];
}

function aboutVerdict({ url }: Subject, { contest, copyLink }: Deeds): Action[] {
  const wrong = { name: text("card_wrong"), run: contest };
  return isWebUrl(url) ? [wrong, { name: text("card_copy"), run: copyLink }] : [wrong];
}

/** What may end a failure, other than to try again. */
function helpFor(
  subject: Subject,
  outcome: Outcome & { state: "unavailable" },
  { check, openOptions }: Deeds,
): Action | undefined {
  const isMain = true;
  if (outcome.failure.code === "access_needed") {
    const note = text("card_allow_note", new URL(subject.url).host);
    const run = () => check(() => checkWithPermission(subject));
    return { name: text("card_allow"), note, isMain, run };
  }
  if (canReadLocally(outcome)) {
    const run = () => check(() => checkFile(subject));
    return { name: text("card_send"), note: text("card_send_note"), isMain, run };
  }
  if (SETTINGS_HELP.has(outcome.failure.code)) {
    return { name: text("card_open_options"), isMain, run: openOptions };
  }
  return undefined;
}
