// What this browser keeps of its reader: language, name, consent, one code for all takes, and the takes' ids in the
// service, by which they can be deleted. Where a browser keeps nothing, it holds until the page is closed.
const PLACE = "kurdtts-collect";
const LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"; // none that is taken for another

export const reader = { language: "kmr", name: "", consent: false, code: newCode(), takes: [], ...stored() };

export function keep(changes) {
  Object.assign(reader, changes);
  try {
    localStorage.setItem(PLACE, JSON.stringify(reader));
  } catch (error) {
    console.warn(error);
  }
}

/** Ids of all takes that were sent from this browser; another tab may have sent some, too. */
export const takes = () => [...new Set([...(stored()?.takes ?? []), ...reader.takes])];

export const addTake = (id) => keep({ takes: [...new Set([...takes(), id])] });

/** A take that is deleted goes from the list. */
export const dropTake = (id) => keep({ takes: takes().filter((one) => one !== id) });

function newCode() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => LETTERS[byte % LETTERS.length]).join("");
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(PLACE));
  } catch (error) {
    console.warn(error);
    return null;
  }
}
